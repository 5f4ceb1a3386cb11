"""A routine measured anew by itself: in force with all else of the calibration before, or refused before it moves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_calibration import RULER, record
from builders_commands import at_home, hemadiff

from appliance.calibrating.bench import Bench
from appliance.calibrating.steps import Finding, Known, Routine, Tell
from appliance.calibrations import Calibrations
from appliance.cameras.camera import CameraSetting
from appliance.correction import FLAT_FIELD
from appliance.microscope import Area
from appliance.safe_height import HeightLimits
from appliance.simulator.imperfect import Imperfect
from appliance.store import Store
from calibration.flat_field import read_flat_field
from calibration.measured import Measured
from calibration.record import CalibrationRecord
from calibration.setup import Setup
from firmware_bridge.point import Point

NUMBER = 11
TRUE = Imperfect.drawn(NUMBER)
SIZE = (256, 192)
SETUP = Setup("100x", f"simulated microscope {NUMBER}", 1, SIZE)
NOW = datetime.now(UTC)
PIXEL = float(np.hypot(*TRUE.on_slide[0]))
MAP = {
    "stage_um_per_px_x": Measured(PIXEL, 1e-5, "µm/px"),
    "stage_um_per_px_y": Measured(PIXEL, 1e-5, "µm/px"),
    "stage_rotation_deg": Measured(1.0, 0.01, "°"),
    "stage_shear_deg": Measured(0.0, 0.01, "°"),
}
FOUND: dict[str, dict[str, Measured]] = {
    "pixel-size": {"um_per_px": Measured(PIXEL * 1.001, 1e-5, "µm/px")},
    "stage-map": {**MAP, "stage_rotation_deg": Measured(1.1, 0.01, "°")},
    "backlash": {"backlash_x_um": Measured(5.5, 0.1, "µm")},
    "focus": {"focus_um": Measured(12.0, 0.1, "µm")},
}
ROUTINES = {
    "pixel-size": "appliance.calibrating.pixel_size.pixel_size",
    "stage-map": "appliance.calibrating.stage.stage_map",
    "backlash": "appliance.calibrating.stage.backlash",
    "focus": "appliance.calibrating.focus.focus",
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEMADIFF_SIMULATOR__INSTRUMENT", str(NUMBER))
    monkeypatch.setenv("HEMADIFF_SIMULATOR__RATE", "200")
    monkeypatch.setenv("HEMADIFF_CAMERA__WIDTH_PX", str(SIZE[0]))
    monkeypatch.setenv("HEMADIFF_CAMERA__HEIGHT_PX", str(SIZE[1]))
    return at_home(tmp_path, monkeypatch)


def whole(**changes: Any) -> CalibrationRecord:
    """A calibration of everything, three months old."""
    values = {
        "um_per_px": Measured(PIXEL, 1e-5, "µm/px"),
        "exposure_us": Measured(9000.0, 0.0, "µs"),
        "red_gain": Measured(TRUE.colour_gains[0], 0.001, ""),
        **MAP,
        "backlash_x_um": Measured(5.0, 0.1, "µm"),
        "focus_um": Measured(11.0, 0.1, "µm"),
    }
    given = {
        "made": NOW - timedelta(days=90),
        "expires": NOW + timedelta(days=275),
        "parts": {FLAT_FIELD: b"old"},
    }
    return record(**{"setup": SETUP, "values": values, **given, **changes})


def in_force(store: Path) -> CalibrationRecord | None:
    with Store.read_only(store) as opened:
        return Calibrations(opened).in_force(SETUP)


def put_in_force(store: Path, made: CalibrationRecord) -> CalibrationRecord:
    with Store(store) as opened:
        Calibrations(opened).add(made, NOW)
        Calibrations(opened).use(made.id, "R. Hooke", made.made + timedelta(minutes=1))
    return made


class Unmoved:
    """Runs a routine that moves nothing."""

    def run(self, routine: Routine[Any]) -> Any:
        while True:
            try:
                next(routine)
            except StopIteration as end:
                return end.value


@contextlib.contextmanager
def no_bench(session: Any, said: Any, check: Any) -> Iterator[Bench]:
    """A bench without a microscope."""
    check(SETUP)
    setting = CameraSetting(*SIZE, 9000)
    known = Known(Point(0, 0), Area(-1, -1, 1, 1), HeightLimits(-9, 9), setting, 0.1)
    yield Bench(Unmoved(), known, SETUP, "none")  # type: ignore[arg-type]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Known]:
    """Routines that find what they are told at once; return what they know when they begin."""
    begun: list[Known] = []

    def found(what: str) -> Any:
        def routine(known: Known, *_: Any) -> Routine[Any]:
            begun.append(known)
            yield Tell("Measuring.")
            ruler = RULER if what == "pixel-size" else None
            finding = Finding(("Passed.",), FOUND[what], ruler=ruler)
            return (finding, None) if what == "stage-map" else finding

        return routine

    for what, where in ROUTINES.items():
        monkeypatch.setattr(where, found(what))
    monkeypatch.setattr("appliance.commands.calibrating.bench", no_bench)
    return begun


def calibrate(what: str, *words: str) -> Any:
    return hemadiff("calibrate", what, "--simulate", "--yes", *words)


@pytest.mark.parametrize("what", ["flat-field", "stage-map", "backlash", "focus"])
def test_what_gives_no_pixel_size_needs_a_calibration_in_force_before_anything_moves(
    store: Path, what: str
) -> None:
    said = calibrate(what, "--by", "R. Hooke")
    assert (said.exit_code, "Homing" in said.output) == (2, False)
    assert f"No calibration is in force for {SETUP}" in said.stderr
    assert "hemadiff calibrate all" in said.stderr


def test_an_expired_calibration_is_added_nothing_to(store: Path) -> None:
    old = put_in_force(store, whole(expires=NOW - timedelta(days=1)))
    said = calibrate("focus", "--by", "R. Hooke")
    assert (said.exit_code, "Homing" in said.output) == (2, False)
    assert f"{old.id} in force expired" in said.stderr


@pytest.mark.parametrize("what", list(ROUTINES))
def test_one_routine_with_a_name_is_in_force_with_all_else_of_the_last(
    store: Path, quick: list[Known], what: str
) -> None:
    last = put_in_force(store, whole())
    said = calibrate(what, "--by", "M. Malpighi", "--note", "After service.", "--json", "-")
    assert said.exit_code == 0, said.output
    new, published = in_force(store), json.loads(said.stdout)
    assert new is not None
    assert (published["calibration"], published["in_force"]) == (new.id, True)
    assert new.values == {**last.values, **FOUND[what]}
    assert (new.parts, new.ruler, new.expires) == (last.parts, RULER, last.expires)
    assert new.by == "M. Malpighi"
    assert new.note.startswith(
        f"Measured now: {what.replace('-', ' ')}. From {last.id} of {last.made:%Y-%m-%d}: "
    )
    assert new.note.endswith(" After service.")


def test_the_stage_is_held_against_the_pixel_size_in_force(store: Path, quick: list[Known]) -> None:
    put_in_force(store, whole())
    calibrate("backlash", "--by", "R. Hooke")
    assert [known.ruler for known in quick] == [Measured(PIXEL, 1e-5, "µm/px")] * 2


@pytest.mark.parametrize("what", ["pixel-size", "focus"])
def test_without_a_name_nothing_is_put_on_record(store: Path, quick: list[Known], what: str) -> None:
    last = put_in_force(store, whole())
    assert calibrate(what).exit_code == 0
    assert in_force(store) == last
    assert quick[0].ruler is None


def test_a_pixel_size_without_a_calibration_in_force_is_one_of_its_own(
    store: Path, quick: list[Known]
) -> None:
    assert calibrate("pixel-size", "--by", "R. Hooke").exit_code == 0
    new = in_force(store)
    assert new is not None
    assert (set(new.values), new.note) == ({"um_per_px"}, "")


def test_a_pixel_size_that_the_stage_map_contradicts_is_not_on_record(
    store: Path, quick: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = put_in_force(store, whole())
    monkeypatch.setitem(FOUND, "pixel-size", {"um_per_px": Measured(1.02 * PIXEL, 1e-5, "µm/px")})
    said = calibrate("pixel-size", "--by", "R. Hooke")
    assert (said.exit_code, in_force(store) == last) == (2, True)
    assert "hemadiff calibrate all" in said.stderr


@pytest.fixture
def relamped(store: Path) -> tuple[CalibrationRecord, CalibrationRecord, Any]:
    """The calibration before, the one in force after the flat field was measured anew, and what was said."""
    last = put_in_force(store, whole())
    said = calibrate("flat-field", "--by", "R. Hooke", "--json", "-")
    assert said.exit_code == 0, said.output
    new = in_force(store)
    assert new is not None
    return last, new, said


def test_a_flat_field_measured_anew_is_what_counts_use(
    relamped: tuple[CalibrationRecord, CalibrationRecord, Any],
) -> None:
    last, new, said = relamped
    field = read_flat_field(new.parts[FLAT_FIELD])
    settings = json.loads(said.stdout)["settings"]
    assert (field.width_px, field.height_px) == SIZE
    assert field.corner_light == new.values["corner_light"]
    assert settings["[camera] exposure_us"] == f"{new.values['exposure_us'].value:.0f}"
    gains = [new.values[name].value for name in ("red_gain", "blue_gain")]
    assert settings["[camera] colour_gains"] == f"[{gains[0]:.3f}, {gains[1]:.3f}]"
    assert "Counts use these once they stand in the settings" in said.stderr
    assert (new.um_per_px, new.expires) == (last.um_per_px, last.expires)
