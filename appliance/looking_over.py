"""Where to count on a slide: looked over by the overview camera, or by a coarse grid of fields where there is none."""

from __future__ import annotations

import math
from collections.abc import Generator

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceRefused
from appliance.field_source import SlideSurvey
from appliance.focus_map import places_to_focus
from appliance.focusing import Focusing
from appliance.microscope import Area, Microscope
from appliance.overview import look_over, put_together, within
from appliance.region_map import LETTER_OF, Rectangle, RegionMap, Tiles, Zone
from appliance.step import Step, said
from appliance.survey import FieldReading, Overview, read_field, survey_fields, survey_overview, survey_places
from firmware_bridge.point import Point
from models.panel import Specimen

PICTURE_PX = 960
GRID_UM = 800.0
GRID_PICTURE_PX = 24  # of one field of the grid in the slide's picture
FOCUS_PLACES = 16

Steps = Generator[str, None, SlideSurvey]


def refuse_too_small(microscope: Microscope) -> None:
    """Raise ApplianceRefused, before anything moves, where a survey without an overview camera has no room."""
    if microscope.overview is None:
        survey_places(_whole(microscope.area), GRID_UM)


def survey_slide(
    microscope: Microscope, focusing: Focusing, specimen: Specimen, needed: bool = True
) -> Steps:
    """Look the slide over; yield what is done, a sentence each, and return what was found.

    needed: whether it decides where to count; where a person has, a slide without room for a survey goes unseen.
    Raises ApplianceError and ApplianceRefused as `Microscope` does, and where nothing can be told from the slide.
    """
    if microscope.overview is None:
        if not needed and _too_small(microscope):
            return _unseen(microscope.area)
        return (yield from _by_fields(microscope, focusing, specimen))
    pieces = []
    for number, of, piece in look_over(microscope, microscope.expected_um):
        yield said(Step.OVERVIEW, number + 1, of)
        pieces.append(piece)
    overview = within(put_together(pieces, microscope.overview.scale.um_per_px), microscope.area)
    return _with_picture(survey_overview(overview, specimen).to_json(), overview)


def _by_fields(microscope: Microscope, focusing: Focusing, specimen: Specimen) -> Steps:
    """Without an overview: a coarse grid of fields, each of which stands for the tile around it."""
    scale = microscope.counting.scale
    places = survey_places(_whole(microscope.area), GRID_UM)
    somewhere = places_to_focus(places, FOCUS_PLACES)
    focus = (yield from focusing.map(somewhere)).surface
    readings: list[FieldReading] = []
    pictures: list[tuple[Point, NDArray[np.uint8]]] = []
    for number, place in enumerate(places):
        if number % 20 == 0:
            yield said(Step.SURVEY, number + 1, len(places))
        height = microscope.heights.nearest(focus.predict_um(place.x_um, place.y_um))
        microscope.go_to(Point(place.x_um, place.y_um, height.z_um))
        pixels = microscope.look().pixels
        readings.append(read_field(pixels, scale.um_per_px, place.x_um, place.y_um))
        small = cv2.resize(pixels, (GRID_PICTURE_PX, GRID_PICTURE_PX), interpolation=cv2.INTER_AREA)
        pictures.append((place, np.asarray(small, dtype=np.uint8)))
    regions = survey_fields(readings, GRID_UM, specimen).to_json()
    return _with_picture(regions, _quilt(pictures))


def _whole(area: Area) -> Rectangle:
    return Rectangle(area.left_um, area.top_um, area.right_um - area.left_um, area.bottom_um - area.top_um)


def _too_small(microscope: Microscope) -> bool:
    try:
        refuse_too_small(microscope)
    except ApplianceRefused:
        return True
    return False


def _unseen(area: Area) -> SlideSurvey:
    """Return the survey of a slide that nobody looked over: white, one tile without regions."""
    whole, um_per_px = _whole(area), GRID_UM / GRID_PICTURE_PX
    size_px = (math.ceil(whole.height_um / um_per_px), math.ceil(whole.width_um / um_per_px), 3)
    tiles = Tiles(whole.x_um, whole.y_um, max(whole.width_um, whole.height_um))
    regions = RegionMap(tiles, (LETTER_OF[Zone.EMPTY],), (), "a person's region alone")
    white = Overview(np.full(size_px, 255, dtype=np.uint8), um_per_px, whole.x_um, whole.y_um)
    return _with_picture(regions.to_json(), white)


def _quilt(pictures: list[tuple[Point, NDArray[np.uint8]]]) -> Overview:
    """Return a picture of the slide in which each field of the grid stands for its tile."""
    left = min(place.x_um for place, _ in pictures) - GRID_UM / 2
    top = min(place.y_um for place, _ in pictures) - GRID_UM / 2
    columns, rows = (
        round((max(getattr(place, axis) for place, _ in pictures) + GRID_UM / 2 - first) / GRID_UM)
        for axis, first in (("x_um", left), ("y_um", top))
    )
    whole = np.full((rows * GRID_PICTURE_PX, columns * GRID_PICTURE_PX, 3), 255, dtype=np.uint8)
    for place, picture in pictures:
        column, row = int((place.x_um - left) / GRID_UM), int((place.y_um - top) / GRID_UM)
        y, x = row * GRID_PICTURE_PX, column * GRID_PICTURE_PX
        whole[y : y + GRID_PICTURE_PX, x : x + GRID_PICTURE_PX] = picture
    return Overview(whole, GRID_UM / GRID_PICTURE_PX, left, top)


def _with_picture(regions: str, overview: Overview) -> SlideSurvey:
    """Return the survey with a picture small enough for a page."""
    share = min(1.0, PICTURE_PX / overview.pixels.shape[1])
    small = cv2.resize(overview.pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return SlideSurvey(regions, jpeg.tobytes(), overview.x_um, overview.y_um, overview.um_per_px / share)
