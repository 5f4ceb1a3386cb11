"""The pixel size from a stage micrometer: right, honestly known, and refused where it cannot be told."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from builders_rulers import dusty, lines, picture

from benchmarks.calibration_geometry import ruler_trials
from benchmarks.random_instrument import Instrument
from calibration.errors import CalibrationRefused
from calibration.ruler import averaged, measure_ruler

PITCH_UM = 10.0


@pytest.mark.parametrize("across_deg", [0.0, 4.0, -9.5, 30.0, 44.9, 60.0, 90.0, -80.0])
def test_a_ruler_at_any_angle_gives_pixel_size_and_angle(across_deg: float) -> None:
    fit = measure_ruler([picture(lines(across_deg))])

    assert fit.um_per_px.value == pytest.approx(PITCH_UM / 40, rel=3e-4)
    off = (fit.rotation_deg.value - across_deg + 90) % 180 - 90
    assert abs(off) < 0.03
    assert fit.residual_um < 0.02


def test_the_claimed_uncertainty_is_honest_over_many_rulers() -> None:
    rng = np.random.default_rng(5)
    in_units = []
    for seed in range(40):
        spacing = float(rng.uniform(25, 45))
        light = lines(
            float(rng.uniform(-10, 10)), spacing, 0.2 * spacing, float(rng.uniform(0.9, 2.5)), (200, 120),
            float(rng.uniform(0, spacing)),
        )  # fmt: skip
        fit = measure_ruler([picture(light, float(rng.uniform(0.8, 4)), float(rng.uniform(0, 0.4)), seed)])
        in_units.append((fit.um_per_px.value - PITCH_UM / spacing) / fit.um_per_px.uncertainty)
    assert np.mean(np.abs(in_units) < 1.96) >= 0.9
    # These lines are straight and even to the last digit, as no ruler's are, and the claim allows for that.
    assert 0.4 < np.mean(np.square(in_units)) < 1.4


def test_the_simulated_microscope_is_measured_within_a_third_of_a_per_cent() -> None:
    for number in (3, 5):
        for trial in ruler_trials(Instrument.drawn(number), across_um=90.0):
            assert trial.measured is not None, trial.refused
            if trial.measured.unit == "µm/px":
                assert abs(trial.error / trial.truth) < 0.003


def test_many_pictures_are_known_better_than_one() -> None:
    several = [picture(lines(3 + n), seed=n) for n in range(4)]
    assert (
        measure_ruler(several).um_per_px.uncertainty < 0.8 * measure_ruler(several[:1]).um_per_px.uncertainty
    )


def test_values_that_differ_widely_are_known_to_their_scatter() -> None:
    mean = averaged([1.0, 1.1, 0.9, 1.05, 0.95], [0.001] * 5)
    assert mean.value == pytest.approx(1.0)
    assert 0.03 < mean.uncertainty < 0.07


def test_the_certificates_uncertainty_is_in_the_claim() -> None:
    fit = measure_ruler([picture(lines())], 10.0, pitch_uncertainty_um=0.02)
    assert fit.um_per_px.relative == pytest.approx(0.002, rel=0.05)


def test_dust_does_not_matter() -> None:
    fit = measure_ruler([picture(dusty(lines()))])
    assert fit.um_per_px.value == pytest.approx(0.25, rel=1e-3)
    assert fit.lines[0].left_out > 0


def test_lines_that_are_cut_off_do_not_matter() -> None:
    light = lines(spacing_px=30)
    light[:70] = 1.0  # the ruler's end
    light[:, :40] = 1.0
    assert measure_ruler([picture(light)]).um_per_px.value == pytest.approx(1 / 3, rel=1e-3)


def test_a_missing_line_does_not_matter() -> None:
    fit = measure_ruler([picture(lines(spacing_px=30, only=(-4, -3, -2, 0, 1, 2, 3, 4)))])
    assert fit.um_per_px.value == pytest.approx(1 / 3, rel=1e-3)


def test_uneven_light_does_not_matter() -> None:
    fit = measure_ruler([picture(lines(), vignetting=0.4)])
    assert fit.um_per_px.value == pytest.approx(0.25, rel=3e-4)


@pytest.mark.parametrize(
    ("light", "says"),
    [
        (np.ones((220, 300)), "no ruler"),
        (dusty(np.ones((220, 300)), 60), "no ruler|evenly spaced"),
        (lines(spacing_px=170), "too few|whole lines"),
        (lines(spacing_px=5, line_px=2, soft_px=0.6), "too close|evenly|blurred"),
        (lines(soft_px=9), "blurred|no ruler|evenly"),
        (np.minimum(lines(2), lines(92)), "two directions"),
    ],
)
def test_what_is_no_ruler_to_measure_is_refused(light: np.ndarray, says: str) -> None:
    with pytest.raises(CalibrationRefused, match=says):
        measure_ruler([picture(light)])


def test_blur_beyond_use_is_refused_as_blur() -> None:
    with pytest.raises(CalibrationRefused, match="blurred beyond use"):
        measure_ruler([picture(lines(soft_px=7.0))])


def test_fainter_lines_between_the_lines_are_refused() -> None:
    fine = lines(3, 50.0, 6.0, size=(340, 220))
    faint = 1 - 0.15 * (1 - lines(3, 10.0, 2.0, size=(340, 220)))
    with pytest.raises(CalibrationRefused, match="fainter lines"):
        measure_ruler([picture(fine * faint)])


def test_a_ruler_coarser_than_light_allows_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="coarser than stated"):
        measure_ruler([picture(lines())], pitch_um=1.0)


@pytest.mark.parametrize(
    ("pitch", "says"), [(10.0, "finer than stated .a pitch of 5 µm"), (1.5, "coarser|finer|pitch")]
)
def test_another_ruler_than_stated_is_noticed_where_the_pixel_size_is_expected(
    pitch: float, says: str
) -> None:
    with pytest.raises(CalibrationRefused, match=says):
        measure_ruler([picture(lines())], pitch, expected_um_per_px=0.125)


def test_a_dark_picture_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="dark"):
        measure_ruler([picture(lines(), level=10)])


def test_pictures_of_two_sizes_are_refused_and_none_too() -> None:
    with pytest.raises(CalibrationRefused, match="different sizes"):
        measure_ruler([picture(lines()), picture(lines(size=(280, 220)))])
    with pytest.raises(CalibrationRefused, match="no picture"):
        measure_ruler([])


def test_the_picture_that_is_wrong_is_named() -> None:
    with pytest.raises(CalibrationRefused, match="Picture 2 of 2"):
        measure_ruler([picture(lines()), picture(np.ones((220, 300)))])


@pytest.mark.parametrize("pitch", [0.0, -1.0, math.nan, 1e9])
def test_a_pitch_that_no_ruler_has_is_refused(pitch: float) -> None:
    with pytest.raises(CalibrationRefused, match="not plausible"):
        measure_ruler([picture(lines())], pitch)


def test_a_distorting_lens_makes_the_claim_wider() -> None:
    y, x = np.mgrid[0:220, 0:400].astype(np.float32)
    out = 1 + 0.01 * ((x - 200) ** 2 + (y - 110) ** 2) / 200**2
    sharp = picture(lines(1.0, 25.0, 6.0, size=(400, 220)), noise=0.5)
    bent = np.asarray(
        cv2.remap(
            sharp,
            (x - 200) * out + 200,
            (y - 110) * out + 110,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )
    assert measure_ruler([bent]).um_per_px.uncertainty > 5 * measure_ruler([sharp]).um_per_px.uncertainty
