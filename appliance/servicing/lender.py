"""What a record of one routine takes all the rest from: the calibration in force."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from appliance.calibrations import Calibrations
from appliance.store import Store
from appliance.store_place import is_there
from calibration.errors import CalibrationRefused
from calibration.record import CalibrationRecord
from calibration.renewal import refuse_to_lend
from calibration.setup import Setup

if TYPE_CHECKING:
    from appliance.config import Config


class Lender:
    """Knows it for one routine. name: of the routine, as in "flat_field"."""

    def __init__(self, config: Config, name: str) -> None:
        """Look into the store of the settings."""
        self._config, self._name = config, name

    def check(self, setup: Setup) -> None:
        """Raise CalibrationRefused where a record cannot be made."""
        last = self.last(setup)
        if last is not None:
            refuse_to_lend(last, datetime.now(UTC))
        elif self._name != "pixel_size":
            raise CalibrationRefused(
                f"No calibration is in force for {setup} that the {self._name.replace('_', ' ')} could be added to. "
                "Calibrate everything first: hemadiff calibrate all."
            )

    def last(self, setup: Setup) -> CalibrationRecord | None:
        """Return the calibration in force for a setup; None where there is none."""
        path = self._config.store.path
        if not is_there(path):
            return None
        with contextlib.closing(Store.read_only(path)) as store:
            return Calibrations(store).in_force(setup)
