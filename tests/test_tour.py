"""In which order fields are visited."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest
from builders_slides import region_map
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import ApplianceRefused
from appliance.region_map import DrawnRegion, Rectangle
from appliance.tour import FieldSize, Tour, plan_tour
from appliance.travel import improved_by_two_opt, shortest_possible_um, travel_um
from firmware_bridge.point import Point

FIELD = FieldSize(138.8, 104.0, uncertainty_um=2.0)
SQUARE = region_map(("g" * 20,) * 16).regions
TWO = region_map(("g" * 12 + "T" * 4 + "g" * 20,) * 12).regions


def drawn(width: float, height: float, x: float = 0.0, y: float = 0.0) -> DrawnRegion:
    return DrawnRegion(((x, y), (x + width, y), (x + width, y + height), (x, y + height)))


def centres(tour: Tour) -> list[Point]:
    return [stop.centre for stop in tour.stops]


def overlap(a: Point, b: Point, field: FieldSize) -> bool:
    wide, high = field.pitch_um
    return abs(a.x_um - b.x_um) < wide - 1e-6 and abs(a.y_um - b.y_um) < high - 1e-6


def test_no_two_fields_overlap_even_where_the_stage_errs():
    places = centres(plan_tour(TWO, FIELD))
    assert not any(overlap(a, b, FIELD) for a, b in combinations(places, 2))


def test_every_field_lies_wholly_in_its_region():
    for stop in plan_tour(TWO, FIELD).stops:
        corner = stop.centre.x_um - FIELD.width_um / 2, stop.centre.y_um - FIELD.height_um / 2
        assert TWO[stop.region].holds(Rectangle(*corner, FIELD.width_um, FIELD.height_um))


def test_the_best_region_is_finished_before_the_next_begins():
    order = [stop.region for stop in plan_tour(TWO, FIELD).stops]
    assert order == sorted(order)
    assert set(order) == {0, 1}


def test_a_full_region_is_travelled_nearly_as_short_as_can_be():
    tour = plan_tour([drawn(2800, 2100)], FIELD)
    assert len(tour.stops) > 300
    assert 1.0 <= tour.over_shortest < 1.08


def test_the_first_hundred_fields_lie_close_together():
    places = centres(plan_tour([drawn(9000, 7000)], FIELD, most=100))
    assert max(p.x_um for p in places) - min(p.x_um for p in places) < 1600
    assert max(p.y_um for p in places) - min(p.y_um for p in places) < 1600


def test_each_step_within_a_full_block_leads_to_a_neighbour():
    places = centres(plan_tour([drawn(1250, 1250)], FIELD))
    wide, high = FIELD.pitch_um
    for a, b in pairwise(places):
        apart = abs(a.x_um - b.x_um), abs(a.y_um - b.y_um)
        assert apart in [(pytest.approx(wide), pytest.approx(0)), (pytest.approx(0), pytest.approx(high))]


def test_rows_run_along_the_shorter_side_of_the_field():
    first, second = centres(plan_tour([drawn(1250, 1250)], FIELD))[:2]
    assert first.x_um == second.x_um


@pytest.mark.parametrize("take_up", [1, -1])
def test_rows_follow_each_other_towards_the_take_up_side(take_up):
    field = FieldSize(138.8, 104.0, take_up_x=take_up)
    places = centres(plan_tour([drawn(1250, 1250)], field))
    assert (places[-1].x_um - places[0].x_um) * take_up > 0


def test_with_a_small_overshoot_rows_go_to_and_fro():
    tour = plan_tour([drawn(1250, 1250)], FieldSize(138.8, 104.0, overshoot_um=10))
    assert 0.4 < tour.taken_up < 0.7


def test_with_a_large_overshoot_every_row_is_entered_from_the_take_up_side():
    tour = plan_tour([drawn(1250, 1250)], FieldSize(138.8, 104.0, overshoot_um=150))
    assert tour.taken_up > 0.85


def test_a_person_s_region_overrides_the_map():
    outline = ((300.0, 300.0), (1500.0, 300.0), (1500.0, 1200.0), (300.0, 1200.0))
    tour = plan_tour(region_map(("T" * 20,) * 16).drawn(DrawnRegion(outline)).regions, FIELD)
    assert all(300 < p.x_um < 1500 and 300 < p.y_um < 1200 for p in centres(tour))


def test_regions_that_a_person_drew_over_each_other_share_no_field():
    places = centres(plan_tour([drawn(900, 900), drawn(900, 900, 400, 300)], FIELD))
    assert not any(overlap(a, b, FIELD) for a, b in combinations(places, 2))


def test_a_tour_has_at_most_as_many_fields_as_asked_for():
    assert len(plan_tour(TWO, FIELD, most=17).stops) == 17


def test_the_same_regions_give_the_same_tour():
    assert plan_tour(TWO, FIELD) == plan_tour(TWO, FIELD)


def test_a_region_in_which_no_field_fits_is_refused():
    with pytest.raises(ApplianceRefused, match="No field fits"):
        plan_tour([drawn(100, 90)], FIELD)


def test_a_tour_without_a_region_is_refused():
    with pytest.raises(ApplianceRefused, match="no region"):
        plan_tour([], FIELD)


@pytest.mark.parametrize(
    "wish",
    [
        {"width_um": 0.0},
        {"height_um": math.nan},
        {"uncertainty_um": -1.0},
        {"take_up_x": 0},
    ],
)
def test_a_field_that_cannot_be_visited_is_refused(wish):
    with pytest.raises(ApplianceRefused):
        FieldSize(**{"width_um": 100.0, "height_um": 100.0, **wish})


ragged = st.lists(st.text(alphabet="gT", min_size=12, max_size=12), min_size=8, max_size=12)


@settings(max_examples=30)
@given(ragged, st.floats(60, 180), st.floats(60, 180), st.floats(0, 15))
def test_whatever_the_region_every_field_fits_and_none_overlap(rows, width, height, uncertainty):
    field = FieldSize(width, height, uncertainty)
    regions = region_map(tuple(rows)).regions
    try:
        tour = plan_tour(regions, field)
    except ApplianceRefused:
        return
    places = centres(tour)
    assert len(set(places)) == len(places)
    assert not any(overlap(a, b, field) for a, b in combinations(places, 2))
    for stop in tour.stops:
        corner = stop.centre.x_um - width / 2, stop.centre.y_um - height / 2
        assert regions[stop.region].holds(Rectangle(*corner, width, height))


# How short it could be


some_places = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=9, unique=True)


@given(some_places)
def test_no_order_of_the_places_is_shorter_than_the_bound(places):
    points = [Point(float(x), float(y)) for x, y in places]
    bound = shortest_possible_um(points)
    assert bound <= travel_um(points) + 1e-6
    assert bound <= travel_um(improved_by_two_opt(points)) + 1e-6


@given(some_places)
def test_straightening_never_lengthens_a_way_nor_loses_a_place(places):
    points = [Point(float(x), float(y)) for x, y in places]
    after = improved_by_two_opt(points)
    assert sorted(after, key=str) == sorted(points, key=str)
    assert after[0] == points[0]
    assert travel_um(after) <= travel_um(points) + 1e-6


def test_crossing_ways_are_straightened():
    crossing = [Point(0, 0), Point(10, 10), Point(10, 0), Point(0, 10)]
    assert travel_um(improved_by_two_opt(crossing)) < travel_um(crossing)


def test_the_bound_of_places_on_a_line_is_their_span():
    assert shortest_possible_um([Point(0, 0), Point(30, 0), Point(10, 0)]) == pytest.approx(30)
