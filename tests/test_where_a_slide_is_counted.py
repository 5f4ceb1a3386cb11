"""Which heights and which places of a slide a run may go to: those that are safe, found, or drawn by a person."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import Any

import pytest
from builders_coloured_slide import QuickRenderer
from builders_scope import (
    CORNER,
    FOCUS_UM,
    HEIGHTS,
    MECHANICS,
    SEARCH,
    Bench,
    a_bench,
    dropped_by,
    prepared,
    stage_settings,
    taken,
)

from appliance.autofocus import Focus, FocusFailed
from appliance.errors import ApplianceRefused
from appliance.focusing import Focusing
from appliance.frame import Frame, Point
from appliance.microscope import Area
from appliance.region_map import DrawnRegion, RegionMap
from appliance.slide_source import SlideSource
from models.panel import Specimen


@pytest.mark.parametrize("z_um", [HEIGHTS.lowest_um - 0.1, HEIGHTS.highest_um + 0.1, float("nan")])
def test_no_move_leaves_the_safe_heights_whoever_asks_for_it(z_um: float) -> None:
    with Bench() as bench, contextlib.closing(bench.microscope()) as microscope:
        microscope.home()
        heard = len(bench.board.heard)
        with pytest.raises(ApplianceRefused, match="outside the safe heights"):
            microscope.go_to(Point(CORNER.x_um, CORNER.y_um, z_um))
        assert len(bench.board.heard) == heard


@pytest.mark.parametrize("approach", [1, -1])
def test_backlash_of_z_is_taken_up_within_the_safe_heights(approach: int) -> None:
    with Bench() as bench:
        z = replace(stage_settings(bench.board).z, approach=approach, backlash_um=6.0)
        bench.settings = {"z": z}
        with contextlib.closing(bench.microscope()) as microscope:
            microscope.home()
            for z_um in (microscope.heights.lowest_um, microscope.heights.highest_um) * 2:
                microscope.go_to(Point(CORNER.x_um, CORNER.y_um, z_um))
        heights = [match[1] for order in bench.board.heard if (match := re.search(r"G1.*Z([-\d.]+)", order))]
    asked = [1000 * float(height) + MECHANICS.travel_um[2] for height in heights]
    assert len(asked) > 4, "backlash was taken up"
    assert min(asked) >= HEIGHTS.lowest_um
    assert max(asked) <= HEIGHTS.highest_um


def test_focus_expected_at_a_height_that_is_not_safe_is_refused() -> None:
    with Bench() as bench, pytest.raises(ApplianceRefused, match="Correct focus_um"):
        bench.microscope(expected_um=HEIGHTS.highest_um + 1)


def test_the_first_search_reaches_as_far_as_slides_differ_and_later_ones_no_farther_than_usual() -> None:
    with Bench(renderer=QuickRenderer(dropped_by(-12.0))) as bench:
        microscope = bench.microscope(focus_within_um=14.0)
        microscope.home()
        microscope.make_ready()
        focusing = Focusing(microscope, SEARCH)
        place = Point(CORNER.x_um + 600, CORNER.y_um + 500, FOCUS_UM)
        assert isinstance(focusing.search(place), Focus)
        assert isinstance(focusing.refine(place), FocusFailed)
        microscope.close()


def test_a_region_that_a_person_drew_is_counted_in_whatever_was_found() -> None:
    x, y = CORNER.x_um + 300.0, CORNER.y_um + 300.0
    corners = ((x, y), (x + 120.0, y), (x + 120.0, y + 120.0), (x, y + 120.0))
    with Bench(named={"region": DrawnRegion(corners)}) as bench:
        source = prepared(bench)
        frame = next(source.fields())
        source.close()
    assert isinstance(frame, Frame)
    assert x <= frame.position.x_um <= x + 120.0
    assert y <= frame.position.y_um <= y + 120.0
    assert source.survey is not None
    assert RegionMap.from_json(source.survey.regions).regions == (DrawnRegion(corners),)


def test_a_region_drawn_beyond_where_smears_may_lie_is_refused() -> None:
    region = DrawnRegion(((0.0, 0.0), (3_000.0, 0.0), (0.0, 3_000.0)))
    with (
        a_bench(named={"region": region}) as bench,
        pytest.raises(ApplianceRefused, match="beyond where smears may lie"),
    ):
        bench.open()


def without_overview(bench: Bench, **named: Any) -> SlideSource:
    """A slide of too little room for a coarse grid, under a microscope without an overview camera."""
    microscope = bench.microscope()
    microscope.overview = None
    microscope.area = Area(CORNER.x_um, CORNER.y_um, CORNER.x_um + 900, CORNER.y_um + 900)
    return SlideSource(microscope, Specimen.BLOOD, SEARCH, focus_places=4, **named)


def test_an_area_too_small_for_a_survey_without_overview_is_refused_before_anything_moves() -> None:
    with Bench() as bench:
        with pytest.raises(ApplianceRefused, match="does not fit into 900 × 900"):
            without_overview(bench)
        assert not [order for order in bench.board.heard if order.startswith(("$H", "G1"))]


def test_a_drawn_region_needs_no_room_for_a_survey() -> None:
    x, y = CORNER.x_um + 300.0, CORNER.y_um + 300.0
    drawn = DrawnRegion(((x, y), (x + 120.0, y), (x + 120.0, y + 120.0), (x, y + 120.0)))
    with Bench() as bench, contextlib.closing(without_overview(bench, region=drawn)) as source:
        for _ in source.prepare(None):
            pass
        assert source.planned == 4


def test_a_region_of_a_single_field_can_be_counted() -> None:
    with a_bench(region=(500.0, 400.0, 56.0, 43.0)) as bench:
        assert [type(field) for field in taken(bench, 1)] == [Frame]
