"""What the detector learns from: single cells whose place is only about known, and touching ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from builders_data import small_data_set

pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")

from models.training.clicks import CLICK_WITHIN, settled
from models.training.field_samples import (
    DETECTOR_UM_PER_PX,
    GRID,
    SIDE_PX,
    Sample,
    Scene,
    cell_scenes,
    crowd,
    cut_at_random,
    field_scenes,
    heat_map,
    sample,
)
from models.training.fit_threshold import fitted_threshold, harmonic_mean, middle_of_the_best

SIDE = 54


def single_cell(radius: float = 12) -> Scene:
    """A single-cell image at the detector's scale: a dark disc in the middle."""
    image = np.full((SIDE, SIDE, 3), 220, np.uint8)
    cv2.circle(image, (SIDE // 2, SIDE // 2), int(radius), (150, 40, 90), -1)
    cells = np.array([[SIDE / 2, SIDE / 2, np.nan]], np.float32)
    return Scene(image, np.ones((SIDE, SIDE), bool), cells)


def clicked(row: float, column: float) -> Sample:
    """A sample with one single cell, clicked at a point of the grid."""
    at = np.array([[round(row), round(column)]])
    size = np.array([np.nan], np.float32)
    offset = np.array([[column - round(column), row - round(row)]], np.float32)
    blank = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    return Sample(blank, heat_map(at, size), np.ones((GRID, GRID), np.float32), at, size, offset)


def certain_of(row: int, column: int) -> np.ndarray:
    """The log-probability map of a network that is certain of one centre."""
    likely = np.full((GRID, GRID), -9.0, np.float32)
    likely[row, column] = -0.01
    return likely


def test_the_border_of_a_cut_image_does_not_tell_where_its_cell_is() -> None:
    random = np.random.default_rng(0)
    cuts = [cut_at_random(single_cell(), random) for _ in range(200)]
    away = np.array([
        [cut.image.shape[1] / 2 - cut.cells[0, 0], cut.image.shape[0] / 2 - cut.cells[0, 1]] for cut in cuts
    ])  # fmt: skip
    assert np.abs(away.mean(axis=0)).max() < 1
    assert away.std(axis=0).min() * DETECTOR_UM_PER_PX > 1.0


def test_a_cut_image_keeps_its_cells_centre() -> None:
    random = np.random.default_rng(0)
    for _ in range(100):
        cut = cut_at_random(single_cell(), random)
        x, y, _ = cut.cells[0]
        height, width = cut.image.shape[:2]
        assert min(x, y, width - x, height - y) >= 9
        assert cut.image[int(y), int(x)].max() < 200


def test_in_a_crowd_cells_touch() -> None:
    random = np.random.default_rng(0)
    nearest = []
    for _ in range(60):
        scene = crowd([single_cell() for _ in range(4)], random)
        assert scene.image.shape == (SIDE_PX, SIDE_PX, 3)
        assert scene.known.shape == (SIDE_PX, SIDE_PX)
        assert all(scene.image[int(y), int(x)].max() < 200 for x, y, _ in scene.cells)
        for k, one in enumerate(scene.cells):
            others = np.delete(scene.cells, k, axis=0)
            if len(others):
                nearest.append(np.hypot(*(others[:, :2] - one[:2]).T).min() * DETECTOR_UM_PER_PX)
    assert len(nearest) > 150
    assert np.median(nearest) < 14


def test_a_click_stays_where_an_untrained_network_knows_nothing() -> None:
    before = clicked(10.3, 12.4)
    after = settled(before, np.full((GRID, GRID), -3.0, np.float32))
    assert after.at.tolist() == [[10, 12]]
    np.testing.assert_allclose(after.offset, before.offset)


def test_a_click_moves_to_the_centre_that_the_network_is_certain_of() -> None:
    after = settled(clicked(10, 12), certain_of(11, 13))
    assert after.at.tolist() == [[11, 13]]
    assert after.heat[11, 13] == 1
    assert after.heat[10, 12] < 1
    assert np.abs(after.offset).max() <= 0.5


def test_a_click_does_not_move_to_a_neighbour() -> None:
    after = settled(clicked(10, 12), certain_of(10, 12 + int(CLICK_WITHIN) + 1))
    assert np.hypot(*(after.at[0] - (10, 12))) <= CLICK_WITHIN


def test_a_boxed_cell_stays_where_its_box_is(tmp_path: Path) -> None:
    scene = field_scenes(small_data_set(tmp_path), "train")[0]
    boxed = sample(Scene(scene.image[:SIDE_PX, :SIDE_PX], scene.known[:SIDE_PX, :SIDE_PX], scene.cells[:1]))
    assert settled(boxed, np.random.default_rng(0).normal(size=(GRID, GRID)).astype(np.float32)) is boxed


def test_an_image_that_shows_no_nucleus_in_its_middle_teaches_no_cell(tmp_path: Path) -> None:
    folder = small_data_set(tmp_path)
    before = sum(len(scene.cells) for scene in cell_scenes(folder, "train", "mll"))
    for path in folder.glob("cells/mll/blast/train_*.png"):
        cv2.imwrite(str(path), np.full((250, 250, 3), 225, np.uint8))
    after = cell_scenes(folder, "train", "mll")
    assert sum(len(scene.cells) for scene in after) < before


def test_the_threshold_is_the_middle_of_the_best() -> None:
    assert middle_of_the_best((0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.96, 0.961, 0.958, 0.7)) == pytest.approx(0.3)
    assert middle_of_the_best((0.1, 0.2, 0.3, 0.4), (0.96, 0.5, 0.96, 0.961)) == pytest.approx(0.35)


def test_precision_and_recall_weigh_alike() -> None:
    hits = [(0.9, True), (0.8, True), (0.4, False), (0.2, False)]
    assert harmonic_mean(hits, 2, 0.5) == 1.0
    assert harmonic_mean(hits, 2, 0.3) == pytest.approx(2 * (2 / 3) / (1 + 2 / 3))
    assert harmonic_mean(hits, 0, 0.3) == 0.0


def test_without_marrow_the_threshold_is_fitted_on_blood(tmp_path: Path) -> None:
    folder = small_data_set(tmp_path)
    (folder / "cells" / "cells.csv").unlink()
    assert 0 < fitted_threshold(folder, lambda pixels, um: []) < 1
