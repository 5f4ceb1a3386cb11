"""From a low-magnification view of a slide, or a coarse grid of fields, to a map of its zones and ranked regions.

Each tile is read as so much red cell and so much nucleus on its ground (Beer's law in three colours), how
much of it is bare, and whether something black lies there. Of marrow the particles are found first and
the trails of cells they leave are visited before anything else (Wang et al. 2021, Med. Image Anal. 75:102270, where a
first network finds particles and trails and only they are counted in). Of blood it is the zone in which about half of
the red cells touch (US patent 4,702,595, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.cover import RED_CELL_DENSITY, Kind, find_cover
from appliance.errors import ApplianceRefused
from appliance.region_map import LETTER_OF, Rectangle, RegionMap, Tiles, Zone
from appliance.regions import ranked_regions
from firmware_bridge.point import Point
from models.panel import Specimen

Grid = NDArray[np.float32]
Mask = NDArray[np.bool_]

TILE_UM = 100.0
FINEST_UM_PER_PX, COARSEST_UM_PER_PX = 0.5, 20.0
# Optical densities of a unit of each, red, green, blue, relative to green.
RED_CELL = (0.64, 1.0, 0.58)
NUCLEUS = (0.62, 1.0, 0.22)
NUCLEUS_DENSITY = 0.75  # in green
LAYERS = (0.06, 0.30, 0.70)  # of red cells: bare glass, feathered, good, thick
# Where so much of a tile is free of cells though they are dense around it, the smear breaks up.
BROKEN = 0.12
PARTICLE_NUCLEI = 0.25  # the share that nuclei cover
TRAIL_NUCLEI = 0.02  # the same, above what the sparsest quarter of the smear shows
PARTICLE_MARGIN_UM = 100.0  # around a particle cells lie in heaps
EDGE_MARGIN_UM = 200.0  # in from the smear's outline nobody counts
FEATHERED_MARGIN_UM = 300.0  # in from where the smear breaks up red cells have no pallor
BUBBLE_MARGIN_UM = 100.0
LARGEST_HOLE_MM2 = 1.0  # a bare place inside the smear up to this size is a hole, not its outside


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """A picture of the whole slide, or of a part of it with some empty glass.

    pixels: uint8, H×W×3, RGB.  x_um, y_um: the slide's place of its upper left corner.
    white: RGB of empty glass where a calibration knows it; None takes the brightest hundredth for glass.
    """

    pixels: NDArray[np.uint8]
    um_per_px: float
    x_um: float
    y_um: float
    white: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class FieldReading:
    """What one field of a coarse grid says. x_um, y_um: its centre on the slide."""

    x_um: float
    y_um: float
    layers: float
    nuclei: float
    bare: float
    black: float


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What every tile says: rows × columns. NaN where nobody looked.

    layers: of red cells.  nuclei: the share they cover.  bare: the share without cells.  black: the same of black.
    """

    tiles: Tiles
    layers: Grid
    nuclei: Grid
    bare: Grid
    black: Grid


def survey_places(area: Rectangle, pitch_um: float) -> list[Point]:
    """Return the centres of a coarse grid over an area, row by row to and fro, for a microscope without an overview.

    Raises ApplianceRefused for a pitch that is not positive, or that fits less than three times along a side.
    """
    if not pitch_um > 0 or min(area.width_um, area.height_um) < 3 * pitch_um:
        raise ApplianceRefused(
            f"A survey every {pitch_um:g} µm does not fit into {area.width_um:g} × {area.height_um:g} µm. "
            "Set a larger area, or an overview camera, or give the region to count in."
        )
    columns, rows = int(area.width_um / pitch_um), int(area.height_um / pitch_um)
    left = area.x_um + (area.width_um - (columns - 1) * pitch_um) / 2
    top = area.y_um + (area.height_um - (rows - 1) * pitch_um) / 2
    return [
        Point(left + (column if row % 2 == 0 else columns - 1 - column) * pitch_um, top + row * pitch_um)
        for row in range(rows)
        for column in range(columns)
    ]


def read_field(
    pixels: NDArray[np.uint8],
    um_per_px: float,
    x_um: float,
    y_um: float,
    white: tuple[float, float, float] | None = None,
) -> FieldReading:
    """Read a frame (uint8, H×W×3, RGB) whose centre lies at x_um, y_um. Raises ValueError for one too small."""
    cover = find_cover(pixels, um_per_px, white)
    bare = cover.share(Kind.GROUND)
    # In a field bare glass is seen between any two cells: only what exceeds that of a monolayer is missing.
    missing = max(0.0, (bare - 0.75) / 0.25)
    return FieldReading(x_um, y_um, cover.layers, cover.share(Kind.NUCLEUS), missing, cover.share(Kind.BLACK))


