"""A routine that refuses is begun again when what it says was put right: what came before it is not lost."""

from __future__ import annotations

from collections.abc import Callable

from appliance.calibrating.steps import Expose, Known, Mend, Routine, Shine, T, Tell
from appliance.errors import ApplianceRefused
from calibration.errors import CalibrationRefused

TRIES = 5


def until_mended(known: Known, begin: Callable[[], Routine[T]], tries: int = TRIES) -> Routine[T]:
    """Run a routine; where it refuses, say why and ask whether that was put right, and if so begin again.

    known: how camera and lamp are set before it begins again.
    Raises what it refused with once nobody has put it right, and after so many tries.
    """
    for left in range(tries - 1, -1, -1):
        try:
            return (yield from begin())
        except (CalibrationRefused, ApplianceRefused) as refusal:
            if not left or not (yield Mend(str(refusal))):
                raise
        yield Tell("Beginning this routine again.")
        yield Shine(None)
        yield Expose(known.setting)
    raise AssertionError
