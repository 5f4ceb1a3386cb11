"""A run's slide as the page draws it: its picture, the regions to count in, and every field on record."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, TypedDict

from PIL import Image

from appliance.errors import ApplianceRefused
from appliance.field_source import SlideSurvey
from appliance.region_map import DrawnRegion, FoundRegion, Region, RegionMap
from appliance.run_in_hand import on_the_map
from appliance.store import Store
from web.outline import Corner, inner_place, tile_outlines


class PictureView(TypedDict):
    """Where the picture lies: the stage's place of its upper left corner, and its size."""

    x_um: float
    y_um: float
    um_per_px: float
    width_px: int
    height_px: int


class RegionView(TypedDict):
    """A region to count in. rank: from 1, the best.  x_um, y_um: a place inside, for its rank.

    outlines: loops of x, y, x, y… (µm), the outer one first, then holes.
    """

    rank: int
    why: str
    area_mm2: float
    x_um: float
    y_um: float
    outlines: list[list[int]]


class SlideMap(TypedDict):
    """A slide's map. All places are the stage's, µm, y downward.

    areas_mm2: of each zone.  fields: in the plan's order, from its first: x and y of the upper left corner,
    width and height (each null where not known), and why it was skipped (null where it was counted).
    """

    run: str
    picture: PictureView
    regions: list[RegionView]
    areas_mm2: dict[str, float]
    remarks: list[str]
    fields: list[list[Any]]


def survey_of(store: Store, run_id: str) -> SlideSurvey:
    """Return what a run found when it looked its slide over. Raises ApplianceRefused where it did not."""
    survey = store.survey(run_id)
    if survey is None:
        raise ApplianceRefused("There is no picture of this run's slide.")
    return survey


def slide_map(store: Store, run_id: str) -> SlideMap:
    """Return the map of a run's slide. Raises ApplianceRefused where there is none."""
    survey = survey_of(store, run_id)
    regions, areas, remarks = _regions(survey.regions)
    with Image.open(io.BytesIO(survey.picture)) as picture:
        width_px, height_px = picture.size
    scale = store.run(run_id).scale
    fields = [on_the_map(field, scale) for field in store.fields(run_id)]
    return SlideMap(
        run=run_id,
        picture=PictureView(
            x_um=survey.x_um,
            y_um=survey.y_um,
            um_per_px=survey.um_per_px,
            width_px=width_px,
            height_px=height_px,
        ),
        regions=regions,
        areas_mm2=areas,
        remarks=remarks,
        fields=[
            [field["x_um"], field["y_um"], field["width_um"], field["height_um"], field["skipped"]]
            for field in fields
        ],
    )


@lru_cache(maxsize=4)
def _regions(text: str) -> tuple[list[RegionView], dict[str, float], list[str]]:
    found = RegionMap.from_json(text)
    regions = [_region(rank, region) for rank, region in enumerate(found.regions, 1)]
    areas = {str(zone): round(area, 1) for zone, area in found.areas_mm2.items()}
    return regions, areas, list(found.remarks)


def _region(rank: int, region: Region) -> RegionView:
    loops = _loops(region)
    x_um, y_um = inner_place(loops)
    return RegionView(
        rank=rank,
        why=region.why,
        area_mm2=round(region.area_mm2, 2),
        x_um=round(x_um),
        y_um=round(y_um),
        outlines=[[round(value) for corner in loop for value in corner] for loop in loops],
    )


def _loops(region: Region) -> list[list[Corner]]:
    match region:
        case DrawnRegion(outline=outline):
            return [list(outline)]
        case FoundRegion(tiles=tiles, runs=runs):
            side = tiles.tile_um
            return [
                [(tiles.x_um + column * side, tiles.y_um + row * side) for column, row in loop]
                for loop in tile_outlines(runs)
            ]
    raise TypeError(f"no outline of {type(region).__name__}")
