"""Pictures of an overview camera, put together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from builders_coloured_slide import CellSlide, QuickRenderer
from builders_scope import CORNER, SEARCH, Bench

from appliance.errors import ApplianceRefused
from appliance.focusing import Focusing
from appliance.looking_over import survey_slide
from appliance.microscope import Area
from appliance.overview import Piece, overview_places, put_together, within
from appliance.region_map import RegionMap, Zone
from appliance.survey import Overview
from firmware_bridge.point import Point
from models.panel import Specimen


def scene(left: int, top: int, width: int, height: int) -> np.ndarray:
    """A part of a large even scene whose brightness says where it is."""
    y, x = np.mgrid[top : top + height, left : left + width]
    return np.repeat((150 + 40 * np.sin(x / 90) * np.cos(y / 70))[..., None], 3, axis=2)


def pieces(shading: float) -> list[Piece]:
    """Six pictures of 320 × 240 px of 10 µm, half of each on the next, darker in the corners by a share."""
    v, u = np.mgrid[-1:1:240j, -1:1:320j]
    lens = (1 - shading * (u * u + v * v) / 2)[..., None]
    return [
        Piece((scene(x, y, 320, 240) * lens).astype(np.uint8), Point(10.0 * (x + 160), 10.0 * (y + 120)))
        for y in (0, 120)
        for x in (0, 160, 320)
    ]


@pytest.mark.parametrize("shading", [0.0, 0.15])
def test_a_whole_picture_has_every_place_where_it_lies_and_no_shading(shading: float) -> None:
    whole = put_together(pieces(shading), 10.0)
    assert (whole.x_um, whole.y_um, whole.pixels.shape) == (0.0, 0.0, (360, 640, 3))
    off = np.abs(whole.pixels.astype(float) - scene(0, 0, 640, 360))
    assert np.percentile(off, 95) < 6


def test_without_pictures_there_is_no_overview() -> None:
    with pytest.raises(ApplianceRefused, match="needs pictures"):
        put_together([], 10.0)


def test_what_lies_beyond_the_area_is_not_surveyed() -> None:
    seen = Overview(
        np.arange(90 * 160 * 3, dtype=np.uint32).reshape(90, 160, 3).astype(np.uint8), 10.0, 0.0, 0.0
    )
    part = within(seen, Area(200.0, 100.0, 5_000.0, 500.0))
    assert (part.x_um, part.y_um) == (200.0, 100.0)
    assert (part.pixels == seen.pixels[10:50, 20:160]).all()


def test_pictures_cover_the_area_and_overlap_by_half_or_more() -> None:
    with Bench() as bench:
        microscope = bench.microscope()
        assert microscope.overview is not None
        places = overview_places(microscope.area, microscope.overview)
        microscope.close()
    xs = sorted({place.x_um for place in places})
    assert xs[0] - 800 <= microscope.area.left_um
    assert xs[-1] + 800 >= microscope.area.right_um
    assert max(b - a for a, b in pairwise(xs)) <= 800


def test_a_microscope_without_an_overview_finds_the_smear_by_a_grid_of_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appliance.looking_over.GRID_UM", 200.0)
    monkeypatch.setattr("appliance.looking_over.FOCUS_PLACES", 9)
    with Bench(renderer=QuickRenderer(CORNER)) as bench:
        microscope = bench.microscope()
        microscope.overview = None
        microscope.home()
        microscope.make_ready()
        steps = survey_slide(microscope, Focusing(microscope, SEARCH), Specimen.BLOOD)
        said = []
        try:
            while True:
                said.append(next(steps))
        except StopIteration as end:
            survey = end.value
        microscope.close()
    found = RegionMap.from_json(survey.regions)
    assert said[-1].startswith("Looking the slide over: field ")
    assert (
        found.zone(CORNER.x_um + CellSlide.width_um / 2, CORNER.y_um + CellSlide.height_um / 2) is Zone.GOOD
    )
    assert found.zone(CORNER.x_um - 300, CORNER.y_um + 600) is Zone.EMPTY
    assert survey.picture
