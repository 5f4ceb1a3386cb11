"""The demonstration's smear: the same on every call, to scale, and full of cells that can be found."""

from __future__ import annotations

import math
from itertools import islice

import cv2
import numpy as np
import pytest

from appliance.errors import ApplianceRefused
from appliance.field_source import FieldSource
from appliance.painted_smear import HEIGHT_UM, MIXTURE, UM_PER_PX, WIDTH_UM, PaintedCell, PaintedSmear
from models.panel import load_panel
from models.saliency import SaliencyDetector


def smear(seed: int = 1, planned: int = 50) -> PaintedSmear:
    return PaintedSmear(seed, field_time_s=0.0, planned=planned)


def whole(cells: list[PaintedCell]) -> list[PaintedCell]:
    """The white cells whose window lies in the field."""
    margin = 96
    return [
        cell
        for cell in cells
        if cell.label != "platelet" and margin <= cell.x < 1200 - margin and margin <= cell.y < 900 - margin
    ]


def test_it_is_a_camera_and_says_that_it_is_simulated() -> None:
    camera: FieldSource = smear(planned=7)

    assert camera.simulated
    assert camera.planned == 7
    assert camera.scale.um_per_px == UM_PER_PX
    assert "painted" in camera.name


def test_frames_are_colour_pictures_of_the_stated_size_and_scale() -> None:
    camera = smear()

    frame = next(camera.fields())

    assert frame.pixels.shape == (round(HEIGHT_UM / UM_PER_PX), round(WIDTH_UM / UM_PER_PX), 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.calibration_id == camera.scale.id


def test_the_same_seed_and_number_paint_the_same_field() -> None:
    first, again, other = smear(1).painted(3)[0], smear(1).painted(3)[0], smear(2).painted(3)[0]

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_resumed_run_sees_the_fields_it_would_have_seen() -> None:
    through = list(islice(smear().fields(), 3))[2]
    resumed = next(smear().fields(first=2))

    assert (resumed.index, resumed.name, resumed.position) == (through.index, through.name, through.position)
    assert np.array_equal(resumed.pixels, through.pixels)


def test_the_plan_ends() -> None:
    assert [frame.index for frame in smear(planned=3).fields(first=1)] == [1, 2]


def test_fields_never_overlap_on_the_slide() -> None:
    places = [frame.position for frame in islice(smear().fields(), 4)]

    for number, one in enumerate(places):
        for other in places[number + 1 :]:
            assert abs(one.x_um - other.x_um) >= WIDTH_UM or abs(one.y_um - other.y_um) >= HEIGHT_UM


def test_each_exposure_begins_after_the_one_before() -> None:
    starts = [frame.exposure_start_ns for frame in islice(smear().fields(), 3)]

    assert starts == sorted(set(starts))


def test_its_truth_is_what_was_painted() -> None:
    assert smear().truth(4) == smear().painted(4)[1]


def test_every_label_turns_up_in_a_short_count() -> None:
    camera = smear(planned=150)

    seen = {cell.label for index in range(150) for cell in camera.truth(index)}

    assert seen == {*MIXTURE, "platelet"}


def test_it_paints_only_labels_of_the_panel() -> None:
    assert {*MIXTURE, "platelet"} <= set(load_panel("smear-13").names)


def test_a_field_holds_several_cells_that_can_be_counted() -> None:
    camera = smear()

    counts = [len(whole(camera.truth(index))) for index in range(20)]

    assert np.mean(counts) > 3


def test_red_cells_are_the_ruler_they_should_be() -> None:
    pixels, truth = smear().painted(0)
    darker = (pixels[..., 1] < 216).astype(np.uint8)
    count, _, stats, centres = cv2.connectedComponentsWithStats(darker)
    alone = [
        math.sqrt(stats[i, cv2.CC_STAT_WIDTH] * stats[i, cv2.CC_STAT_HEIGHT]) * UM_PER_PX
        for i in range(1, count)
        if 50 < stats[i, cv2.CC_STAT_WIDTH] < 95
        and 50 < stats[i, cv2.CC_STAT_HEIGHT] < 95
        and all(math.hypot(centres[i][0] - cell.x, centres[i][1] - cell.y) > 100 for cell in truth)
    ]

    assert len(alone) > 10
    assert 7.0 < np.median(alone) < 7.8


def test_the_classical_detector_finds_its_cells_and_little_else() -> None:
    camera, detector = smear(), SaliencyDetector()
    cells, found, strays = 0, 0, 0
    for index in range(4):
        pixels, truth = camera.painted(index)
        detections = detector.detect(pixels, UM_PER_PX)
        white = [cell for cell in truth if cell.label != "platelet"]
        cells += len(whole(truth))
        found += sum(any(math.hypot(d.x - c.x, d.y - c.y) < 30 for d in detections) for c in whole(truth))
        strays += sum(
            all(math.hypot(d.x - c.x, d.y - c.y) > c.radius_um * 10 for c in white) for d in detections
        )

    assert found >= 0.9 * cells
    assert strays <= 0.1 * cells


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="seed"):
        PaintedSmear(-1)
