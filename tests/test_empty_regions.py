"""False finds are counted where there is no white cell, and nowhere else."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.cells import Detection
from models.data import LabelledField
from models.empty_regions import (
    LEAST_SIDE_UM,
    MARGIN_UM,
    false_finds,
    largest_free,
    regions_without_white_cells,
)

SIDE, UM = 575, 0.058
CELL = (0.5, 0.3, 0.2, 0.2)  # centre and size, as shares of the field


def field(folder: Path, *cells: tuple[float, float, float, float], kind: int = 0) -> LabelledField:
    """A bright field with boxed cells, black where the boxes are."""
    image = np.full((SIDE, SIDE, 3), 220, np.uint8)
    for x, y, w, h in cells:
        corners = [(round((x + sign * w / 2) * SIDE), round((y + sign * h / 2) * SIDE)) for sign in (-1, 1)]
        cv2.rectangle(image, corners[0], corners[1], (0, 0, 0), -1)
    cv2.imwrite(str(folder / "a.png"), image)
    (folder / "a.txt").write_text("".join(f"{kind} {x} {y} {w} {h}\n" for x, y, w, h in cells))
    return LabelledField(folder / "a.png", "raabin", "test", folder / "a.txt")


def test_the_largest_free_part_touches_nothing_that_is_taken() -> None:
    assert largest_free(100, 60, [(40, 20, 50, 40)], 10) == (50, 0, 100, 60)
    assert largest_free(100, 60, [(0, 0, 95, 60)], 10) is None
    assert largest_free(100, 60, [], 10) == (0, 0, 100, 60)


def test_a_part_shows_nothing_of_a_white_cell_and_is_not_narrow(tmp_path: Path) -> None:
    parts = list(regions_without_white_cells(field(tmp_path, CELL, (0.9, 0.9, 0.1, 0.1))))
    assert len(parts) >= 2
    for part in parts:
        assert part.pixels.min() == 220
        assert min(part.pixels.shape[:2]) * UM >= LEAST_SIDE_UM - UM
    cell = (0.2 * SIDE * UM + 2 * MARGIN_UM) ** 2
    assert sum(part.area_mm2 for part in parts) < (SIDE * UM) ** 2 / 1e6 - cell / 1e6


def test_a_field_without_any_boxed_white_cell_is_left_out(tmp_path: Path) -> None:
    assert list(regions_without_white_cells(field(tmp_path, CELL, kind=1))) == []


def test_finds_are_counted_per_area_seen(tmp_path: Path) -> None:
    item = field(tmp_path, CELL)
    parts = list(regions_without_white_cells(item))
    sure, unsure = Detection(5, 5, 5, 0.9), Detection(9, 9, 5, 0.2)
    result = false_finds("raabin", [item], lambda pixels, um: [sure, unsure], 0.5)
    area = sum(part.area_mm2 for part in parts)
    assert (result.regions, result.finds, result.split) == (len(parts), len(parts), "test")
    assert result.per_mm2 == pytest.approx(len(parts) / area)


def test_without_any_area_nothing_is_measured() -> None:
    result = false_finds("raabin", [], lambda pixels, um: [], 0.5)
    assert math.isnan(result.per_mm2)
