"""A run's frames are corrected by the flat field that its calibration holds, and by no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_calibration import SETUP, record
from builders_light import Bench
from PIL import Image

from appliance.calibrations import Calibrations
from appliance.correction import FLAT_FIELD, CorrectingAnalyser, corrected, flat_field_of
from appliance.equipment import measured
from appliance.frame import Frame, Point
from appliance.image_input import read_images
from appliance.store import Store
from calibration import CalibrationRefused, Scale
from calibration.file import Calibration
from calibration.flat_field import measure_flat_field
from models import Cell

SCALE = Scale.stated(0.2)
BENCH = Bench(corner=0.6)


class Watching:
    """An analyser that keeps what it sees."""

    engine, weights, outputs = "none", "none", ("a",)

    def __init__(self) -> None:
        self.seen: list[Frame] = []

    def check(self, scale: Scale) -> None:
        pass

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        self.seen.append(frame)
        return []


def calibration(**changes: Any) -> Any:
    part = measure_flat_field([BENCH.look(n) for n in range(7)]).to_bytes()
    setup = replace(SETUP, region=(BENCH.width, BENCH.height))
    return record(**{"setup": setup, "parts": {FLAT_FIELD: part}, **changes})


def frame(pixels: np.ndarray) -> Frame:
    return Frame(0, "a", pixels, Point(0, 0), 0, None, None, SCALE.id)


def test_the_analyser_sees_frames_made_even_and_the_frame_stays_as_it_was() -> None:
    watching, taken = Watching(), frame(BENCH.look(30))
    corrected(watching, calibration()).analyse(taken, SCALE)
    seen = watching.seen[0].pixels[..., 1].astype(float)
    assert abs(seen[:15, :15].mean() / seen[50:70, 70:90].mean() - 1) < 0.01
    assert taken.pixels[:15, :15].mean() < 0.8 * taken.pixels[50:70, 70:90].mean()


def test_a_calibration_without_a_flat_field_changes_nothing() -> None:
    watching = Watching()
    assert corrected(watching, calibration(parts={})) is watching
    assert corrected(watching, None) is watching


def test_engine_weights_and_outputs_are_those_of_the_analyser() -> None:
    analyser = corrected(Watching(), calibration())
    assert isinstance(analyser, CorrectingAnalyser)
    assert (analyser.engine, analyser.weights, analyser.outputs) == ("none", "none", ("a",))


def test_a_flat_field_of_another_region_is_refused() -> None:
    with pytest.raises(
        CalibrationRefused, match="is for frames of 160 × 120 px, the calibration for 256 × 192"
    ):
        flat_field_of(calibration(setup=SETUP))


def test_a_damaged_flat_field_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="damaged"):
        flat_field_of(calibration(parts={FLAT_FIELD: b"nothing"}))


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="does not fit the flat field"):
        corrected(Watching(), calibration()).analyse(frame(np.zeros((60, 60, 3), np.uint8)), SCALE)


@pytest.mark.parametrize("held", [calibration(), calibration(parts={})])
def test_images_that_a_command_names_are_seen_as_a_run_sees_them(tmp_path: Path, held: Any) -> None:
    taken, watching = BENCH.look(30), Watching()
    Image.fromarray(taken).save(tmp_path / "0.png")
    ((_, named, _),) = read_images([tmp_path / "0.png"], Calibration.of(held))
    corrected(watching, held).analyse(frame(taken), SCALE)
    assert isinstance(named, Frame)
    np.testing.assert_array_equal(named.pixels, watching.seen[0].pixels)


def test_a_run_counts_corrected_frames_where_the_calibration_in_force_holds_a_flat_field(
    tmp_path: Any,
) -> None:
    held = calibration()
    with Store(tmp_path / "store.db") as store:
        Calibrations(store).add(held, held.made)
        assert measured(held.scale, store) == held
        assert measured(SCALE, store) is None
