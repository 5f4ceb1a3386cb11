"""The map of a slide's zones and regions, and how it travels."""

from __future__ import annotations

import json

import pytest
from builders_slides import region_map
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ApplianceRefused
from appliance.region_map import DrawnRegion, FoundRegion, Rectangle, RegionMap, Zone, drawn_region
from models.panel import Specimen

ROWS = (
    "eeeeeeeeeeee",
    "eTTggggggffe",
    "eTTggggggffe",
    "eTTgggbgfffe",
    "eTTggggggffe",
    "eeeeeeeeeeee",
)
TRIANGLE = ((0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0))


def test_a_map_comes_back_from_its_json_as_it_was():
    before = region_map(ROWS)
    assert RegionMap.from_json(before.to_json()) == before


def test_a_drawn_region_comes_back_from_json_as_it_was():
    before = region_map(ROWS).drawn(drawn_region(TRIANGLE))
    assert RegionMap.from_json(before.to_json()) == before


def test_the_json_is_compact_and_says_what_its_letters_mean():
    text = region_map(ROWS).to_json()
    assert json.loads(text)["legend"]["g"] == "good"
    assert len(text) < 1500


def test_the_zone_at_a_place_is_that_of_its_tile():
    found = region_map(ROWS)
    assert found.zone(350, 150) is Zone.GOOD
    assert found.zone(650, 350) is Zone.BUBBLE
    assert found.zone(-1, 150) is Zone.EMPTY
    assert found.zone(99_999, 150) is Zone.EMPTY


def test_areas_are_in_square_millimetres():
    assert region_map(ROWS).areas_mm2[Zone.THICK] == pytest.approx(0.08)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "3", '{"hemadiff_regions":1}', '{"hemadiff_regions":2}', '{"hemadiff_regions":null}'],
)
def test_what_is_no_map_is_refused(text):
    with pytest.raises(ApplianceRefused, match="Survey the slide again"):
        RegionMap.from_json(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rows", ["gg", "g"]),
        ("rows", ["gx"]),
        ("tile_um", "wide"),
        ("regions", [{"why": "", "runs": [[0, 5, 1]]}]),
    ],
)
def test_a_map_with_one_wrong_value_is_refused(key, value):
    table = json.loads(region_map(ROWS).to_json())
    with pytest.raises(ApplianceRefused, match="no region map"):
        RegionMap.from_json(json.dumps({**table, key: value}))


def test_a_person_s_region_takes_the_place_of_those_that_were_found():
    drawn = region_map(ROWS).drawn(drawn_region(TRIANGLE))
    assert [region.why for region in drawn.regions] == ["drawn by a person"]
    assert drawn.rows == ROWS


def test_a_field_is_in_a_found_region_only_with_all_of_its_tiles():
    (region,) = region_map(ROWS).regions
    assert region.holds(Rectangle(310, 110, 180, 180))
    assert region.holds(Rectangle(300, 100, 200, 200))
    assert not region.holds(Rectangle(290, 110, 180, 180))
    assert not region.holds(Rectangle(510, 210, 180, 180))


def test_a_field_is_in_a_drawn_region_only_when_no_side_cuts_it():
    region = DrawnRegion(TRIANGLE)
    assert region.holds(Rectangle(10, 10, 300, 300))
    assert not region.holds(Rectangle(400, 400, 300, 300))
    assert not region.holds(Rectangle(900, 900, 50, 50))


def test_a_region_whose_sides_cross_is_told_so_even_where_its_parts_cancel():
    with pytest.raises(ApplianceRefused, match="sides cross"):
        DrawnRegion(((0, 0), (100, 100), (100, 0), (0, 100)))


def test_a_field_around_a_notch_of_the_outline_is_not_inside():
    notched = DrawnRegion(((0, 0), (1000, 0), (1000, 1000), (510, 1000), (500, 300), (490, 1000), (0, 1000)))
    assert not notched.holds(Rectangle(400, 250, 200, 200))
    assert notched.holds(Rectangle(400, 50, 200, 200))


def test_the_area_of_a_drawn_region_does_not_depend_on_its_turn():
    assert DrawnRegion(TRIANGLE).area_mm2 == DrawnRegion(TRIANGLE[::-1]).area_mm2 == pytest.approx(0.5)


@pytest.mark.parametrize(
    "outline",
    [
        ((0, 0), (1, 1)),
        ((0, 0), (100, 0), (200, 0)),
        ((0, 0), (float("nan"), 0), (0, 100)),
        ((0, 0), (100, 100), (100, 0), (0, 100)),
    ],
)
def test_an_outline_that_encloses_nothing_clear_is_refused(outline):
    with pytest.raises(ApplianceRefused, match="Draw it again"):
        DrawnRegion(outline)


@pytest.mark.parametrize("corners", [5, "here", [(0, 0, 0)] * 3, [("a", 0), (1, 0), (0, 1)], [None]])
def test_what_are_no_corners_is_no_drawn_region(corners):
    with pytest.raises(ApplianceRefused, match="Draw it again"):
        drawn_region(corners)


places = st.floats(-100, 1300)


@given(places, places, st.floats(5, 300), st.floats(5, 300))
def test_a_field_in_a_found_region_touches_good_tiles_only(x, y, width, height):
    found = region_map(ROWS)
    (region,) = found.regions
    if region.holds(Rectangle(x, y, width, height)):
        steps = [0.001, 0.25, 0.5, 0.75, 0.999]
        assert {found.zone(x + width * u, y + height * v) for u in steps for v in steps} == {Zone.GOOD}


# Which regions there are, and their order


def whys(rows: tuple[str, ...], specimen: Specimen = Specimen.BLOOD) -> list[str]:
    return [region.why for region in region_map(rows, specimen=specimen).regions]


def test_the_larger_of_two_good_parts_goes_first():
    regions = region_map(("gggggfgggg",) * 4).regions
    assert [region.area_mm2 for region in regions] == pytest.approx([0.2, 0.16])


def test_parts_too_small_for_a_few_fields_are_left_out():
    assert whys(("ggfgg", "fffff", "ggfgg")) == []


def test_of_marrow_the_trails_of_particles_go_first_then_other_cells_then_red_cells():
    rows = ("PPttttgggg" + "g" * 16 + "tttt",) * 3
    found = whys(rows, Specimen.MARROW)
    assert found[:3] == [
        "trail of a marrow particle",
        "many nucleated cells",
        "red cells side by side, half of them touching",
    ]


def test_a_marrow_without_a_particle_is_remarked_upon():
    assert "No marrow particle" in region_map(ROWS, specimen=Specimen.MARROW).remarks[0]


def test_a_slide_without_any_good_part_is_remarked_upon():
    assert "No region to count in" in region_map(("TTTT", "TTTT")).remarks[0]


def test_regions_never_share_a_tile():
    seen: set[tuple[int, int]] = set()
    for region in region_map(("ggggftttt", "ggggftttt", "ggggftttt"), specimen=Specimen.MARROW).regions:
        assert isinstance(region, FoundRegion)
        tiles = {(row, k) for row, first, last in region.runs for k in range(first, last + 1)}
        assert not tiles & seen
        seen |= tiles
