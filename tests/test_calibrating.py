"""A microscope is calibrated by guided routines: from nothing to a record in force, or refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_commands import at_home, hemadiff

from appliance.calibrating.looking import lit
from appliance.calibrating.steps import Expose, Known, Take, Tell
from appliance.calibrating.whole import Extent
from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.correction import FLAT_FIELD
from appliance.microscope import Area
from appliance.safe_height import HeightLimits
from appliance.simulator.imperfect import Imperfect
from calibration.errors import CalibrationRefused
from calibration.record import CalibrationRecord
from calibration.record_json import from_json
from firmware_bridge.point import Point

NUMBER = 11
TRUE = Imperfect.drawn(NUMBER)
SMALL = {
    "HEMADIFF_SIMULATOR__INSTRUMENT": str(NUMBER),
    "HEMADIFF_SIMULATOR__RATE": "200",
    "HEMADIFF_CAMERA__WIDTH_PX": "400",
    "HEMADIFF_CAMERA__HEIGHT_PX": "300",
}


@dataclass(frozen=True)
class Done:
    """A whole calibration: what was said and published, and the record."""

    said: str
    published: dict[str, Any]
    record: CalibrationRecord
    pdf: bytes
    listed: list[dict[str, Any]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        at_home(home, patch)
        for name, value in SMALL.items():
            patch.setenv(name, value)
        few = partial(Extent, steps=8, reversals=4, stacks=2)
        patch.setattr("appliance.calibrating.whole.Extent", few)
        pdf = home / "certificate.pdf"
        words = (
            "--simulate",
            "--seed",
            "1",
            "--by",
            "R. Hooke",
            "--returns",
            "10",
            "--no-tilt",
            "--no-overview",
            "--drift",
            "--yes",
        )
        result = hemadiff("calibrate", "all", *words, "--json", "-", "--pdf", str(pdf))
        assert result.exit_code == 0, result.output
        published = json.loads(result.stdout)
        record = from_json(hemadiff("calibrate", "export", published["calibration"]).stdout, "the record")
        listed = json.loads(hemadiff("calibrate", "list", "--json").stdout)
        yield Done(result.stderr, published, record, pdf.read_bytes(), listed)


def test_everything_is_measured_from_nothing_and_is_in_force(done: Done) -> None:
    assert [each["in_force"] for each in done.listed] == [True]
    assert done.record.setup.camera == f"simulated microscope {NUMBER}"
    assert FLAT_FIELD in done.record.parts
    assert {each.name for each in done.record.evidence} >= {"ruler", "stage_map", "blank", "gain", "focus"}
    assert done.pdf.startswith(b"%PDF")


ROUTINES = ("flat field", "pixel size", "stage map", "backlash", "focus")


@pytest.mark.parametrize(("number", "what"), list(enumerate(ROUTINES, 1)))
def test_every_routine_passes_in_words(done: Done, number: int, what: str) -> None:
    after = done.said.split(f"\n{number} of 5: {what}.\n")[1]
    assert after.split(" of 5: ")[0].count("\nPassed.") == 1


def test_the_pixel_size_is_true(done: Done) -> None:
    true = float(np.hypot(*TRUE.on_slide[0]))
    assert done.record.um_per_px.value == pytest.approx(true, rel=0.003)


def test_the_stage_map_is_true(done: Done) -> None:
    along = TRUE.stage_map[:, 0]
    assert done.record.values["stage_um_per_px_x"].value == pytest.approx(1 / np.hypot(*along), rel=0.005)
    turned = np.degrees(np.arctan2(along[1], along[0]))
    assert done.record.values["stage_rotation_deg"].value == pytest.approx(turned, abs=0.1)


@pytest.mark.parametrize(("axis", "true"), list(zip("xy", TRUE.backlash_um, strict=True)))
def test_the_backlash_is_true_and_told_for_the_settings(done: Done, axis: str, true: float) -> None:
    assert done.record.values[f"backlash_{axis}_um"].value == pytest.approx(true, abs=0.4)
    assert true <= float(done.published["settings"][f"[stage.{axis}] backlash_um"]) <= true + 1.6


@pytest.mark.parametrize(("axis", "true"), list(zip("xy", TRUE.drift_um, strict=True)))
def test_ten_minutes_of_drift_are_seen_without_waiting_for_them(done: Done, axis: str, true: float) -> None:
    assert done.record.values[f"drift_{axis}_um"].value == pytest.approx(true, abs=0.1)


def test_the_play_of_z_is_true_and_told_for_the_settings(done: Done) -> None:
    assert done.record.values["backlash_z_um"].value == pytest.approx(TRUE.backlash_z_um, abs=0.3)
    assert float(done.published["settings"]["[stage.z] backlash_um"]) >= TRUE.backlash_z_um


def test_returns_scatter_as_the_stage_does(done: Done) -> None:
    scatter = done.record.values["repeatability_x_um"]
    # Ten returns: known to a quarter; each is against one picture, whose own error is not in the scatter.
    assert scatter.value == pytest.approx(TRUE.scatter_um, abs=3 * scatter.uncertainty)


def test_the_lamps_colour_is_true(done: Done) -> None:
    red, blue = TRUE.colour_gains
    assert done.record.values["red_gain"].value == pytest.approx(red, rel=0.01)
    assert done.record.values["blue_gain"].value == pytest.approx(blue, rel=0.01)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    at_home(tmp_path, monkeypatch)
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_glass_without_a_ruler_is_refused(small: pytest.MonkeyPatch) -> None:
    small.setenv("HEMADIFF_SIMULATOR__SLIDE", "blank")
    refused = hemadiff("calibrate", "pixel-size", "--simulate")
    assert (refused.exit_code, "There is no ruler within 300 µm" in refused.stderr) == (2, True)
    assert "--at X,Y" in refused.stderr


def test_a_stage_map_on_glass_is_refused(small: pytest.MonkeyPatch) -> None:
    small.setenv("HEMADIFF_SIMULATOR__SLIDE", "blank")
    refused = hemadiff("calibrate", "stage-map", "--simulate")
    assert (refused.exit_code, "hemadiff stage jog" in refused.stderr) == (2, True)


def test_a_perfect_simulated_microscope_has_nothing_to_calibrate(small: pytest.MonkeyPatch) -> None:
    small.setenv("HEMADIFF_SIMULATOR__INSTRUMENT", "0")
    refused = hemadiff("calibrate", "all", "--simulate", "--by", "R. Hooke")
    assert (refused.exit_code, "there is nothing to calibrate" in refused.stderr) == (2, True)


def test_an_imperfect_microscope_does_not_count_before_it_is_calibrated(small: pytest.MonkeyPatch) -> None:
    refused = hemadiff("count", "--simulate")
    assert refused.exit_code == 2
    assert f"No calibration is in force for 100x, simulated microscope {NUMBER}" in refused.stderr


def picture(level: int) -> Exposure:
    setting = CameraInUse("drawn", 64, 64, "RGB888", 10_000, 1.0, None)
    return Exposure(np.full((64, 64, 3), level, np.uint8), 0, 10_000, 1.0, setting)


KNOWN = Known(
    Point(0.0, 0.0), Area(-1.0, -1.0, 1.0, 1.0), HeightLimits(-10.0, 10.0), CameraSetting(64, 64, 10_000), 0.1
)


def lighted(levels: list[int]) -> tuple[list[str], Known]:
    """What is said while pictures have these levels, and what is known in the end."""
    said: list[str] = []
    routine, answer, shown = lit(KNOWN), None, iter(levels)
    while True:
        try:
            step = routine.send(answer)
        except StopIteration as end:
            return said, end.value
        said += [step.sentence] if isinstance(step, Tell) else []
        answer = picture(next(shown)) if isinstance(step, Take) else None


def test_too_much_light_is_said_and_the_exposure_halved() -> None:
    said, known = lighted([255, 255, 180])
    assert said[0] == "Too bright: halve the exposure. It is set to 5000 µs."
    assert known.setting.exposure_us == 2500


def test_too_little_light_is_said_and_the_exposure_lengthened() -> None:
    said, known = lighted([50, 180])
    assert said == ["Too dark: expose for longer. It is set to 40000 µs."]
    assert known.setting.exposure_us == 40_000


def test_light_that_no_exposure_makes_good_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="No exposure gives a usable picture"):
        lighted([255] * 20)


def test_good_light_is_left_as_it_is() -> None:
    assert lighted([180]) == ([], replace(KNOWN))
    assert next(lit(KNOWN)) == Expose(KNOWN.setting)
