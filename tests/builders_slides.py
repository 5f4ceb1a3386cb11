"""Fields and overviews drawn for the survey: zones laid out by letters, fields of every quality."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from builders_focus import cells
from numpy.typing import NDArray

from appliance.region_map import LETTER_OF, RegionMap, Tiles, Zone
from appliance.regions import ranked_regions
from appliance.survey import Overview
from models.panel import Specimen

Picture = NDArray[np.uint8]
GLASS = (236, 234, 232)
OVERVIEW_UM_PER_PX = 10.0
RED_CELL = np.array([0.09, 0.14, 0.08], dtype=np.float32)
NUCLEUS = np.array([0.46, 0.75, 0.16], dtype=np.float32)

# What an overview shows of each letter: layers of red cells, the share of nuclei, how patchy.
SHOWN = {
    ".": (0.0, 0.0, 0.0),
    "T": (1.1, 0.002, 0.0),
    "g": (0.5, 0.002, 0.0),
    "d": (0.66, 0.002, 0.0),
    "f": (0.35, 0.002, 0.5),
    "t": (0.45, 0.06, 0.0),
    "P": (0.3, 0.6, 0.0),
}


def overview(plan: Sequence[str], square_um: float = 400.0, seed: int = 1) -> Overview:
    """A slide seen from afar: each letter of the plan is a square; "b" is a monolayer with a bubble on it."""
    rng = np.random.default_rng(seed)
    side = round(square_um / OVERVIEW_UM_PER_PX)
    height, width = len(plan) * side, len(plan[0]) * side
    density = np.zeros((height, width, 3), dtype=np.float32)
    for row, line in enumerate(plan):
        for column, letter in enumerate(line):
            layers, nuclei, patchy = SHOWN["g" if letter == "b" else letter]
            grain = (
                rng.gamma(4, 0.25, (side, side)).astype(np.float32)
                if layers
                else np.zeros((side, side), np.float32)
            )
            if patchy:
                spots = cv2.resize(rng.random((side // 5, side // 5), dtype=np.float32), (side, side))
                grain *= spots > patchy
            amount = layers * grain[..., None] * RED_CELL + nuclei * NUCLEUS
            density[row * side : (row + 1) * side, column * side : (column + 1) * side] = amount
    for row, line in enumerate(plan):
        for column, letter in enumerate(line):
            if letter == "b":
                _bubble(density, (column * side + side // 2, row * side + side // 2), side * 0.4)
    light = np.array(GLASS) * 10.0**-density + rng.normal(0, 1, density.shape)
    return Overview(np.clip(light, 0, 255).astype(np.uint8), OVERVIEW_UM_PER_PX, 0.0, 0.0)


def _bubble(density: NDArray[np.float32], centre: tuple[int, int], radius: float) -> None:
    cv2.circle(density, centre, round(radius), (0.02, 0.02, 0.02), -1)
    cv2.circle(density, centre, round(radius), (0.7, 0.7, 0.7), 3)


def region_map(rows: Sequence[str], tile_um: float = 100.0, specimen: Specimen = Specimen.BLOOD) -> RegionMap:
    """A map whose zones are given by their letters."""
    zones = np.array([[str(_zone(letter)) for letter in row] for row in rows], dtype="<U9")
    layers = np.where(zones == Zone.GOOD.value, 0.5, 0.0).astype(np.float32)
    nuclei = np.where(zones == Zone.TRAIL.value, 0.05, 0.0).astype(np.float32)
    regions, remarks = ranked_regions(zones, layers, nuclei, Tiles(0, 0, tile_um), specimen)
    return RegionMap(Tiles(0, 0, tile_um), tuple(rows), regions, "drawn", remarks)


def _zone(letter: str) -> Zone:
    return next(zone for zone, known in LETTER_OF.items() if known == letter)


FIELD = {"height": 520, "width": 694, "um_per_px": 0.2}


def field(share: float = 0.45, seed: int = 1) -> Picture:
    """A field of 139 × 104 µm at 0.2 µm/px with so much of it covered by red cells."""
    return cells(seed, share=share, **FIELD)  # type: ignore[arg-type]


def thick_field() -> Picture:
    """Cells over cells."""
    first, second = field(0.9, 1).astype(np.float32), field(0.9, 2).astype(np.float32)
    return (first * second / 240).clip(0, 255).astype(np.uint8)


def field_at_the_edge() -> Picture:
    """Cells on the left, bare glass on the right."""
    picture = field().copy()
    picture[:, 380:] = field(0.0, 3)[:, 380:]
    picture[200:330, 380:] = picture[5, 690]
    return picture


def field_with_a_bubble() -> Picture:
    """The black rim of a bubble crosses the field."""
    picture = field().copy()
    cv2.circle(picture, (700, 520), 300, (25, 26, 28), 25)
    return picture
