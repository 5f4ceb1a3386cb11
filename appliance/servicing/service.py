"""What the instrument is asked of its service session, and what it answers."""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from appliance.camera_source import SimulatedSource, is_sensor, parse_camera
from appliance.errors import ApplianceRefused

if TYPE_CHECKING:
    from appliance.calibrating.bench import Bench
    from appliance.calibrating.runner import Engineer
    from appliance.config import Config
    from appliance.servicing.session import Session
    from firmware_bridge.point import Point

CLOSED_WITHIN_S = 30.0
LONGEST_JOG_UM = 20_000.0
NONE = "No service session is going on. Begin one."
NOTHING = {"phase": "none"}

Open = Callable[["Config", "Engineer", bool], AbstractContextManager["Bench"]]


@contextlib.contextmanager
def open_bench(config: Config, engineer: Engineer, at_reference: bool) -> Iterator[Bench]:
    """Open the microscope of the settings, simulated or real. Raises ApplianceRefused where there is none."""
    from appliance.calibrating.bench import perfect_bench, real_bench, simulated_bench

    source = config.camera.source
    if source is not None and is_sensor(source):
        opened = real_bench(config, engineer, at_reference=at_reference)
    elif source is not None and isinstance(simulated := parse_camera(source), SimulatedSource):
        kind = simulated_bench if config.simulator.instrument else perfect_bench
        opened = kind(config, simulated.seed, engineer)
    else:
        raise ApplianceRefused("There is no microscope to serve: [camera] source in the settings names none.")
    with opened as bench:
        yield bench


class Service:
    """Keeps at most one session. Methods may be called from any thread."""

    def __init__(self, config: Config, opened: Open = open_bench) -> None:
        """opened: gives the microscope."""
        self._config, self._open = config, opened
        self._session: Session | None = None
        self._asks: Mapping[str, Callable[..., dict[str, Any]]] = {
            "self_test": self._self_test,
            "service_state": lambda **_: NOTHING if self._session is None else self._session.state(),
            "service_picture": self._picture,
            "service_answer": self._answer,
            "service_jog": self._jog,
            "service_start": lambda by="", **_: _at(self._in_hand_of(by).go_to_start()),
            "service_home": lambda by="", **_: _at(self._in_hand_of(by).home()),
            "service_camera": self._camera,
            "service_lamp": self._lamp,
            "service_routine": self._routine,
            "service_stop": self._stop,
            "service_end": self._end,
        }

    @property
    def held_by(self) -> str | None:
        """Who has the microscope; None where nobody has."""
        session = self._session
        return session.by if session is not None and session.alive else None

    def knows(self, ask: str) -> bool:
        """Whether this is asked here."""
        return ask in self._asks

    def answer(self, ask: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an ask, in the caller's thread. Raises ApplianceRefused with a sentence."""
        return self._asks[ask](**arguments)

    def begin(self, by: str, at_reference: bool, over: Callable[[], object]) -> None:
        """Take the microscope in hand. The caller has made sure that nobody else has it.

        over: is called when it was let go.
        """
        from appliance.servicing.session import Session

        if self.held_by is not None:
            raise ApplianceRefused(f"{self.held_by} has the microscope for service already.")
        self._session = Session(by, lambda engineer: self._open(self._config, engineer, at_reference), over)

    def close(self) -> None:
        """End the session and wait until the microscope is let go. May be called twice."""
        if self._session is not None:
            self._session.end(CLOSED_WITHIN_S)

    def _in_hand(self) -> Session:
        if self._session is None or not self._session.alive:
            raise ApplianceRefused(NONE)
        return self._session

    def _in_hand_of(self, by: str) -> Session:
        """Return the session of whoever asks: two people's hands on one stage are an accident."""
        session = self._in_hand()
        if by != session.by:
            raise ApplianceRefused(
                f"{session.by} has the microscope for service. Ask them to end that, or an administrator."
            )
        return session

    def _self_test(self, **_: Any) -> dict[str, Any]:
        from appliance.servicing.self_test import as_objects, self_test

        return {"findings": as_objects(self_test(self._config))}

    def _picture(self, **_: Any) -> dict[str, Any]:
        return {"jpeg": base64.b64encode(self._in_hand().picture()).decode()}

    def _answer(self, by: str = "", yes: Any = None, question: Any = None, **_: Any) -> dict[str, Any]:
        """Answer a question. question: its number, so that a second touch does not answer the next one."""
        if not isinstance(yes, bool) or type(question) is not int:
            raise ApplianceRefused("An answer is yes or no, and says to which question.")
        self._in_hand_of(by).answer(yes, question)
        return {}

    def _jog(self, by: str = "", dx: Any = 0.0, dy: Any = 0.0, dz: Any = 0.0, **_: Any) -> dict[str, Any]:
        steps = [_number(each, "A step", -LONGEST_JOG_UM, LONGEST_JOG_UM, "µm") for each in (dx, dy, dz)]
        return _at(self._in_hand_of(by).jog(*steps))

    def _camera(self, by: str = "", exposure_us: Any = None, gain: Any = 1.0, **_: Any) -> dict[str, Any]:
        exposure = round(_number(exposure_us, "The exposure", 1, 10_000_000, "µs"))
        self._in_hand_of(by).set_camera(exposure, _number(gain, "The gain", 0.01, 1000, ""))
        return {}

    def _lamp(self, by: str = "", share: Any = None, **_: Any) -> dict[str, Any]:
        self._in_hand_of(by).set_lamp(None if share is None else _number(share, "The lamp's share", 0, 1, ""))
        return {}

    def _stop(self, **_: Any) -> dict[str, Any]:
        """Stop a routine. Anybody may who serves here: to stop is always safe."""
        self._in_hand().stop_routine()
        return {}

    def _end(self, by: str = "", anybodys: bool = False, **_: Any) -> dict[str, Any]:
        """End the session. anybodys: by an administrator, who may end another's."""
        session = self._in_hand() if anybodys is True else self._in_hand_of(by)
        session.end(CLOSED_WITHIN_S)
        return {}

    def _routine(
        self, by: str = "", name: str = "", here: bool = False, note: str = "", **form: Any
    ) -> dict[str, Any]:
        """Begin a routine. form: of its ruler and extent, as `ruler_of` and `extent_of` take them."""
        session = self._in_hand_of(by)
        self._refuse_perfect()
        from appliance.servicing.measurement import Measurement
        from appliance.servicing.measuring import extent_of, measure, ruler_of
        from appliance.servicing.routines import NAMES

        if name not in NAMES:
            raise ApplianceRefused(f'There is no routine "{name}". There are: {", ".join(NAMES)}.')
        ruler, extent = ruler_of(form.get("ruler")), extent_of(form.get("extent"))
        wanted = Measurement(self._config, name, ruler, extent, by, str(note)[:500])
        wanted.refuse_before()
        session.begin_routine(name, partial(measure, wanted, here is True))
        return {}

    def _refuse_perfect(self) -> None:
        source = self._config.camera.source
        if source is not None and not is_sensor(source) and not self._config.simulator.instrument:
            raise ApplianceRefused(
                "A perfect simulated microscope knows its scale: there is nothing to calibrate. Give [simulator] "
                "instrument in the settings, as in 7: one that has errors."
            )


def _number(value: Any, what: str, low: float, high: float, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ApplianceRefused(f"{what} is a number.")
    if not low <= value <= high:
        raise ApplianceRefused(f"{what} is {low:g} to {high:g} {unit}".rstrip() + f", and not {value:g}.")
    return float(value)


def _at(place: Point) -> dict[str, Any]:
    return {"position_um": [place.x_um, place.y_um, place.z_um]}
