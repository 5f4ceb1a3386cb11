"""What covers a field: ground, red cells in one layer, red cells in stacks, nuclei, or something black.

Stains absorb by Beer's law: what lies over each other adds its optical densities. Colours are told apart by ratios
of densities, which neither the lamp's level nor the stain's strength changes much: haemoglobin absorbs blue about
half as much as green, the dye in nuclei a quarter or less, and soot, dust and the rim of a bubble all colours
alike. Red cells of four laboratories have a density of 0.11 to 0.21 in green.

Working areas by the share of red cells that touch: US patent 4,702,595 (1987); by the size and number of clumps:
Xiong et al. 2010, EMBC, 6206.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

COVER_UM_PER_PX = 0.8  # a red cell is nine such pixels wide
LEAST_SIDE_PX = 24
RED_CELL_DENSITY = 0.14  # in green: the usual one, and between what limits a field's own is believed
RED_CELL_DENSITIES = (0.10, 0.22)
COVERED_FROM = 0.05
STACKED = 2.0  # two red cells over each other
NUCLEUS_FROM = 0.30
NUCLEUS_BLUE = 0.40  # of green: 0.1 to 0.3 in nuclei, 0.45 to 1.3 in stacks of red cells
BLACK_FROM = 0.30
BLACK_RED = 0.80  # of green: 0.5 to 0.7 in stacks
LOG_10 = np.float32(1 / math.log(10))


class Kind(IntEnum):
    """What covers a pixel."""

    GROUND = 0
    LAYER = 1
    STACK = 2
    NUCLEUS = 3
    BLACK = 4


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """What covers a field.

    kinds: uint8, a `Kind` for each pixel of ``um_per_px``.  density: of the green light, the same shape.
    red_cell: the density of one layer of red cells in this field.
    ground: RGB of what is not covered, as the camera gave it; where nothing is free, the brightest there is.
    """

    kinds: NDArray[np.uint8]
    density: NDArray[np.float32]
    um_per_px: float
    red_cell: float
    ground: tuple[float, float, float]

    def share(self, *kinds: Kind) -> float:
        """The share of the field of these kinds together."""
        counts = np.bincount(self.kinds.ravel(), minlength=len(Kind))
        return float(sum(int(counts[kind]) for kind in kinds) / self.kinds.size)

    @property
    def covered(self) -> float:
        """The share of the field that is not ground."""
        return 1 - self.share(Kind.GROUND)

    @property
    def layers(self) -> float:
        """How many red cells lie over a place on average, nuclei and black things left out."""
        red = self.kinds <= Kind.STACK
        return float(self.density[red].mean() / self.red_cell) if red.any() else 0.0


def find_cover(
    pixels: NDArray[np.uint8], um_per_px: float, white: tuple[float, float, float] | None = None
) -> Cover:
    """Tell what covers a frame (uint8, H×W×3, RGB).

    white: RGB of empty glass where a calibration knows it; else the brightest fiftieth of each part of the frame,
    smoothed over it, so that a lamp that is darker towards the corners is no cover.
    Raises ValueError for a frame too small to hold a red cell.
    """
    light, scale = _binned(pixels, um_per_px)
    ground = (
        _ground(light) if white is None else np.broadcast_to(np.array(white, dtype=np.float32), light.shape)
    )
    density = cv2.log(np.maximum(light, 1.0)) * -LOG_10 + np.log10(np.maximum(ground, 1.0))
    red, green, blue = (density[..., channel] for channel in range(3))
    red_cell = _red_cell_density(green)
    kinds = np.zeros(green.shape, dtype=np.uint8)
    kinds[green > COVERED_FROM] = Kind.LAYER
    kinds[green > STACKED * red_cell] = Kind.STACK
    kinds[(green > NUCLEUS_FROM) & (blue < NUCLEUS_BLUE * green)] = Kind.NUCLEUS
    kinds[(red > BLACK_FROM) & (red > BLACK_RED * green) & (blue > BLACK_RED * green)] = Kind.BLACK
    level = np.asarray(ground, dtype=np.float32).reshape(-1, 3).max(axis=0)
    return Cover(
        kinds,
        np.ascontiguousarray(green, dtype=np.float32),
        scale,
        red_cell,
        (float(level[0]), float(level[1]), float(level[2])),
    )


def _red_cell_density(green: NDArray[np.float32]) -> float:
    single = green[(green > COVERED_FROM) & (green < STACKED * RED_CELL_DENSITIES[0] * 1.5)]
    # A field with a few cells' rims alone does not tell.
    if single.size < 0.05 * green.size:
        return RED_CELL_DENSITY
    low, high = RED_CELL_DENSITIES
    return min(max(float(np.median(single)), low), high)


def _binned(pixels: NDArray[np.uint8], um_per_px: float) -> tuple[NDArray[np.float32], float]:
    if not um_per_px > 0:
        raise ValueError(f"A pixel size of {um_per_px} µm is not positive.")
    block = max(1, int(COVER_UM_PER_PX / um_per_px + 1e-6))
    height, width = pixels.shape[0] // block, pixels.shape[1] // block
    if min(height, width) < LEAST_SIDE_PX:
        raise ValueError(
            f"A frame of {pixels.shape[1]} × {pixels.shape[0]} px is too small to say what covers it."
        )
    whole = pixels[: height * block, : width * block]
    binned = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(binned, dtype=np.float32), um_per_px * block


def _ground(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the light of free ground at every pixel: a smooth surface through the bright end of 5 × 4 parts."""
    height, width = light.shape[:2]
    columns, rows = np.linspace(0, width, 6).astype(int), np.linspace(0, height, 5).astype(int)
    parts = np.array(
        [
            [
                np.percentile(light[top:bottom, left:right].reshape(-1, 3), 98, axis=0)
                for left, right in pairwise(columns)
            ]
            for top, bottom in pairwise(rows)
        ]
    )
    brightest = np.percentile(parts.reshape(-1, 3), 95, axis=0)
    # A part that is covered all over, or lies under a bubble, says nothing of the lamp.
    v, u = np.mgrid[-1 : 1 : parts.shape[0] * 1j, -1 : 1 : parts.shape[1] * 1j]
    terms = np.stack([np.ones_like(u), u * u + v * v, u, v], axis=-1).reshape(-1, 4)
    values = parts.reshape(-1, 3)
    free = values[:, 1] > 0.75 * brightest[1]
    if free.sum() < 8:
        return np.broadcast_to(brightest.astype(np.float32), light.shape)
    solution = np.linalg.lstsq(terms[free], values[free], rcond=None)[0]
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    whole = np.stack([np.ones_like(u), u * u + v * v, u, v], axis=-1) @ solution
    return np.asarray(np.clip(whole, 0.7 * brightest, brightest), dtype=np.float32)
