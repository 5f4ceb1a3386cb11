"""Both axes, rotation and shear from a grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders_rulers import dusty, lines, picture

from benchmarks.calibration_geometry import grid_trials
from benchmarks.random_instrument import Instrument
from calibration.errors import CalibrationRefused
from calibration.grid import measure_grid


def grid(
    across_deg: float = 3.0,
    sheared_deg: float = 0.0,
    spacing: tuple[float, float] = (40.0, 40.0),
    size: tuple[int, int] = (320, 260),
    line_px: float = 8.0,
) -> np.ndarray:
    """Light through a grid whose second lines lie sheared by so much more than 90° from the first."""
    one = lines(across_deg, spacing[0], line_px, size=size)
    return np.minimum(one, lines(across_deg + 90 + sheared_deg, spacing[1], line_px, size=size))


@pytest.mark.parametrize("across_deg", [0.0, 3.0, -9.0, 30.0])
def test_a_grid_gives_pixel_size_and_rotation(across_deg: float) -> None:
    fit = measure_grid([picture(grid(across_deg))], 10.0)

    assert fit.um_per_px.value == pytest.approx(0.25, rel=3e-4)
    assert fit.rotation_deg.value == pytest.approx(across_deg, abs=0.03)
    assert fit.shear_deg.value == pytest.approx(0.0, abs=0.05)


def test_pixels_that_are_not_square_show_along_the_axes() -> None:
    fit = measure_grid([picture(grid(0.0, spacing=(40.0, 40.4)))], 10.0)

    assert fit.um_per_px_x.value == pytest.approx(0.25, rel=3e-4)
    assert fit.um_per_px_y.value == pytest.approx(10 / 40.4, rel=3e-4)


def test_shear_is_told_from_rotation() -> None:
    fit = measure_grid([picture(grid(5.0, 0.6))], 10.0)
    assert abs(fit.shear_deg.value) == pytest.approx(0.6, abs=0.05)


def test_the_claimed_uncertainty_is_honest_over_many_grids() -> None:
    rng = np.random.default_rng(8)
    in_units = []
    for seed in range(20):
        spacing = float(rng.uniform(24, 34))
        turned, sheared = float(rng.uniform(-10, 10)), float(rng.uniform(-1, 1))
        light = grid(turned, sheared, (spacing, spacing), (190, 150), line_px=0.2 * spacing)
        fit = measure_grid([picture(light, float(rng.uniform(0.8, 3)), 0.3, seed)], 10.0)
        # Gradients of the lines' numbers are unit vectors over the spacing: |det| = cos(shear) / spacing².
        truth = 10 / spacing * math.sqrt(math.cos(math.radians(sheared)))
        in_units.append((fit.um_per_px.value - truth) / fit.um_per_px.uncertainty)
    assert np.mean(np.abs(in_units) < 1.96) >= 0.85
    assert np.mean(np.square(in_units)) < 1.8


def test_the_simulated_microscopes_own_shear_and_stretch_are_found() -> None:
    for trial in grid_trials(Instrument.drawn(3), across_um=60.0):
        assert trial.measured is not None, trial.refused
        if trial.measured.unit == "µm/px":
            assert abs(trial.error / trial.truth) < 0.003
        else:
            assert abs(trial.error) < 0.05


def test_dust_and_uneven_light_do_not_matter() -> None:
    fit = measure_grid([picture(dusty(grid()), vignetting=0.4)], 10.0)
    assert fit.um_per_px.value == pytest.approx(0.25, rel=1e-3)


def test_many_pictures_of_one_grid_are_averaged() -> None:
    fit = measure_grid([picture(grid(44.9), seed=1), picture(grid(45.1), seed=2)], 10.0)
    assert abs(fit.rotation_deg.value) == pytest.approx(45.0, abs=0.2)
    assert len(fit.lines) == 2


@pytest.mark.parametrize(
    ("light", "says"),
    [
        (np.ones((220, 300)), "no ruler"),
        (lines(), "one direction"),
        (dusty(np.ones((220, 300)), 60), "no grid|evenly spaced"),
        (grid(spacing=(40.0, 80.0)), "the other"),
        (grid(sheared_deg=9.0), "no right angle|no two directions|whole line"),
    ],
)
def test_what_is_no_grid_is_refused(light: np.ndarray, says: str) -> None:
    with pytest.raises(CalibrationRefused, match=says):
        measure_grid([picture(light)], 10.0)


def test_a_grid_of_another_pitch_is_noticed() -> None:
    with pytest.raises(CalibrationRefused, match="a pitch of 50 µm would fit"):
        measure_grid([picture(grid())], 10.0, expected_um_per_px=1.25)