def survey_overview(overview: Overview, specimen: Specimen, tile_um: float = TILE_UM) -> RegionMap:
    """Return the map of a slide from its overview.

    Raises ApplianceRefused for a picture too coarse, too fine or too small.
    """
    if not FINEST_UM_PER_PX <= overview.um_per_px <= COARSEST_UM_PER_PX:
        raise ApplianceRefused(
            f"An overview at {overview.um_per_px:g} µm/px cannot be surveyed. "
            f"Use a lens that gives {FINEST_UM_PER_PX:g} to {COARSEST_UM_PER_PX:g} µm/px."
        )
    readings = _read_overview(overview, tile_um)
    return _mapped(readings, specimen, f"overview at {overview.um_per_px:g} µm/px")


def survey_fields(fields: Sequence[FieldReading], pitch_um: float, specimen: Specimen) -> RegionMap:
    """Return the map of a slide from a coarse grid of fields, ``pitch_um`` apart; each stands for its tile.

    Raises ApplianceRefused without any field.
    """
    if not fields:
        raise ApplianceRefused("A survey needs fields. Widen the area to survey.")
    left, top = min(f.x_um for f in fields) - pitch_um / 2, min(f.y_um for f in fields) - pitch_um / 2
    places = [(int((f.y_um - top) / pitch_um), int((f.x_um - left) / pitch_um)) for f in fields]
    shape = max(row for row, _ in places) + 1, max(column for _, column in places) + 1
    layers, nuclei, bare, black = (np.full(shape, np.nan, dtype=np.float32) for _ in range(4))
    for place, field in zip(places, fields, strict=True):
        layers[place], nuclei[place], bare[place], black[place] = (
            field.layers,
            field.nuclei,
            field.bare,
            field.black,
        )
    readings = Readings(Tiles(left, top, pitch_um), layers, nuclei, bare, black)
    return _mapped(readings, specimen, f"grid of {len(fields)} fields, {pitch_um:g} µm apart")


def _read_overview(overview: Overview, tile_um: float) -> Readings:
    side = max(1, round(tile_um / overview.um_per_px))
    rows, columns = overview.pixels.shape[0] // side, overview.pixels.shape[1] // side
    if min(rows, columns) < 3:
        raise ApplianceRefused("The overview is too small to survey. Take a picture of the whole slide.")
    whole = np.ascontiguousarray(overview.pixels[: rows * side, : columns * side])
    density = _densities(whole, overview.white)
    # A pixel as wide as a cell is bare now and then between cells; a hole is bare over several.
    smooth = cv2.blur(density[..., 1], (_odd(20.0 / overview.um_per_px),) * 2)
    black = (density[..., 2] > 0.25) & (density[..., 0] > 0.85 * density[..., 1])

    def tiled(values: NDArray[Any]) -> Grid:
        small = cv2.resize(
            values.astype(np.float32, copy=False), (columns, rows), interpolation=cv2.INTER_AREA
        )
        return np.asarray(small, dtype=np.float32)

    red_cell, nucleus = _unmixed(tiled(density))
    return Readings(
        Tiles(overview.x_um, overview.y_um, side * overview.um_per_px),
        red_cell / np.float32(RED_CELL_DENSITY),
        nucleus / np.float32(NUCLEUS_DENSITY),
        tiled(smooth < 0.25 * RED_CELL_DENSITY),
        tiled(black),
    )


def _densities(pixels: NDArray[np.uint8], white: tuple[float, float, float] | None) -> NDArray[np.float32]:
    """Return the optical density of each colour against the glass."""
    glass = white or np.percentile(pixels[::4, ::4].reshape(-1, 3), 99, axis=0)
    levels = np.maximum(np.arange(256, dtype=np.float32), 1.0)
    tables = [-np.log10(levels / np.float32(max(level, 1.0))) for level in glass]
    return np.stack([table[pixels[..., channel]] for channel, table in enumerate(tables)], axis=-1)


def _unmixed(density: Grid) -> tuple[Grid, Grid]:
    """Return the green density due to red cells and due to nuclei: least squares in three colours, none negative.

    Source: Ruifrok and Johnston 2001, Anal. Quant. Cytol. Histol. 23:291.
    """
    stains = np.array([RED_CELL, NUCLEUS], dtype=np.float32)
    amounts = density @ np.linalg.pinv(stains)
    alone = density @ (stains / (stains**2).sum(axis=1, keepdims=True)).T
    red_cell = np.where(amounts[..., 1] < 0, alone[..., 0], amounts[..., 0])
    nucleus = np.where(amounts[..., 0] < 0, alone[..., 1], amounts[..., 1])
    return np.maximum(red_cell, 0), np.maximum(nucleus, 0)


