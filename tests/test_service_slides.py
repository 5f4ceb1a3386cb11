"""Slides for the service engineer: exact lines, clean glass, and 200 cells that are known."""

from __future__ import annotations

import math
from collections import Counter
from typing import get_args

import numpy as np
import pytest
from builders_microscope import view

from appliance.config import SimulatorSection
from appliance.errors import ApplianceRefused
from appliance.region_map import Rectangle
from appliance.simulator.instrument import SMEAR, slide_on_its_mount
from appliance.simulator.microscope import Microscope
from appliance.simulator.mixture import blood, marrow
from appliance.simulator.objectives import OBJECTIVES
from appliance.simulator.service_slides import (
    KNOWN_CELLS,
    SERVICE_SLIDES,
    Blank,
    GridSlide,
    Micrometer,
    exact_counts,
    qc_region,
    qc_slide,
    service_slide,
)
from appliance.simulator.slide import NOT_COUNTED
from appliance.tour import FieldSize, plan_tour
from firmware_bridge.point import Point


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


@pytest.mark.parametrize("name", ["100x", "50x", "20x"])
def test_a_grid_seen_through_a_lens_is_as_wide_as_it_is(name: str) -> None:
    lens, at = OBJECTIVES[name], Point(12_025.033, 6_025.0, OBJECTIVES[name].parfocal_um)
    pixels = Microscope(GridSlide(50, 4)).render(view(at, name, size=(1388, 64), exposure_us=5_000))
    green = pixels[20:44, :, 1].mean(axis=0)
    share, half_um = green / np.percentile(green, 80), 694 * lens.um_per_px
    falls = falling_edges(share, at.x_um - half_um, lens.um_per_px)
    rises = at.x_um + half_um - falling_edges(share[::-1], 0.0, lens.um_per_px)[::-1]
    first, last = math.ceil((at.x_um - half_um) / 50), math.floor((at.x_um + half_um) / 50)

    np.testing.assert_allclose(
        (falls + rises) / 2, 50 * np.arange(first, last + 1), atol=0.1 * lens.um_per_px
    )


def test_a_grid_as_wide_as_its_pitch_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="narrower"):
        GridSlide(pitch_um=5, line_um=5)


def test_clean_glass_lets_all_light_pass() -> None:
    assert Blank().light(0, 0, 20, 10, 1.0).min() == 1.0
    assert Blank().truth(0, 0, 1e4, 1e4) == []


def test_a_qc_slide_holds_200_countable_cells_in_exact_proportions() -> None:
    slide = qc_slide(1, {"lymphocyte": 1.0, "monocyte": 3.0}, blood(platelets_per_red=0.0))
    cells = [c for c in slide.truth(10_600, 5300, 2800, 1400) if c.label not in NOT_COUNTED]

    assert Counter(c.label for c in cells) == {"lymphocyte": 50, "monocyte": 150}
    assert all(c.countable for c in cells)


def test_a_qc_slide_holds_the_cells_of_its_mixture() -> None:
    slide = qc_slide(1, mixture=marrow(shares={"lymphocyte": 1.0}, platelets_per_red=0.0))

    assert {c.label for c in slide.truth(11_000, 5500, 800, 400)} - set(NOT_COUNTED) == {"lymphocyte"}


def test_a_qc_slide_is_called_so_and_its_region_holds_its_cells_on_any_seat() -> None:
    field = FieldSize(138.8, 104.0)
    for seed in range(3):
        slide, mount = slide_on_its_mount(seed, blood(), "qc")
        assert slide.digest.startswith("QC slide of 200 cells")
        region = qc_region(mount, field)
        tour = plan_tour([region], field)
        cells = [c for c in slide.truth(0, 0, slide.width_um, slide.height_um) if c.countable]
        places = [mount.stage_place(c.x_um, c.y_um) for c in cells]
        assert all(region.holds(Rectangle(p.x_um - 20, p.y_um - 20, 40, 40)) for p in places)
        assert len(tour.stops) == 216


def test_counts_add_up_to_the_total() -> None:
    counts = exact_counts({"a": 1, "b": 1, "c": 1}, KNOWN_CELLS)

    assert sum(counts) == KNOWN_CELLS
    assert max(counts) - min(counts) == 1


def test_the_simulated_instrument_takes_any_service_slide_in_place_of_its_smear() -> None:
    kinds = get_args(SimulatorSection.model_fields["slide"].annotation)
    assert kinds == (SMEAR, *SERVICE_SLIDES)
    digests = {slide_on_its_mount(3, blood(), name)[0].digest for name in kinds}
    assert len(digests) == len(kinds)
    with pytest.raises(ApplianceRefused, match="micrometer, grid, blank, qc"):
        service_slide("ruler", 3, blood())
