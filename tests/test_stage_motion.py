"""What is refused, which way a target is approached, how long a way takes."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import StageRefused
from firmware_bridge.motion import leg, legs, on_grid, refuse_outside, trapezoid_s
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES, AxisSettings, StageSettings

STEPS_UM = {"x": 0.5, "y": 0.5, "z": 0.25}
START = Point(500.0, 500.0, 500.0)
NOTHING: frozenset[str] = frozenset()
ALL = frozenset(AXES)


def stage(
    backlash_um: float = 8.0, approach: int = 1, limits_um: tuple[float, float] = (0.0, 1_000.0)
) -> StageSettings:
    axis = AxisSettings(limits_um=limits_um, backlash_um=backlash_um, approach=approach)
    return StageSettings("grbl:none", x=axis, y=axis, z=axis)


def way(start: Point, target: Point, taken_up: frozenset[str] = ALL, **how: float) -> list[Point]:
    return [part.end for part in legs(stage(**how), STEPS_UM, start, target, taken_up)]  # type: ignore[arg-type]


def test_a_move_to_the_approach_side_goes_straight() -> None:
    assert way(START, Point(600.0, 600.0, 600.0)) == [Point(600.0, 600.0, 600.0)]


def test_a_move_back_goes_beyond_by_the_backlash_and_returns() -> None:
    assert way(START, Point(400.0, 600.0, 500.0)) == [Point(392.0, 600.0, 500.0), Point(400.0, 600.0, 500.0)]


def test_a_stage_that_is_approached_downwards_goes_beyond_upwards() -> None:
    assert way(START, Point(600.0, 500.0, 500.0), approach=-1)[0].x_um == 608.0


def test_a_short_move_takes_up_backlash_that_was_not() -> None:
    assert len(way(START, Point(503.0, 500.0, 500.0), NOTHING)) == 2


def test_a_long_move_takes_up_backlash_on_its_way() -> None:
    assert len(way(START, Point(508.0, 500.0, 500.0), NOTHING)) == 1


def test_an_axis_that_is_not_asked_to_move_is_left_alone() -> None:
    assert all(place.z_um == 500.0 for place in way(START, Point(400.0, 400.0, 500.0), NOTHING))


def test_an_axis_without_limits_is_not_even_rounded_to_its_steps() -> None:
    off_the_steps = Point(500.0, 500.0, 500.1)
    wish = Point(600.0, 500.0, 500.1 + 1e-9)
    free = dataclasses.replace(stage(), z=AxisSettings())
    refuse_outside(free, STEPS_UM, off_the_steps, wish)
    assert on_grid(free, STEPS_UM, off_the_steps, wish).z_um == 500.1


def test_backlash_is_taken_up_in_whole_steps() -> None:
    assert way(START, Point(400.0, 500.0, 500.0), backlash_um=7.8)[0].x_um == 392.0


def test_nothing_moves_to_where_it_is() -> None:
    assert way(START, START) == []


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(
    ("wish", "limit"), [(-0.1, "below the soft limit of 0.0"), (1000.1, "above the soft limit of 1000.0")]
)
def test_a_refusal_names_axis_limit_and_wish(axis: str, wish: float, limit: str) -> None:
    with pytest.raises(StageRefused, match=f"Axis {axis}: the wish is {wish:.1f} µm, {limit}"):
        refuse_outside(stage(), STEPS_UM, START, dataclasses.replace(START, **{f"{axis}_um": wish}))


def test_a_target_without_room_to_take_up_backlash_is_refused() -> None:
    with pytest.raises(StageRefused, match=r"no room to take up 8.0 µm.*above 8.0"):
        refuse_outside(stage(), STEPS_UM, START, Point(5.0, 500.0, 500.0))


def test_an_axis_without_limits_is_not_moved() -> None:
    free = dataclasses.replace(stage(), z=AxisSettings())
    refuse_outside(free, STEPS_UM, START, Point(600.0, 500.0, 500.0))
    with pytest.raises(StageRefused, match="no soft limits"):
        refuse_outside(free, STEPS_UM, START, Point(500.0, 500.0, 501.0))


def test_whole_steps_keep_the_place_aside_within_the_limits() -> None:
    settings = stage(limits_um=(0.07, 1_000.0))
    target = on_grid(settings, STEPS_UM, START, Point(8.1, 500.0, 500.0))
    assert [part.end.x_um for part in legs(settings, STEPS_UM, START, target, ALL)] == [0.5, 8.5]


place = st.floats(0.0, 1_000.0, allow_nan=False)
anywhere = st.builds(Point, place, place, place)


@given(anywhere, anywhere, st.sampled_from([1, -1]), st.sets(st.sampled_from(AXES)).map(frozenset))
def test_no_leg_of_an_allowed_move_leaves_the_limits(
    start: Point, target: Point, approach: int, taken_up: frozenset[str]
) -> None:
    settings = stage(approach=approach)
    try:
        refuse_outside(settings, STEPS_UM, start, target)
    except StageRefused:
        return
    target = on_grid(settings, STEPS_UM, start, target)
    parts = legs(settings, STEPS_UM, start, target, taken_up)
    assert all(-1e-6 <= part.end[name] <= 1000.0 + 1e-6 for part in parts for name in AXES)
    assert not parts or parts[-1].end == target


@given(anywhere, anywhere)
def test_every_moving_axis_ends_on_its_approach_side(start: Point, target: Point) -> None:
    parts = legs(stage(), STEPS_UM, start, target, NOTHING)
    for name in AXES:
        last = [part for part in parts if abs(part.end[name] - part.start[name]) > 1e-6]
        assert not last or last[-1].end[name] > last[-1].start[name]


@given(anywhere, anywhere)
def test_no_axis_passes_its_speed(start: Point, target: Point) -> None:
    settings = dataclasses.replace(stage(), z=AxisSettings(limits_um=(0.0, 1_000.0), speed_um_s=100.0))
    part = leg(settings, start, target)
    length = math.dist([start[n] for n in AXES], [target[n] for n in AXES])
    for name in AXES:
        share = abs(target[name] - start[name]) / length if length else 0.0
        assert part.speed_um_s * share <= settings.axis(name).speed_um_s * 1.001


@pytest.mark.parametrize(("length", "lasts_s"), [(0.0, 0.0), (100.0, 2.0), (400.0, 5.0)])
def test_a_trapezoid_takes_as_long_as_computed_by_hand(length: float, lasts_s: float) -> None:
    assert trapezoid_s(length, speed=100.0, acceleration=100.0) == pytest.approx(lasts_s)
