"""What a routine refuses is asked about, and it begins again: nothing that passed before it is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from appliance.calibrating.again import until_mended
from appliance.calibrating.pixel_size import RulerOnStage
from appliance.calibrating.runner import Runner
from appliance.calibrating.steps import Expose, Finding, GoTo, Known, Lay, Mend, Routine, Shine, Take, Tell
from appliance.calibrating.whole import Found, whole_calibration
from appliance.cameras.camera import CameraSetting
from appliance.errors import ApplianceRefused
from appliance.microscope import Area
from appliance.safe_height import HeightLimits
from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from firmware_bridge.point import Point

SETTING = CameraSetting(64, 64, 10_000)
KNOWN = Known(Point(0.0, 0.0), Area(-1.0, -1.0, 1.0, 1.0), HeightLimits(-10.0, 10.0), SETTING, 0.1)
ROUTINES = ("flat_field", "pixel_size", "stage_map", "backlash", "focus")


@dataclass
class Scripted:
    """An engineer who answers as the script says, and no when it is at its end; and a microscope that obeys."""

    answers: Iterable[bool] = ()
    steps: list[Any] = field(default_factory=list)

    def run(self, routine: Routine[Any]) -> Any:
        answers, answer = iter(self.answers), None
        while True:
            try:
                step = routine.send(answer)
            except StopIteration as end:
                return end.value
            self.steps.append(step)
            answer = next(answers, False) if isinstance(step, Mend) else None

    @property
    def asked(self) -> list[str]:
        return [step.sentence for step in self.steps if isinstance(step, Mend)]


@dataclass
class Routines:
    """The five routines of a whole calibration. refusals: how often each refuses before it passes."""

    refusals: dict[str, int]
    begun: list[str] = field(default_factory=list)

    def begin(self, name: str) -> Routine[Any]:
        self.begun.append(name)
        yield Tell(f"Doing {name}.")
        if self.begun.count(name) <= self.refusals.get(name, 0):
            raise CalibrationRefused(f"The {name} is wrong. Put it right.")
        finding = Finding((f"{name} passed.",), {"um_per_px": Measured(0.1, 0.0001, "µm/px")})
        return (finding, None) if name == "stage_map" else finding


@pytest.fixture
def routines(monkeypatch: pytest.MonkeyPatch) -> Routines:
    made = Routines({})
    for name in ROUTINES:
        monkeypatch.setattr(f"appliance.calibrating.whole.{name}", lambda *_, name=name: made.begin(name))
    return made


def whole() -> Routine[Found]:
    return whole_calibration(KNOWN, RulerOnStage())


def test_what_was_put_right_is_done_again_and_nothing_else(routines: Routines) -> None:
    routines.refusals["backlash"] = 2
    engineer = Scripted([True, True])
    found = engineer.run(whole())
    assert routines.begun == [
        "flat_field",
        "pixel_size",
        "stage_map",
        "backlash",
        "backlash",
        "backlash",
        "focus",
    ]
    assert engineer.asked == ["The backlash is wrong. Put it right."] * 2
    assert tuple(found.findings) == ROUTINES


def test_what_nobody_puts_right_ends_it(routines: Routines) -> None:
    routines.refusals["stage_map"] = 9
    with pytest.raises(CalibrationRefused, match="The stage_map is wrong"):
        Scripted([True, False]).run(whole())
    assert routines.begun.count("stage_map") == 2
    assert "backlash" not in routines.begun


def test_nobody_tries_for_ever(routines: Routines) -> None:
    routines.refusals["focus"] = 99
    with pytest.raises(CalibrationRefused, match="The focus is wrong"):
        Scripted([True] * 99).run(whole())
    assert routines.begun.count("focus") == 5


def test_lamp_and_camera_are_as_before_when_it_begins_again() -> None:
    tried: list[int] = []

    def once() -> Routine[str]:
        tried.append(1)
        yield Shine(0.0)
        if len(tried) == 1:
            raise ApplianceRefused("The camera is turned by 32°.")
        return "passed"

    engineer = Scripted([True])
    assert engineer.run(until_mended(KNOWN, once)) == "passed"
    between = engineer.steps[engineer.steps.index(Mend("The camera is turned by 32°.")) :][2:4]
    assert between == [Shine(None), Expose(SETTING)]


class Refusing:
    """A microscope whose stage goes nowhere."""

    def go_to(self, place: Point) -> Point:
        raise ApplianceRefused("Axis x: beyond the soft limit.")

    def shine(self, share: float | None) -> bool:
        return True


def test_what_the_stage_refuses_is_asked_about_too() -> None:
    def far() -> Routine[None]:
        yield GoTo(Point(1e6, 0.0))
        yield Take()

    engineer = Engineer()
    with pytest.raises(ApplianceRefused, match="soft limit"):
        Runner(Refusing(), engineer).run(until_mended(KNOWN, far))  # type: ignore[arg-type]
    assert engineer.asked == ["Axis x: beyond the soft limit."]


class Engineer:
    """One who mends nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def tell(self, sentence: str) -> None: ...

    def lay(self, slide: str, sentence: str) -> None: ...

    def mend(self, sentence: str) -> bool:
        self.asked.append(sentence)
        return False

    def confirm(self, sentence: str, usual: bool) -> bool:
        return True


def test_a_slide_that_lies_there_is_not_asked_for_again() -> None:
    laid: list[str] = []

    class Laying(Engineer):
        def lay(self, slide: str, sentence: str) -> None:
            laid.append(slide)

    def twice() -> Routine[None]:
        yield Lay("smear", "Put a smear there.")
        yield Lay("smear", "Put a smear there.")

    Runner(Refusing(), Laying()).run(twice())  # type: ignore[arg-type]
    assert laid == ["smear"]
