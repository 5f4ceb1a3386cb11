"""The search for focus: where it looks, how it gets there, how it ends."""

from __future__ import annotations

import math

import pytest
from builders_focus import LIMITS, Bench, both, hill, quick
from hypothesis import given
from hypothesis import strategies as st

from appliance.autofocus import Focus, FocusFailed, Look, Purpose, Search, drive, refine_focus, search_focus
from appliance.errors import ApplianceRefused
from appliance.safe_height import HeightLimits, SafeHeight
from calibration.focus_curve import CurveFault


@pytest.mark.parametrize("true_um", [-9.3, -2.0, 0.0, 3.37, 9.9])
def test_focus_is_found_to_a_tenth_of_a_micrometre(true_um):
    focus = drive(search_focus(0, LIMITS, quick()), Bench(hill(true_um)))
    assert isinstance(focus, Focus)
    assert focus.z_um == pytest.approx(true_um, abs=0.1)
    assert focus.tries == 1


def test_the_stage_stands_at_the_focus_when_the_search_ends():
    bench = Bench(hill(3.37))
    focus = drive(search_focus(0, LIMITS, quick()), bench)
    assert isinstance(focus, Focus)
    assert bench.ordered[-1] == focus.z_um
    assert bench.looks[-1].purpose is Purpose.CONFIRM


@pytest.mark.parametrize("backlash_um", [0.0, 1.0, 4.0])
def test_play_in_the_z_axis_below_the_take_up_does_not_move_the_focus(backlash_um):
    focus = drive(search_focus(0, LIMITS, quick()), Bench(hill(2.6), backlash_um))
    assert isinstance(focus, Focus)
    assert focus.z_um == pytest.approx(2.6, abs=0.1)


def test_every_height_is_approached_upward():
    bench = Bench(hill(3.37))
    drive(search_focus(0, LIMITS, quick()), bench)
    before = math.inf
    for look in bench.looks:
        if look.via is not None:
            before = look.via.z_um
        assert look.height.z_um > before
        before = look.height.z_um


def test_every_sweep_begins_below_its_first_height_by_the_take_up():
    bench = Bench(hill(3.37))
    drive(search_focus(0, LIMITS, quick()), bench)
    begun = [look for look in bench.looks if look.via is not None]
    assert [look.purpose for look in begun] == [Purpose.COARSE, Purpose.FINE, Purpose.CONFIRM]
    for look in begun:
        assert look.via is not None
        assert look.height.z_um - look.via.z_um == pytest.approx(quick().take_up_um)


def test_a_focus_beyond_the_range_is_found_in_a_second_wider_try():
    focus = drive(search_focus(0, LIMITS, quick()), Bench(hill(18)))
    assert isinstance(focus, Focus)
    assert focus.z_um == pytest.approx(18, abs=0.1)
    assert focus.tries == 2


def failure(bench: Bench, limits: HeightLimits = LIMITS, search: Search | None = None) -> FocusFailed:
    outcome = drive(search_focus(0, limits, search or quick()), bench)
    assert isinstance(outcome, FocusFailed), outcome
    return outcome


def test_a_focus_beyond_the_wider_range_too_is_a_failure_that_says_edge_of_range():
    failed = failure(Bench(hill(40, width_um=20)))
    assert failed.fault is CurveFault.EDGE_OF_RANGE
    assert len(failed.curves) == 2


def test_nothing_to_focus_on_is_a_failure_that_says_flat():
    assert failure(Bench(lambda _: 1e-6)).fault is CurveFault.FLAT


def test_two_layers_are_a_failure_that_says_double_peaked():
    assert failure(Bench(both(hill(-6, width_um=4), hill(6, width_um=4)))).fault is CurveFault.DOUBLE_PEAKED


def test_safe_heights_that_leave_four_looks_are_a_failure_that_says_too_few_samples():
    assert failure(Bench(hill(0)), HeightLimits(-6, 5)).fault is CurveFault.TOO_FEW


def test_a_peak_that_does_not_come_back_is_a_failure():
    bench = Bench(hill(0))

    def drifting(look: Look) -> float:
        return bench(look) * (0.5 if look.purpose is Purpose.CONFIRM else 1.0)

    failed = drive(search_focus(0, LIMITS, quick()), drifting)
    assert isinstance(failed, FocusFailed)
    assert failed.fault is CurveFault.NOT_REPRODUCED


def test_play_larger_than_the_take_up_is_noticed_and_not_focused_through():
    search = Search(reach_um=12, take_up_um=0.5)
    outcome = drive(search_focus(0, LIMITS, search), Bench(hill(2.6, width_um=2.5), backlash_um=4.0))
    assert isinstance(outcome, FocusFailed)


def test_a_picture_without_contrast_to_measure_is_a_failure_that_says_unreadable():
    assert failure(Bench(lambda _: math.nan)).fault is CurveFault.UNREADABLE


