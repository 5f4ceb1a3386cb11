"""Where focus lies all over a slide."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ApplianceRefused
from appliance.focus_map import FocusMap, fit_focus_map, line_focus_map, places_to_focus, tells_tilt
from firmware_bridge.point import Point


def tilted(x_um: float, y_um: float) -> float:
    """A slide that rises 3 µm a millimetre along x and falls 1 along y."""
    return 40 + 0.003 * x_um - 0.001 * y_um


def bowed(x_um: float, y_um: float) -> float:
    """The same, hollow by 8 µm over 10 mm."""
    return tilted(x_um, y_um) + 8 * ((x_um - 5000) / 5000) ** 2


GRID = [(x, y) for x in (0.0, 5000.0, 10000.0) for y in (0.0, 3000.0, 6000.0)]


def points(surface=tilted, places=tuple(GRID), lift=None) -> list[Point]:
    lift = lift or {}
    return [Point(x, y, surface(x, y) + lift.get(k, 0.0)) for k, (x, y) in enumerate(places)]


def test_three_points_make_a_plane():
    surface = fit_focus_map(points(places=GRID[:2] + GRID[5:6]))
    assert surface.predict_um(7000, 2000) == pytest.approx(tilted(7000, 2000))
    assert not surface.curved


def test_a_curved_slide_gets_a_curved_surface_from_nine_points_on():
    surface = fit_focus_map(points(bowed))
    assert surface.curved
    assert surface.predict_um(2500, 1500) == pytest.approx(bowed(2500, 1500), abs=0.05)


def test_a_flat_slide_with_the_scatter_of_focus_stays_a_plane():
    scatter = {k: 0.2 * math.sin(9.7 * k) for k in range(9)}
    assert not fit_focus_map(points(lift=scatter)).curved


@pytest.mark.parametrize("wrong", range(6))
def test_a_point_on_a_speck_is_left_out_and_told(wrong):
    surface = fit_focus_map(points(places=GRID[:6], lift={wrong: 9.0}))
    assert [outlier.point for outlier in surface.outliers] == [
        points(places=GRID[:6], lift={wrong: 9.0})[wrong]
    ]
    assert "9.0 µm above" in surface.outliers[0].detail
    assert surface.predict_um(2500, 1500) == pytest.approx(tilted(2500, 1500), abs=0.01)


def test_a_point_on_a_speck_does_not_bend_a_plane():
    surface = fit_focus_map(points(lift={4: 12.0}))
    assert not surface.curved
    assert len(surface.outliers) == 1


def test_four_points_that_disagree_are_refused_since_none_can_be_called_wrong():
    corner = ((0.0, 0.0), (5000.0, 0.0), (0.0, 3000.0), (5000.0, 3000.0))
    with pytest.raises(ApplianceRefused, match="fit no surface"):
        fit_focus_map(points(places=corner, lift={3: 9.0}))


def test_points_that_fit_nothing_are_refused():
    wild = {k: 40 * math.sin(7.3 * k * k) for k in range(9)}
    with pytest.raises(ApplianceRefused, match="fit no surface"):
        fit_focus_map(points(lift=wild))


def test_points_on_a_line_are_refused():
    with pytest.raises(ApplianceRefused, match="on one line"):
        fit_focus_map(points(places=[(k * 1000.0, 20.0 * k) for k in range(6)]))


def test_two_points_are_refused():
    with pytest.raises(ApplianceRefused, match="2 points"):
        fit_focus_map(points(places=GRID[:2]))


def test_a_point_that_is_no_number_is_refused():
    with pytest.raises(ApplianceRefused, match="not a number"):
        fit_focus_map([*points(), Point(1, 2, math.nan)])


def test_a_later_focus_moves_the_whole_surface():
    surface = fit_focus_map(points()).drifted(Point(2000, 1000, tilted(2000, 1000) + 1.5))
    assert surface.predict_um(9000, 4000) == pytest.approx(tilted(9000, 4000) + 1.5)


def test_the_residuals_are_on_record():
    surface = fit_focus_map(points(lift={0: 0.4}))
    assert max(map(abs, surface.residuals_um)) > 0.1
    assert len(surface.residuals_um) == len(surface.points) == 9


coefficients = st.floats(-0.01, 0.01)


@given(
    a=coefficients, b=coefficients, level=st.floats(-500, 500), wrong=st.integers(0, 8), by=st.floats(3, 300)
)
def test_one_wrong_point_of_nine_never_moves_a_plane(a, b, level, wrong, by):
    places = [Point(x, y, level + a * x + b * y + (by if k == wrong else 0)) for k, (x, y) in enumerate(GRID)]
    surface = fit_focus_map(places)
    assert isinstance(surface, FocusMap)
    assert surface.predict_um(2500, 1500) == pytest.approx(level + a * 2500 + b * 1500, abs=0.01)


def test_places_to_focus_are_spread_over_the_fields():
    fields = [Point(x * 100.0, y * 100.0) for y in range(11) for x in range(21)]
    chosen = places_to_focus(fields, 5)
    assert chosen[0] == Point(1000, 500)
    apart = [math.hypot(a.x_um - b.x_um, a.y_um - b.y_um) for a, b in combinations(chosen, 2)]
    assert min(apart) >= 1000


def test_fewer_fields_than_places_give_every_field_once():
    fields = [Point(0, 0), Point(100, 0), Point(0, 100)]
    assert sorted(places_to_focus(fields, 9), key=str) == sorted(fields, key=str)


@pytest.mark.parametrize("places", [[(0, 0)], [(0, 0), (500, 0)], [(0, 100), (500, 100), (1000, 100)]])
def test_a_region_of_one_row_has_a_map_too_which_is_level_across_the_row(places):
    points = [Point(x, y, 1000 + 0.002 * x) for x, y in places]
    assert not tells_tilt(points)
    along = line_focus_map(points)
    assert along.predict_um(points[-1].x_um, points[-1].y_um) == pytest.approx(points[-1].z_um)
    assert along.predict_um(points[0].x_um, points[0].y_um + 300) == pytest.approx(points[0].z_um)
