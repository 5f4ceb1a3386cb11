"""Focus, field quality and survey on the simulated slide, whose focus and zones are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.autofocus import Focus, FocusFailed, Look, drive, search_focus
from appliance.field_quality import FieldVerdict, judge_field
from appliance.region_map import LETTERS, RegionMap, Zone
from appliance.safe_height import HeightLimits
from appliance.simulator.microscope import Microscope
from appliance.simulator.mixture import blood, marrow
from appliance.simulator.mount import Mount
from appliance.simulator.smear import Smear
from appliance.simulator.trail import Trail
from appliance.simulator.view import View
from appliance.survey import Overview, survey_overview
from appliance.tour import FieldSize, plan_tour
from calibration.contrast import contrast
from calibration.focus_curve import CurveFault
from firmware_bridge.point import Point
from models.panel import Specimen

WIDTH_UM, HEIGHT_UM = 5000.0, 3600.0
LENS, UM_PER_PX, PARFOCAL_UM = "50x", 0.20, 3.0
LIMITS = HeightLimits(-100, 100)
OVERVIEW_UM_PER_PX = 12.0


@pytest.fixture(scope="module")
def smear() -> Smear:
    return Smear(7, blood(bubbles=0), WIDTH_UM, HEIGHT_UM)


@pytest.fixture(scope="module")
def picture(smear: Smear) -> Callable[[Point, float], NDArray[np.uint8]]:
    """A picture of a place on the slide, so far from its focus."""
    microscope = Microscope(smear, Mount.drawn(7, WIDTH_UM, HEIGHT_UM))

    def taken(place: Point, away_um: float) -> NDArray[np.uint8]:
        at = microscope.mount.stage_place(place.x_um, place.y_um)
        stage = Point(at.x_um, at.y_um, at.z_um + PARFOCAL_UM + away_um)
        return microscope.render(View(LENS, Trail.still(stage), 480, 360, 5000, 1.0, (1.0, 1.0)))

    return taken


GOOD, THICK, BARE = Point(3000, 1800), Point(900, 1800), Point(4900, 200)


@pytest.mark.parametrize(("place", "start_um"), [(GOOD, -9.0), (GOOD, 5.3), (THICK, 11.0)])
def test_focus_is_found_to_a_quarter_of_a_micrometre(picture, place, start_um):
    def contrast_at(look: Look) -> float:
        return contrast(picture(place, start_um + look.height.z_um), UM_PER_PX)

    focus = drive(search_focus(0, LIMITS), contrast_at)
    assert isinstance(focus, Focus)
    assert start_um + focus.z_um == pytest.approx(0, abs=0.25)


def test_on_bare_glass_the_search_says_that_there_is_nothing_to_focus_on(picture):
    failed = drive(search_focus(0, LIMITS), lambda look: contrast(picture(BARE, look.height.z_um), UM_PER_PX))
    assert isinstance(failed, FocusFailed)
    assert failed.fault is CurveFault.FLAT


@pytest.mark.parametrize(
    ("place", "away_um", "verdict"),
    [
        (GOOD, 0.0, FieldVerdict.GOOD),
        (GOOD, 3.0, FieldVerdict.OUT_OF_FOCUS),
        (GOOD, -3.0, FieldVerdict.OUT_OF_FOCUS),
        (THICK, 0.0, FieldVerdict.TOO_THICK),
        (BARE, 0.0, FieldVerdict.EMPTY),
    ],
)
def test_a_field_is_judged_as_it_lies(picture, place, away_um, verdict):
    quality = judge_field(picture(place, away_um), UM_PER_PX)
    assert quality.verdict is verdict, quality.detail


def surveyed(slide: Smear, specimen: Specimen) -> RegionMap:
    size = int(WIDTH_UM / OVERVIEW_UM_PER_PX), int(HEIGHT_UM / OVERVIEW_UM_PER_PX)
    light = slide.light(0, 0, *size, OVERVIEW_UM_PER_PX)
    pixels = (235 * light).clip(0, 255).astype(np.uint8)
    return survey_overview(Overview(pixels, OVERVIEW_UM_PER_PX, 0, 0), specimen)


def countable_share(slide: Smear, found: RegionMap, zones: set[Zone]) -> float:
    side = found.tiles.tile_um
    tiles = [
        ((column + 0.5) * side, (row + 0.5) * side)
        for row, line in enumerate(found.rows)
        for column, letter in enumerate(line)
        if LETTERS[letter] in zones
    ]
    xs, ys = np.array(tiles).T
    return float(slide.zones.countable(xs, ys).mean())


def test_where_the_survey_of_blood_sends_the_stage_a_person_would_count(smear):
    found = surveyed(smear, Specimen.BLOOD)
    assert countable_share(smear, found, {Zone.GOOD}) > 0.9
    stops = plan_tour(found.regions, FieldSize(138.8, 104.0), most=60).stops
    xs, ys = np.array([(stop.centre.x_um, stop.centre.y_um) for stop in stops]).T
    assert smear.zones.countable(xs, ys).mean() > 0.97


def test_where_the_survey_of_marrow_sends_the_stage_first_nucleated_cells_lie_densest():
    slide = Smear(3, marrow(bubbles=0, particles=2), WIDTH_UM, HEIGHT_UM)
    found = surveyed(slide, Specimen.MARROW)
    assert found.regions[0].why == "trail of a marrow particle"
    stops = plan_tour(found.regions, FieldSize(138.8, 104.0), most=20).stops
    xs, ys = np.array([(stop.centre.x_um, stop.centre.y_um) for stop in stops]).T
    usual = float(np.median(slide.zones.white[slide.zones.red > 5]))
    assert slide.zones.at(slide.zones.white, xs, ys).mean() > 2 * usual
