"""White cells are found where they are, once each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders_networks import brightness_network

from models.cells import Detection
from models.data import labelled_cells, read_rgb
from models.detector import NetworkDetector
from models.distinct import distinct
from models.errors import ModelRefused


def found(x: float, y: float, score: float, radius_um: float = 6.0) -> Detection:
    return Detection(x, y, radius_um, score)


def test_two_detections_nearer_than_two_cells_can_lie_are_one_the_better() -> None:
    pair = [found(100, 100, 0.6), found(180, 100, 0.9)]  # 8 µm apart at 0.1 µm/px
    assert distinct(pair, 0.1) == [pair[1]]


def test_two_cells_that_touch_stay_two() -> None:
    pair = [found(100, 100, 0.6), found(200, 100, 0.9)]  # and flatten each other a little
    assert distinct(pair, 0.1) == [pair[1], pair[0]]


def test_a_detector_whose_card_states_no_threshold_is_refused(tmp_path: Path) -> None:
    brightness_network(tmp_path, "detector", {"centre": (0.0, 0.0)})  # its card is a classifier's
    with pytest.raises(ModelRefused, match=r'detector\.json states no "score_from"'):
        NetworkDetector(folder=tmp_path)


def test_an_empty_field_has_no_cell() -> None:
    assert NetworkDetector().detect(np.full((300, 400, 3), 225, np.uint8), 0.1) == []


def test_the_size_of_a_field_need_not_fit_the_network() -> None:
    detector = NetworkDetector()
    for side in (37, 150, 361):
        assert detector.detect(np.full((side, side + 5, 3), 225, np.uint8), 0.1) == []


@pytest.mark.parametrize("um_per_px", [0.10, 0.20])
def test_the_cell_in_the_middle_is_found_there_at_any_scale(real_images: Path, um_per_px: float) -> None:
    from models.resample import to_scale

    detector = NetworkDetector()
    cells = [
        c
        for c in labelled_cells(real_images)
        if (c.source, c.split) == ("pbc", "test") and c.label != "platelet"
    ]
    chosen = cells[::40]
    near = 0
    for cell in chosen:
        pixels = to_scale(read_rgb(cell.path), 0.10, um_per_px)
        middle = pixels.shape[1] / 2, pixels.shape[0] / 2
        offsets = [
            np.hypot(d.x - middle[0], d.y - middle[1]) * um_per_px for d in detector.detect(pixels, um_per_px)
        ]
        near += any(offset < 2.5 for offset in offsets)
    assert near >= 0.95 * len(chosen)
