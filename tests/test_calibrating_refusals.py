"""What guided routines refuse, in words, on drawn pictures: another ruler, a bent sensor, a stage that goes too far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pytest
from builders_light import Bench
from builders_rulers import lines, moved, textured
from builders_rulers import picture as of_lines
from click.testing import CliRunner

from appliance.calibrating.focus import _tilt
from appliance.calibrating.lamp import flat_field
from appliance.calibrating.looking import sought
from appliance.calibrating.pixel_size import RulerOnStage, pixel_size
from appliance.calibrating.runner import Runner
from appliance.calibrating.stage import stage_map
from appliance.calibrating.steps import Confirm, Expose, GoTo, Known, Routine, Shine, Take, Tell
from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.commands.asking import Unanswered
from appliance.commands.calibrating import AtTerminal
from appliance.microscope import Area
from appliance.safe_height import HeightLimits
from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from firmware_bridge.point import Point

Picture = np.ndarray
SIZE = (300, 220)
START = Point(0.0, 0.0)
RULED_UM_PER_PX = 0.25  # with 10 µm from line to line


@dataclass
class Drawn:
    """A microscope whose pictures are drawn, and an engineer who says yes, no or what is usual."""

    look: Callable[[Point, int], Picture]
    right: bool | None = None
    place: Point = START
    exposure_us: int = 1000
    rounds_to_us: int = 1
    gains: tuple[float, float] | None = None
    said: list[str] = field(default_factory=list)

    def run(self, routine: Routine[Any]) -> Any:
        answer: Any = None
        while True:
            try:
                step = routine.send(answer)
            except StopIteration as end:
                return end.value
            answer = self.answer(step)

    def answer(self, step: object) -> Any:
        match step:
            case GoTo(place):
                self.place = place
                return place
            case Take():
                return self.taken()
            case Expose(setting):
                self.exposure_us = max(1, setting.exposure_us // self.rounds_to_us * self.rounds_to_us)
                self.gains = setting.colour_gains
            case Tell(sentence):
                self.said.append(sentence)
            case Confirm(sentence, usual):
                self.said.append(sentence)
                return usual if self.right is None else self.right
            case Shine():
                return False
        return None

    def taken(self) -> Exposure:
        pixels = self.look(self.place, self.exposure_us)
        height, width = pixels.shape[:2]
        in_use = CameraInUse("drawn", width, height, "RGB888", self.exposure_us, 1.0, self.gains)
        return Exposure(pixels, 0, self.exposure_us, 1.0, in_use)


def known(um_per_px: float = RULED_UM_PER_PX, size: tuple[int, int] = SIZE, **changes: Any) -> Known:
    area, heights = Area(-9e3, -9e3, 9e3, 9e3), HeightLimits(-100.0, 100.0)
    return Known(START, area, heights, CameraSetting(*size, 1000), um_per_px, **changes)


def at_once(monkeypatch: pytest.MonkeyPatch, where: str, **answers: Callable[..., Any]) -> None:
    """Have what a routine does on its way done at once."""

    def doing(answer: Callable[..., Any]) -> Callable[..., Any]:
        def routine(*arguments: Any) -> Routine[Any]:
            yield from ()
            return answer(*arguments)

        return routine

    for name, answer in answers.items():
        monkeypatch.setattr(f"appliance.calibrating.{where}.{name}", doing(answer))


# The ruler


@cache
def ruled(start_px: float) -> Picture:
    return of_lines(lines(spacing_px=40.0, size=SIZE, start_px=start_px, soft_px=2.0))


@pytest.fixture
def ruler(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """A ruler with lines 10 µm apart, found and in focus, of which one picture is enough."""
    monkeypatch.setattr("appliance.calibrating.pixel_size.PLACES_UM", (0.0,))
    at_once(
        monkeypatch,
        "pixel_size",
        lit=lambda known: known,
        sought=lambda known, what: known.start,
        focused=lambda known, place: place,
    )
    return Drawn(lambda place, _: ruled(round(7.3 - place.x_um / RULED_UM_PER_PX, 3)))


def test_a_grid_where_a_ruler_is_looked_for_is_called_one() -> None:
    grid = of_lines(
        lines(spacing_px=60.0, size=SIZE, soft_px=2.0) * lines(94.0, spacing_px=60.0, size=SIZE, soft_px=2.0)
    )
    with pytest.raises(CalibrationRefused, match="as a grid has: measure it as one, --grid with its pitch"):
        Drawn(lambda place, _: grid).run(sought(known(), "the ruler"))


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (20.0, r"the ruler is finer than stated \(a pitch of 10 µm would fit\)"),
        (5.0, r"the ruler is coarser than stated \(a pitch of 10 µm would fit\)"),
    ],
)
def test_a_ruler_of_half_or_twice_the_pitch_is_refused_beside_a_calibration(
    ruler: Drawn, stated: float, sentence: str
) -> None:
    before = known(expected_um_per_px=RULED_UM_PER_PX)
    with pytest.raises(CalibrationRefused, match=sentence):
        ruler.run(pixel_size(before, RulerOnStage(stated)))


def test_a_calibration_in_force_that_is_wrong_can_be_put_right_by_the_engineer(ruler: Drawn) -> None:
    ruler.right = True
    found = ruler.run(pixel_size(known(expected_um_per_px=2 * RULED_UM_PER_PX), RulerOnStage(10.0)))
    assert found.values["um_per_px"].value == pytest.approx(RULED_UM_PER_PX, rel=0.002)


def test_a_first_pixel_size_is_confirmed_by_the_engineer(ruler: Drawn) -> None:
    found = ruler.run(pixel_size(known(), RulerOnStage(10.0)))
    assert found.values["um_per_px"].value == pytest.approx(RULED_UM_PER_PX, rel=0.002)
    assert any("a pixel is 0.25" in said and "divided by the magnification" in said for said in ruler.said)


def test_a_first_pixel_size_that_the_engineer_knows_to_be_another_is_refused(ruler: Drawn) -> None:
    ruler.right = False
    with pytest.raises(CalibrationRefused, match=r"A pixel is not 0\.5.*State the real pitch"):
        ruler.run(pixel_size(known(), RulerOnStage(20.0)))


def test_a_pixel_size_that_its_ruler_does_not_tell_well_enough_is_refused(ruler: Drawn) -> None:
    with pytest.raises(CalibrationRefused, match=r"known too badly: 0\.3 % are needed"):
        ruler.run(pixel_size(known(), RulerOnStage(10.0, pitch_uncertainty_um=0.05)))


@pytest.mark.parametrize("stated", [0.0, 0.004])
def test_a_pitch_without_uncertainty_is_said_to_be_taken_as_exact(ruler: Drawn, stated: float) -> None:
    ruler.run(pixel_size(known(), RulerOnStage(10.0, pitch_uncertainty_um=stated)))
    assert any("is taken as exact" in said for said in ruler.said) is (stated == 0.0)


# The stage

SMEAR_UM_PER_PX = 0.1


@cache
def detail() -> Any:
    return textured(side=420)


def gone_to(times: float) -> Drawn:
    """A stage whose x goes so many times as far as it is told."""

    def look(place: Point, exposure_us: int) -> Picture:
        x_px, y_px = -place.x_um * times / SMEAR_UM_PER_PX, -place.y_um / SMEAR_UM_PER_PX
        return moved(detail(), x_px, y_px, seed=round(10 * (place.x_um + place.y_um)) % 9999)

    return Drawn(look)


@pytest.fixture
def on_smear(monkeypatch: pytest.MonkeyPatch) -> Known:
    at_once(monkeypatch, "stage", on_detail=lambda known: (known, known.start))
    return known(SMEAR_UM_PER_PX, (200, 160))


def test_a_stage_that_goes_too_far_is_refused_with_what_to_divide_by(on_smear: Known) -> None:
    beside = on_smear.with_pixel(Measured(SMEAR_UM_PER_PX, SMEAR_UM_PER_PX / 1000, "µm/px"))
    with pytest.raises(
        CalibrationRefused, match=r"x goes 1\.25\d* times as far as it is told.*steps/mm of x"
    ):
        gone_to(1.25).run(stage_map(beside, 4))


def test_a_stage_map_without_a_ruler_does_not_say_that_it_passed(on_smear: Known) -> None:
    finding, _ = gone_to(1.25).run(stage_map(on_smear, 4))
    assert "Passed." not in finding.said
    assert "It was held against no ruler" in finding.said[-1]


# The slide

A_PLACE = Point(0.0, 0.0, 5.0)


def test_a_place_without_focus_is_named_and_the_slides_tilt_told_by_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def focused(known: Known, at: Point) -> Point:
        if at.x_um > 0 and at.y_um > 0:
            raise CalibrationRefused("Focus was not found.")
        return Point(at.x_um, at.y_um, 5.0 + 0.002 * at.x_um - 0.001 * at.y_um)

    at_once(monkeypatch, "focus", focused=focused)
    microscope = Drawn(lambda *_: ruled(0.0))
    x, y, said = microscope.run(_tilt(known(), A_PLACE))
    assert "Not here: Focus was not found." in microscope.said
    assert microscope.said.count("Focusing at place 9 of 9.") == 2, "another stands in for it"
    factor = 1000 if x.unit == "µm/mm" else 1
    assert (x.value / factor, y.value / factor) == (pytest.approx(0.002), pytest.approx(-0.001))
    assert said.endswith(".")


# The lamp


def lamp(level: float = 225.0, bend: float = 1.0) -> Drawn:
    """Bare glass under a lamp that gives so much in 1000 µs, seen by a sensor that bends its levels."""
    bench, taken = Bench(level=level, corner=0.8), count()

    def look(place: Point, exposure_us: int) -> Picture:
        seen = bench.look(next(taken), exposure_us)
        return np.rint(255 * (seen / 255) ** bend).astype(np.uint8)

    return Drawn(look)


def test_a_sensor_that_bends_its_levels_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="not linear"):
        lamp(bend=0.6).run(flat_field(known(size=(160, 120))))


def test_a_lamp_that_saturates_the_picture_is_turned_down_by_the_exposure() -> None:
    found = lamp(level=900.0).run(flat_field(known(size=(160, 120))))
    assert 215 <= found.setting.exposure_us * 900 / 1000 <= 240


def test_a_lamp_that_gives_too_little_is_exposed_for_longer() -> None:
    found = lamp(level=20.0).run(flat_field(known(size=(160, 120))))
    assert found.setting.exposure_us > 9_000


def test_the_exposure_that_the_sensor_used_is_on_record() -> None:
    rounding = lamp()
    rounding.rounds_to_us = 30
    found = rounding.run(flat_field(known(size=(160, 120))))
    assert found.values["exposure_us"].value == found.setting.exposure_us == 990


class Interrupted:
    """A microscope at which somebody presses Ctrl-C before a picture is taken."""

    overview = None

    def __init__(self) -> None:
        self.shone: list[float | None] = []

    def shine(self, share: float | None) -> bool:
        self.shone.append(share)
        return True

    def look(self, eye: object) -> Exposure:
        raise KeyboardInterrupt


def test_a_routine_that_is_interrupted_in_the_dark_leaves_the_lamp_lit() -> None:
    def dark() -> Routine[None]:
        yield Shine(0.0)
        yield Take()

    microscope: Any = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Runner(microscope, AtTerminal(yes=True)).run(dark())
    assert microscope.shone == [0.0, None]


# The engineer at the terminal


@pytest.mark.parametrize(("typed", "expected"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_what_is_to_be_confirmed_waits_for_a_yes(typed: str, expected: bool) -> None:
    with CliRunner().isolation(input=typed):
        assert AtTerminal(yes=False).confirm("A pixel is 0.25 µm.", True) is expected


@pytest.mark.parametrize(("typed", "expected"), [("y\n", True), ("n\n", False), ("\n", True)])
def test_what_is_refused_is_tried_again_unless_the_engineer_says_no(typed: str, expected: bool) -> None:
    with CliRunner().isolation(input=typed):
        assert AtTerminal(yes=False).mend("No ruler.") is expected


def test_with_everything_answered_nothing_is_tried_again_for_ever() -> None:
    assert AtTerminal(yes=True).mend("No ruler.") is False
    assert [AtTerminal(yes=True).confirm("A pixel is 0.25 µm.", usual) for usual in (True, False)] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda engineer: engineer.lay("smear", "A smear, please."),
        lambda engineer: engineer.mend("No ruler."),
        lambda engineer: engineer.confirm("A pixel is 0.25 µm.", True),
    ],
)
def test_a_closed_terminal_ends_the_routine(ask: Callable[[AtTerminal], object]) -> None:
    with CliRunner().isolation(input=""), pytest.raises(Unanswered, match="Nothing is on record"):
        ask(AtTerminal(yes=False))
