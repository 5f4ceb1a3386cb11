"""Where content goes when the stage moves, whether ruler and stage agree, and how pictures are registered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders_rulers import Picture, lines, moved, moves, picture, textured
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.stage_map import Move, Shift, StageMap, agreement, fit_stage_map, shift_between

PATCH = textured()
NUMBERS = st.floats(-200, 200)


def matrix(um_per_px: float, turned_deg: float, sheared_deg: float = 0.0, ratio: float = 1.0) -> np.ndarray:
    one, other = np.radians(turned_deg), np.radians(turned_deg + 90 + sheared_deg)
    return np.array([[np.cos(one), ratio * np.cos(other)], [np.sin(one), ratio * np.sin(other)]]) / um_per_px


MATRICES = st.builds(
    matrix, st.floats(0.05, 0.22), st.floats(-170, 170), st.floats(-5, 5), st.floats(0.8, 1.25)
)
SHIFTS = st.builds(Shift, NUMBERS, NUMBERS, st.floats(0, 1), st.floats(0.3, 1))


class Ruled:
    """A ruler that said so much."""

    def __init__(self, um_per_px: float) -> None:
        self.um_per_px = Measured(um_per_px, um_per_px * 1e-4, "µm/px")


@given(MATRICES)
@settings(max_examples=30, deadline=None)
def test_a_map_is_recovered_from_its_moves(true: np.ndarray) -> None:
    np.testing.assert_allclose(fit_stage_map(moves(true)).matrix, true, rtol=1e-6, atol=1e-6)


@given(MATRICES, NUMBERS, NUMBERS)
@settings(max_examples=30, deadline=None)
def test_to_the_picture_and_back_is_where_it_began(true: np.ndarray, x: float, y: float) -> None:
    stage_map = fit_stage_map(moves(true))
    assert stage_map.to_um(*stage_map.to_px(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(MATRICES, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
@settings(max_examples=30, deadline=None)
def test_two_ways_one_after_the_other_are_their_sum(
    true: np.ndarray, x: float, y: float, further_x: float, further_y: float
) -> None:
    stage_map = fit_stage_map(moves(true))
    one, other = np.array(stage_map.to_px(x, y)), np.array(stage_map.to_px(further_x, further_y))
    assert stage_map.to_px(x + further_x, y + further_y) == pytest.approx(one + other, abs=1e-6)


@given(SHIFTS, SHIFTS)
def test_a_chain_of_shifts_goes_back_to_where_it_began(one: Shift, other: Shift) -> None:
    there = one + other
    back = there + -other + -one
    assert (back.dx_px, back.dy_px) == pytest.approx((0, 0), abs=1e-9)
    assert there.uncertainty_px >= max(one.uncertainty_px, other.uncertainty_px) * (1 - 1e-12)


@given(st.floats(0.05, 0.22), st.floats(-170, 170), st.floats(-4, 4))
@settings(max_examples=30, deadline=None)
def test_size_rotation_and_shear_are_read_off_the_map(um: float, turned: float, sheared: float) -> None:
    stage_map = fit_stage_map(moves(matrix(um, turned, sheared)))
    assert stage_map.um_per_px_x.value == pytest.approx(um)
    assert stage_map.rotation_deg.value == pytest.approx(turned, abs=1e-5)
    assert stage_map.shear_deg.value == pytest.approx(sheared, abs=1e-5)


def test_the_claimed_uncertainty_is_honest_over_many_stages() -> None:
    in_units = []
    for seed in range(200):
        found = fit_stage_map(moves(matrix(0.1, 5.0), scatter_um=0.2, seed=seed))
        in_units += [
            (found.um_per_px.value - 0.1) / found.um_per_px.uncertainty,
            (found.rotation_deg.value - 5.0) / found.rotation_deg.uncertainty,
            found.shear_deg.value / found.shear_deg.uncertainty,
        ]
    assert np.mean(np.abs(in_units) < 1.96) >= 0.9
    assert 0.7 < np.mean(np.square(in_units)) < 1.4


def test_the_scatter_of_positions_is_told() -> None:
    found = [
        fit_stage_map(moves(matrix(0.1, 0.0), scatter_um=0.3, seed=seed)).scatter_um for seed in range(30)
    ]
    assert np.mean(found) == pytest.approx(0.3, rel=0.15)


def test_one_move_that_went_wrong_is_left_out() -> None:
    all_moves = moves(matrix(0.1, 3.0), scatter_um=0.05)
    lost = all_moves[5]
    all_moves[5] = replace(lost, shift=replace(lost.shift, dx_px=lost.shift.dx_px + 60))
    found = fit_stage_map(all_moves)
    assert found.left_out == 1
    assert found.um_per_px.value == pytest.approx(0.1, rel=3e-3)


def test_a_mirrored_picture_is_told() -> None:
    assert fit_stage_map(moves(matrix(0.1, 0.0) * [[1], [-1]])).mirrored
    assert not fit_stage_map(moves(matrix(0.1, 0.0))).mirrored


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (moves(matrix(0.1, 0.0))[:5], "too few"),
        ([Move(float(n), 0.0, Shift(10.0 * n, 0.0, 0.01)) for n in range(8)], "along one line"),
        (
            [Move(m.dx_um, m.dy_um, Shift(m.shift.dx_px, 0.0, 0.01)) for m in moves(matrix(0.1, 0.0))],
            "stands still",
        ),
        (moves(matrix(0.1, 0.0), reach_um=1.0), "too little"),
    ],
)
def test_moves_that_tell_no_map_are_refused(wrong: list[Move], says: str) -> None:
    with pytest.raises(CalibrationRefused, match=says):
        fit_stage_map(wrong)


def test_many_moves_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(0)
    spoilt = [
        replace(m, shift=replace(m.shift, dx_px=m.shift.dx_px + float(rng.uniform(50, 400)))) if n % 2 else m
        for n, m in enumerate(moves(matrix(0.1, 0.0)))
    ]
    with pytest.raises(CalibrationRefused, match="do not fit the others"):
        fit_stage_map(spoilt)


def stage(x: float = 1.0, y: float = 1.0) -> StageMap:
    """A map of a stage that goes so much farther than it is told, under pixels of 0.1 µm."""
    return fit_stage_map(moves(np.diag([x, y]) / 0.1))


def test_ruler_and_stage_agree_within_half_a_per_cent() -> None:
    assert agreement(Ruled(0.1), stage(1.004, 0.997)).ok
    assert not agreement(Ruled(0.1), stage(1.006, 1.0)).ok


@pytest.mark.parametrize("ratio", [2.0, 0.5, 1.25, 0.8])
def test_one_axis_that_goes_too_far_has_wrong_steps(ratio: float) -> None:
    found = agreement(Ruled(0.1), stage(ratio, 1.0))
    assert not found.ok
    assert found.x.value == pytest.approx(ratio)
    assert "steps/mm of x is likely wrong" in found.sentence
    assert f"{ratio:.3g}" in found.sentence
    assert "screw lead or microstep" in found.sentence


def test_both_axes_off_alike_blame_the_ruler_or_the_objective() -> None:
    found = agreement(Ruled(0.2), stage())
    assert not found.ok
    assert "ruler's pitch" in found.sentence
    assert "objective" in found.sentence
    assert "0.5 times the stated pitch" in found.sentence


def test_both_axes_off_unlike_each_other_have_wrong_steps() -> None:
    assert "steps/mm of x and y is likely wrong" in agreement(Ruled(0.1), stage(1.25, 0.9)).sentence


def test_a_map_that_is_known_too_little_agrees_with_nothing() -> None:
    rough = fit_stage_map(moves(np.eye(2) / 0.1, scatter_um=0.0, reach_um=10.0))
    rough = replace(rough, covariance=np.eye(4) * (10 * 0.004) ** 2)
    found = agreement(Ruled(0.1), rough)
    assert not found.ok
    assert "more and longer moves" in found.sentence


@pytest.mark.parametrize("way", [(0.0, 0.0), (0.3, -0.7), (41.37, 12.81), (-70.4, 55.9), (-3.5, -88.25)])
def test_a_shift_is_found_to_parts_of_a_pixel(way: tuple[float, float]) -> None:
    found = shift_between(moved(PATCH, 0, 0, seed=1), moved(PATCH, *way, seed=2))
    assert (found.dx_px, found.dy_px) == pytest.approx(way, abs=0.05)
    assert found.uncertainty_px < 0.03


def test_a_shifts_claimed_uncertainty_is_honest() -> None:
    rng = np.random.default_rng(2)
    in_units = []
    for seed in range(40):
        way = rng.uniform(-40, 40, 2)
        found = shift_between(
            moved(PATCH, 0, 0, seed=seed), moved(PATCH, float(way[0]), float(way[1]), seed=seed + 500)
        )
        in_units += list((np.array([found.dx_px, found.dy_px]) - way) / found.uncertainty_px)
    assert np.mean(np.abs(in_units) < 1.96) >= 0.9
    assert 0.4 < np.mean(np.square(in_units)) < 1.8


def blank(seed: int = 0) -> Picture:
    return picture(np.ones((160, 200)), seed=seed)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (moved(PATCH, 0, 0), moved(textured(9), 0, 0, seed=1), "share nothing"),
        (blank(1), blank(2), "share nothing"),
        (moved(PATCH, 0, 0), blank(), "share nothing"),
        (
            picture(lines(size=(200, 160)), seed=1),
            picture(lines(size=(200, 160)), seed=2),
            "several ways|ruler",
        ),
        (moved(PATCH, 0, 0), moved(PATCH, 0, 0, size=(180, 160)), "cannot be compared"),
        (moved(PATCH, 0, 0), np.zeros((160, 200, 3), np.uint8), "dark"),
    ],
)
def test_pictures_that_tell_no_shift_are_refused(first: Picture, second: Picture, says: str) -> None:
    with pytest.raises(CalibrationRefused, match=says):
        shift_between(first, second)