def test_where_the_safety_limit_ends_the_sweep_the_failure_names_it():
    failed = failure(Bench(hill(30, width_um=30)), HeightLimits(-60, 8))
    assert "highest safe height, 8 µm" in failed.detail


def test_a_small_refinement_takes_ten_pictures_and_stays_near():
    bench = Bench(hill(5.4))
    focus = drive(refine_focus(5.0, LIMITS), bench)
    assert isinstance(focus, Focus)
    assert focus.z_um == pytest.approx(5.4, abs=0.1)
    assert len(bench.looks) == 10


def test_a_refinement_that_finds_no_peak_becomes_a_whole_search():
    focus = drive(refine_focus(5.0, LIMITS), Bench(hill(-4)))
    assert isinstance(focus, Focus)
    assert focus.z_um == pytest.approx(-4, abs=0.1)
    assert focus.tries == 2


def test_a_camera_that_is_lost_ends_the_search_with_its_own_error():
    def lost(_: Look) -> float:
        raise ConnectionError("unplugged")

    with pytest.raises(ConnectionError):
        drive(search_focus(0, LIMITS), lost)


# The safety limit


any_number = st.floats(allow_nan=True, allow_infinity=True)
some_limits = st.tuples(st.floats(-500, 500), st.floats(0.01, 500)).map(
    lambda pair: HeightLimits(pair[0], pair[0] + pair[1])
)
some_searches = st.builds(
    lambda reach, coarse, fine, take_up: Search(
        reach_um=2 * coarse * reach,
        coarse_step_um=coarse,
        fine_step_um=fine * coarse / 2,
        fine_reach_um=coarse,
        take_up_um=take_up,
    ),
    reach=st.floats(1, 10),
    coarse=st.floats(0.5, 20),
    fine=st.floats(0.1, 1),
    take_up=st.floats(0, 20),
)
answers = st.lists(any_number, min_size=1, max_size=40)


@pytest.mark.parametrize("routine", [search_focus, refine_focus])
@given(expected=st.floats(allow_nan=False), limits=some_limits, search=some_searches, told=answers)
def test_whatever_the_pictures_say_no_height_outside_the_limits_is_ever_asked_for(
    routine, expected, limits, search, told
):
    asked: list[SafeHeight] = []

    def contrast_at(look: Look) -> float:
        asked.extend(height for height in (look.via, look.height) if height is not None)
        return told[len(asked) % len(told)]

    outcome = drive(routine(expected, limits, search), contrast_at)
    assert all(limits.lowest_um <= height.z_um <= limits.highest_um for height in asked)
    if isinstance(outcome, Focus):
        assert limits.lowest_um <= outcome.z_um <= limits.highest_um


@given(expected=st.floats(-600, 600), limits=some_limits, search=some_searches, told=answers)
def test_whatever_the_pictures_say_every_height_is_approached_from_below(expected, limits, search, told):
    at, count = math.inf, 0

    def contrast_at(look: Look) -> float:
        nonlocal at, count
        count += 1
        if look.via is not None:
            assert look.height.z_um - look.via.z_um == pytest.approx(search.take_up_um, abs=1e-6)
            at = look.via.z_um
        assert look.height.z_um >= at
        at = look.height.z_um
        return told[count % len(told)]

    drive(search_focus(expected, limits, search), contrast_at)


@given(told=answers)
def test_a_search_always_ends_in_a_focus_or_in_a_failure_with_its_reason(told):
    bench = iter(range(10_000))
    outcome = drive(search_focus(0, LIMITS, quick()), lambda _: told[next(bench) % len(told)])
    assert isinstance(outcome, Focus) or (outcome.fault in CurveFault and outcome.detail.endswith("."))


@given(st.floats(allow_nan=True), some_limits)
def test_a_safe_height_outside_its_limits_cannot_be_made(z_um, limits):
    if limits.contains(z_um):
        assert limits.height(z_um).z_um == z_um
    else:
        with pytest.raises(ApplianceRefused):
            limits.height(z_um)


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (0, math.nan), (-math.inf, 0)])
def test_safe_heights_that_enclose_nothing_are_refused(limits):
    with pytest.raises(ApplianceRefused):
        HeightLimits(*limits)


@pytest.mark.parametrize(
    "wish",
    [
        {"reach_um": 0},
        {"coarse_step_um": math.nan},
        {"fine_step_um": 2.0},
        {"take_up_um": -1},
        {"wider": 1.0},
        {"reach_um": 3.0},
        {"reach_um": 5000.0},
        {"fine_step_um": 0.001},
    ],
)
def test_a_search_that_cannot_be_done_is_refused(wish):
    with pytest.raises(ApplianceRefused):
        Search(**wish)
