"""From a view of the slide to its zones and regions."""

from __future__ import annotations

import numpy as np
import pytest
from builders_slides import field, overview, thick_field

from appliance.errors import ApplianceRefused
from appliance.region_map import LETTERS, Rectangle, RegionMap, Zone
from appliance.survey import (
    FieldReading,
    Overview,
    read_field,
    survey_fields,
    survey_overview,
    survey_places,
)
from firmware_bridge.point import Point
from models.panel import Specimen

BLOOD = (
    "............",
    ".TTTggggff..",
    ".TTTggggff..",
    ".TTTgbggff..",
    ".TTTggggff..",
    ".TTTggggff..",
    "............",
)
MARROW = (
    "............",
    ".TTgggggggg.",
    ".TTPttttggg.",
    ".TTgttttggg.",
    ".TTggggggPt.",
    ".TTgggggggg.",
    "............",
)


def middle(found: RegionMap, column: int, row: int) -> Zone:
    """The zone in the middle of a square of the plan."""
    return found.zone(400 * column + 200, 400 * row + 200)


def test_thick_good_and_feathered_zones_and_bare_glass_are_told_apart():
    found = survey_overview(overview(BLOOD), Specimen.BLOOD)
    assert middle(found, 2, 4) is Zone.THICK
    assert middle(found, 6, 4) is Zone.GOOD
    assert middle(found, 8, 4) is Zone.FEATHERED
    assert middle(found, 11, 4) is Zone.EMPTY


def test_the_outline_of_the_smear_is_an_edge_where_nobody_counts():
    found = survey_overview(overview(BLOOD), Specimen.BLOOD)
    assert found.zone(6 * 400 + 200, 450) is Zone.EDGE
    assert found.zone(6 * 400 + 200, 6 * 400 - 50) is Zone.EDGE


def test_a_bubble_is_found_with_what_it_encloses():
    assert middle(survey_overview(overview(BLOOD), Specimen.BLOOD), 5, 3) is Zone.BUBBLE


def test_the_best_region_of_blood_lies_in_the_monolayer():
    found = survey_overview(overview(BLOOD), Specimen.BLOOD)
    bounds = found.regions[0].bounds
    assert bounds.x_um >= 4 * 400 - 100
    assert bounds.right_um <= 8 * 400 + 100
    assert found.regions[0].area_mm2 > 0.5


def test_of_marrow_particles_are_found_and_their_trails_go_first():
    found = survey_overview(overview(MARROW), Specimen.MARROW)
    assert middle(found, 3, 2) is Zone.PARTICLE
    assert middle(found, 5, 2) is Zone.TRAIL
    assert found.regions[0].why == "trail of a marrow particle"


def test_in_blood_nothing_is_a_particle_or_a_trail():
    found = survey_overview(overview(MARROW), Specimen.BLOOD)
    assert not {Zone.PARTICLE, Zone.TRAIL} & set(found.areas_mm2)


@pytest.mark.parametrize("light", [0.6, 0.8])
def test_a_dimmer_lamp_changes_few_tiles(light):
    seen = overview(BLOOD)
    dimmed = Overview((seen.pixels * light).astype(np.uint8), seen.um_per_px, 0.0, 0.0)
    one, other = (survey_overview(each, Specimen.BLOOD) for each in (seen, dimmed))
    same = np.mean([a == b for a, b in zip("".join(one.rows), "".join(other.rows), strict=True)])
    assert same > 0.97


def test_the_map_lies_where_the_overview_lies():
    seen = overview(BLOOD)
    moved = Overview(seen.pixels, seen.um_per_px, 5000.0, -300.0)
    found = survey_overview(moved, Specimen.BLOOD)
    assert found.zone(5000 + 6 * 400 + 200, -300 + 4 * 400 + 200) is Zone.GOOD


def test_the_same_overview_gives_the_same_map():
    assert survey_overview(overview(BLOOD), Specimen.BLOOD) == survey_overview(
        overview(BLOOD), Specimen.BLOOD
    )


def test_a_slide_of_bare_glass_has_no_region_and_says_so():
    found = survey_overview(overview(("......",) * 4), Specimen.BLOOD)
    assert found.regions == ()
    assert "No region" in found.remarks[0]


@pytest.mark.parametrize("um_per_px", [0.1, 50.0])
def test_a_scale_at_which_nothing_can_be_surveyed_is_refused(um_per_px):
    with pytest.raises(ApplianceRefused, match="cannot be surveyed"):
        survey_overview(Overview(overview(BLOOD).pixels, um_per_px, 0, 0), Specimen.BLOOD)


def test_an_overview_of_two_tiles_is_refused():
    with pytest.raises(ApplianceRefused, match="too small"):
        survey_overview(Overview(np.full((20, 20, 3), 230, np.uint8), 10.0, 0, 0), Specimen.BLOOD)


# A coarse grid of fields


def grid(plan: tuple[str, ...], pitch_um: float = 500.0) -> list[FieldReading]:
    reads = {
        ".": (0.0, 0.0, 1.0, 0.0),
        "T": (1.2, 0.01, 0.0, 0.0),
        "g": (0.5, 0.01, 0.0, 0.0),
        "t": (0.5, 0.08, 0.0, 0.0),
        "P": (0.5, 0.6, 0.0, 0.0),
    }
    return [
        FieldReading(1000 + column * pitch_um, 2000 + row * pitch_um, *reads[letter])
        for row, line in enumerate(plan)
        for column, letter in enumerate(line)
        if letter != " "
    ]


def test_a_grid_of_fields_gives_the_same_zones():
    found = survey_fields(
        grid(("........", ".TTgggg.", ".TTgggg.", ".TTgggg.", ".TTgggg.", "........")), 500, Specimen.BLOOD
    )
    assert found.zone(1000 + 4 * 500, 2000 + 2 * 500) is Zone.GOOD
    assert found.zone(1000 + 2 * 500, 2000 + 2 * 500) is Zone.THICK
    assert found.regions


def test_places_of_the_grid_where_nobody_looked_are_empty():
    found = survey_fields(grid(("gggg", "gg g", "gggg", "gggg")), 500, Specimen.BLOOD)
    assert found.zone(1000 + 2 * 500, 2000 + 500) is Zone.EMPTY


def test_a_grid_covers_an_area_row_by_row_to_and_fro():
    places = survey_places(Rectangle(0, 0, 2000, 1600), 500)
    assert len(places) == 12
    assert places[0] == Point(250, 300)
    assert [place.x_um for place in places[4:8]] == [1750, 1250, 750, 250]


@pytest.mark.parametrize("pitch_um", [0.0, -1.0, 900.0])
def test_a_grid_too_coarse_for_its_area_is_refused(pitch_um):
    with pytest.raises(ApplianceRefused, match="does not fit"):
        survey_places(Rectangle(0, 0, 2000, 1600), pitch_um)


def test_a_survey_without_fields_is_refused():
    with pytest.raises(ApplianceRefused, match="needs fields"):
        survey_fields([], 500, Specimen.BLOOD)


def test_a_field_is_read_as_layers_nuclei_and_bare_glass():
    even, thick, bare = (
        read_field(picture, 0.2, 0, 0)
        for picture in (field(), thick_field(), np.full((520, 694, 3), 235, np.uint8))
    )
    assert 0.3 < even.layers < 0.7 < thick.layers
    assert even.nuclei > 0.005
    assert (even.bare, bare.bare) == (0, pytest.approx(1))


def test_every_letter_of_a_map_has_its_zone():
    assert set(LETTERS.values()) == set(Zone)