def _mapped(readings: Readings, specimen: Specimen, source: str) -> RegionMap:
    zones = _zones(readings, specimen)
    rows = tuple("".join(LETTER_OF[Zone(zone)] for zone in row) for row in zones)
    regions, remarks = ranked_regions(zones, readings.layers, readings.nuclei, readings.tiles, specimen)
    return RegionMap(readings.tiles, rows, regions, source, remarks)


def _zones(readings: Readings, specimen: Specimen) -> NDArray[np.str_]:
    side = readings.tiles.tile_um
    bare_below, good_from, good_to = LAYERS
    layers, nuclei = np.nan_to_num(readings.layers), np.nan_to_num(readings.nuclei)
    broken = np.nan_to_num(readings.bare, nan=1.0) > BROKEN
    empty = (layers < bare_below) & (nuclei < TRAIL_NUCLEI)
    outside = _outside(empty, side)
    black = np.nan_to_num(readings.black) > 0.03
    marrow = specimen is Specimen.MARROW
    particle = (nuclei > PARTICLE_NUCLEI) & ~black & marrow
    trail = _trails(nuclei, ~empty) & marrow
    feathered = ~empty & ((layers + 2 * nuclei < good_from) | broken) & ~particle
    thick = ~empty & (layers > good_to)
    edge = _near(outside, EDGE_MARGIN_UM, side)
    bubble = _near(_filled(black & ~edge, empty & ~outside), BUBBLE_MARGIN_UM, side)
    # A tile that the outline or a bubble cuts is thin too, and is no feathered end.
    thin_end = feathered & ~edge & ~bubble & ~_lone(feathered)

    zones = np.full(layers.shape, Zone.GOOD.value, dtype="<U9")
    zones[trail] = Zone.TRAIL
    zones[_near(thin_end, FEATHERED_MARGIN_UM, side) | feathered] = Zone.FEATHERED
    zones[thick] = Zone.THICK
    zones[edge] = Zone.EDGE
    zones[_near(particle, PARTICLE_MARGIN_UM, side)] = Zone.PARTICLE
    zones[bubble] = Zone.BUBBLE
    zones[empty] = Zone.EMPTY
    return zones


def _trails(nuclei: Grid, smear: Mask) -> Mask:
    """Return where nucleated cells lie denser than in the smear's sparsest quarter, over several tiles."""
    if not smear.any():
        return smear
    weight = cv2.blur(smear.astype(np.float32), (3, 3), borderType=cv2.BORDER_CONSTANT)
    even = cv2.blur(nuclei * smear, (3, 3), borderType=cv2.BORDER_CONSTANT) / np.maximum(weight, 1e-6)
    sparse = float(np.percentile(nuclei[smear], 25))
    return np.asarray(smear & (even > sparse + TRAIL_NUCLEI), dtype=np.bool_)


def _outside(empty: Mask, side: float) -> Mask:
    """Return the bare glass around the smear: bare places that reach the map's border, or are larger than a hole."""
    padded = np.pad(empty, 1, constant_values=True).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(padded, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] * (side / 1000) ** 2 > LARGEST_HOLE_MM2
    large[0] = False
    large[labels[0, 0]] = True
    return np.asarray(large[labels][1:-1, 1:-1], dtype=np.bool_)


def _lone(tiles: Mask) -> Mask:
    """Return tiles with at most one neighbour of their kind: chance, or a scratch, and no zone."""
    count = cv2.filter2D(
        tiles.astype(np.float32), cv2.CV_32F, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT
    )
    return np.asarray(tiles & (count < 2.5), dtype=np.bool_)


def _filled(rim: Mask, holes: Mask) -> Mask:
    """Return a bubble's rim with what it encloses."""
    joined = cv2.morphologyEx(
        (rim | holes).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), dtype=np.uint8)
    )
    free = np.pad(joined == 0, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(free, connectivity=4)
    inside = (labels != labels[0, 0])[1:-1, 1:-1]
    _, parts = cv2.connectedComponents(np.asarray(inside, dtype=np.uint8), connectivity=8)
    # Only what has a rim is a bubble: a hole in the smear alone is none.
    with_rim = np.isin(parts, np.unique(parts[rim & inside])) & inside
    return np.asarray(with_rim | rim, dtype=np.bool_)


def _near(tiles: Mask, margin_um: float, side: float) -> Mask:
    """Return the tiles and all within a margin of them."""
    away = cv2.distanceTransform((~tiles).astype(np.uint8), cv2.DIST_L2, 5)
    return (
        np.asarray(away <= max(1, math.ceil(margin_um / side)) + 0.5, dtype=np.bool_)
        if tiles.any()
        else tiles
    )


def _odd(size: float) -> int:
    return max(1, 2 * round(size / 2) + 1)
