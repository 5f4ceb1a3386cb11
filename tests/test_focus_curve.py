"""What is a peak, where it lies, and what is none."""

from __future__ import annotations

import math

import pytest
from builders_focus import both, hill, sampled
from hypothesis import given
from hypothesis import strategies as st

from calibration.focus_curve import CurveFault, NoPeak, Peak, Sample, find_peak


def fault(samples: list[Sample]) -> CurveFault:
    answer = find_peak(samples)
    assert isinstance(answer, NoPeak), answer
    return answer.fault


@pytest.mark.parametrize("true_um", [-1.3, 0.0, 0.21, 0.5, 0.77])
def test_a_peak_between_two_samples_is_found_to_a_tenth_of_the_step(true_um):
    answer = find_peak(sampled(hill(true_um), -10, 10, 1.0))
    assert isinstance(answer, Peak)
    assert answer.z_um == pytest.approx(true_um, abs=0.1)


def test_the_width_is_that_at_half_the_rise():
    answer = find_peak(sampled(hill(0, width_um=5, floor=0), -60, 60, 0.5))
    assert isinstance(answer, Peak)
    assert answer.width_um == pytest.approx(5, rel=0.02)


def test_a_curve_that_rises_to_its_end_has_its_focus_beyond():
    assert fault(sampled(hill(14), -10, 10, 1.0)) is CurveFault.EDGE_OF_RANGE
    assert fault(sampled(hill(-14), -10, 10, 1.0)) is CurveFault.EDGE_OF_RANGE


def test_a_curve_that_hardly_changes_is_flat():
    assert fault(sampled(hill(0, high=1e-4, floor=1e-3), -10, 10, 1.0)) is CurveFault.FLAT
    assert fault(sampled(lambda _: 1e-3, -10, 10, 1.0)) is CurveFault.FLAT


def test_the_noise_of_an_empty_field_is_flat_however_it_jumps():
    samples = [Sample(k, 1e-6 * (-1) ** k * (k % 5)) for k in range(20)]
    assert fault(samples) is CurveFault.FLAT


def test_one_picture_that_stands_out_of_an_even_curve_is_no_peak():
    samples = [Sample(k, 9e-4 if k == 7 else 1e-4) for k in range(20)]
    assert fault(samples) is CurveFault.FLAT


def test_two_hills_of_like_height_are_double_peaked():
    two = both(hill(-6, high=1e-3), hill(6, high=0.8e-3))
    assert fault(sampled(two, -15, 15, 1.0)) is CurveFault.DOUBLE_PEAKED


def test_a_low_second_hill_such_as_dust_leaves_the_peak_where_it_is():
    two = both(hill(-6, high=1e-3), hill(8, high=0.3e-3))
    answer = find_peak(sampled(two, -15, 15, 1.0))
    assert isinstance(answer, Peak)
    assert answer.z_um == pytest.approx(-6, abs=0.15)


def test_four_samples_are_too_few():
    assert fault(sampled(hill(0), -2, 1, 1.0)) is CurveFault.TOO_FEW


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_contrast_that_is_no_number_is_unreadable(bad):
    samples = sampled(hill(0), -5, 5, 1.0)
    samples[3] = Sample(samples[3].z_um, bad)
    assert fault(samples) is CurveFault.UNREADABLE


def test_heights_out_of_order_are_refused():
    with pytest.raises(ValueError, match="ascend"):
        find_peak([Sample(0, 1), Sample(0, 2), Sample(1, 3)])


contrasts = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=30)


@given(contrasts, st.floats(1e-3, 1e3))
def test_more_light_on_every_sample_of_a_clear_curve_changes_nothing(values, factor):
    samples = [Sample(float(k), 1e-3 + value) for k, value in enumerate(values)]
    scaled = [Sample(s.z_um, s.contrast * max(1.0, factor)) for s in samples]
    one, other = find_peak(samples), find_peak(scaled)
    assert isinstance(one, Peak) == isinstance(other, Peak)
    if isinstance(one, Peak) and isinstance(other, Peak):
        assert one.z_um == pytest.approx(other.z_um, abs=1e-3)


@given(contrasts)
def test_a_peak_always_lies_between_the_neighbours_of_the_highest_sample(values):
    samples = [Sample(float(k), value) for k, value in enumerate(values)]
    answer = find_peak(samples)
    if isinstance(answer, Peak):
        top = max(range(len(values)), key=values.__getitem__)
        assert top - 1 <= answer.z_um <= top + 1
