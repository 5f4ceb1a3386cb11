"""Contrast: what sharpness looks like, whatever the light."""

from __future__ import annotations

import numpy as np
import pytest
from builders_focus import cells, defocused

from calibration.contrast import MEASURES, contrast, focus_plane, vollath_f4

UM_PER_PX = 0.2


def test_contrast_falls_with_every_step_out_of_focus():
    seen = [contrast(defocused(cells(), radius), UM_PER_PX) for radius in (0, 0.5, 1, 2, 4, 8)]
    assert seen == sorted(seen, reverse=True)


def test_half_the_light_leaves_the_contrast_as_it_is():
    bright = cells()
    dim = (bright.astype(np.float32) / 2).round().astype(np.uint8)
    assert contrast(dim, UM_PER_PX) == pytest.approx(contrast(bright, UM_PER_PX), rel=0.03)


def test_noise_is_no_contrast():
    rng = np.random.default_rng(3)
    noise = np.clip(rng.normal(180, 6, (520, 694, 3)), 0, 255).astype(np.uint8)
    assert abs(contrast(noise, UM_PER_PX)) < 0.02 * contrast(cells(), UM_PER_PX)


def test_a_field_that_is_darker_on_one_side_has_no_contrast_from_that():
    slope = np.linspace(240, 160, 694).astype(np.uint8)
    even = np.repeat(np.tile(slope, (520, 1))[..., None], 3, axis=2)
    assert abs(contrast(even, UM_PER_PX)) < 0.02 * contrast(cells(), UM_PER_PX)


def test_bands_of_a_flickering_lamp_are_no_contrast():
    rows = 200 + 12 * np.sin(np.arange(520) / 3)
    banded = np.repeat(np.repeat(rows[:, None], 694, axis=1)[..., None], 3, axis=2).astype(np.uint8)
    assert contrast(banded, UM_PER_PX) == pytest.approx(0, abs=1e-9)


def test_a_grey_picture_is_measured_like_the_green_of_a_coloured_one():
    picture = cells()
    assert contrast(np.ascontiguousarray(picture[..., 1]), UM_PER_PX) == contrast(picture, UM_PER_PX)


def test_fine_pixels_are_binned_to_about_the_resolution():
    plane = focus_plane(np.full((1040, 1388, 3), 100, np.uint8), 0.1)
    assert plane.shape == (520, 694)
    assert float(plane.mean()) == pytest.approx(1)


def test_coarse_pixels_are_taken_as_they_are():
    assert focus_plane(cells(), 0.25).shape == cells().shape[:2]


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_larger_in_focus(name):
    sharp, soft = (MEASURES[name](focus_plane(defocused(cells(), radius), UM_PER_PX)) for radius in (0, 3))
    assert sharp > soft


def test_vollaths_f4_is_the_drop_of_the_autocorrelation():
    plane = focus_plane(cells(), UM_PER_PX)
    near = float((plane * np.roll(plane, -1, axis=1)).mean())
    far = float((plane * np.roll(plane, -2, axis=1)).mean())
    around = np.hstack([plane, plane[:, :2]])
    assert vollath_f4(around) == pytest.approx(near - far, rel=0.02)


def test_a_black_picture_is_refused():
    with pytest.raises(ValueError, match="black"):
        contrast(np.zeros((100, 100, 3), np.uint8), UM_PER_PX)


@pytest.mark.parametrize("shape", [(10, 300, 3), (300, 300, 4), (300,)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(ValueError, match="picture"):
        contrast(np.ones(shape, np.uint8), UM_PER_PX)


def test_a_pixel_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match="not positive"):
        contrast(cells(), 0.0)
