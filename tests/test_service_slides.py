"""Slides for the service engineer: exact lines, clean glass, and 200 cells that are known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from appliance.errors import ApplianceRefused
from appliance.simulator.service_slides import (
    KNOWN_CELLS,
    Blank,
    GridSlide,
    Micrometer,
    exact_counts,
    qc_slide,
)
from appliance.simulator.slide import NOT_COUNTED


def falling_edges(row: np.ndarray, first_um: float, um_per_px: float) -> np.ndarray:
    """Where light falls through a half, to a part of a pixel."""
    below = np.flatnonzero((row[:-1] >= 0.5) & (row[1:] < 0.5))
    part = (row[below] - 0.5) / (row[below] - row[below + 1])
    return np.asarray(first_um + (below + 0.5 + part) * um_per_px)


@pytest.mark.parametrize("um_per_px", [0.1, 0.086, 0.345])
def test_the_micrometers_lines_are_ten_micrometres_apart(um_per_px: float) -> None:
    slide = Micrometer()
    left, y = slide.width_um / 2 - 60, slide.height_um / 2 - 20
    row = slide.light(left, y, round(120 / um_per_px), 1, um_per_px)[0, :, 1]

    np.testing.assert_allclose(np.diff(falling_edges(row, left, um_per_px)), 10.0, atol=0.02)


def test_the_micrometer_has_a_scale_along_y_too() -> None:
    slide = Micrometer()
    column = slide.light(slide.width_um / 2 - 620, slide.height_um / 2 - 60, 1, 1200, 0.1)[:, 0, 1]

    np.testing.assert_allclose(np.diff(falling_edges(column, 0.0, 0.1)), 10.0, atol=0.02)


def test_grid_lines_cross_at_whole_multiples_of_the_pitch() -> None:
    light = GridSlide(pitch_um=50, line_um=4).light(975, 975, 500, 500, 0.1)[..., 1]

    assert light[250, 250] < 0.05
    assert light[0, 0] == 1.0
    assert np.count_nonzero(light[0] < 0.5) == 40


def test_a_grid_as_wide_as_its_pitch_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="narrower"):
        GridSlide(pitch_um=5, line_um=5)


def test_clean_glass_lets_all_light_pass() -> None:
    assert Blank().light(0, 0, 20, 10, 1.0).min() == 1.0
    assert Blank().truth(0, 0, 1e4, 1e4) == []


def test_a_qc_slide_holds_200_countable_cells_in_exact_proportions() -> None:
    slide = qc_slide(1, {"lymphocyte": 1.0, "monocyte": 3.0})
    cells = [c for c in slide.truth(10_600, 5300, 2800, 1400) if c.label not in NOT_COUNTED]

    assert Counter(c.label for c in cells) == {"lymphocyte": 50, "monocyte": 150}
    assert all(c.countable for c in cells)


def test_counts_add_up_to_the_total() -> None:
    counts = exact_counts({"a": 1, "b": 1, "c": 1}, KNOWN_CELLS)

    assert sum(counts) == KNOWN_CELLS
    assert max(counts) - min(counts) == 1
