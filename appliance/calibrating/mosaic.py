"""Many neighbouring fields laid together on the stage's axes, as one picture at a coarser scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused
from calibration.lens_offset import Look
from firmware_bridge.point import Point

Numbers = NDArray[np.float64]
Plane = NDArray[np.float32]

WHOLE = 0.99
FEWEST_FOR_LIGHT = 6  # fields, from which the lens' own shading is told


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A field made smaller: H×W×3, and how many of its camera's pixels are one of its own. place: of its middle."""

    light: Plane
    smaller: int
    place: Point

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], place: Point, coarser: float) -> Tile:
        """Return a picture made small: pixels are means of so many that half as many are left to lose.

        coarser: how many of its pixels will be one of the mosaic's.
        """
        smaller = max(1, int(coarser / 2))
        height, width = (side // smaller for side in pixels.shape[:2])
        kept = pixels[: height * smaller, : width * smaller]
        light = cv2.resize(kept, (width, height), interpolation=cv2.INTER_AREA)
        return cls(np.asarray(light, dtype=np.float32), smaller, place)


@dataclass(slots=True, eq=False)
class Mosaic:
    """A square around a place. matrix: 2×2, px of a field's camera per µm, as `StageMap.matrix`."""

    middle: Point
    side_um: float
    um_per_px: float
    matrix: Numbers
    tiles: list[Tile] = field(default_factory=list)

    def add(self, tile: Tile) -> None:
        """Lay a field beside the others."""
        self.tiles.append(tile)

    def look(self) -> Look:
        """Return the whole; where fields overlap, their mean. Raises CalibrationRefused where fields leave gaps."""
        side = int(self.side_um / self.um_per_px)
        light, seen = np.zeros((side, side, 3), np.float32), np.zeros((side, side), np.float32)
        even = self._shading()
        for tile in self.tiles:
            laid, share = self._laid(tile, tile.light / even, side)
            light += laid * share[..., None]
            seen += share
        if (seen == 0).any():
            raise CalibrationRefused(
                f"The objective's fields leave {100 * float((seen == 0).mean()):.0f} % of their square unseen: the "
                "stage map does not fit. Measure it again."
            )
        pixels = np.clip(light / seen[..., None], 0, 255).astype(np.uint8)
        return Look(pixels, self.middle.x_um, self.middle.y_um, np.eye(2) / self.um_per_px)

    def _shading(self) -> Plane:
        """What all fields have alike is the lens' and not the slide's."""
        if len(self.tiles) < FEWEST_FOR_LIGHT:
            return np.ones_like(self.tiles[0].light)
        usual = np.median(np.stack([tile.light for tile in self.tiles]), axis=0)
        soft = cv2.GaussianBlur(usual, (0, 0), max(1.0, min(usual.shape[:2]) / 8))
        return np.asarray(np.maximum(soft / soft.mean(axis=(0, 1)), 0.05), dtype=np.float32)

    def _laid(self, tile: Tile, light: Plane, side: int) -> tuple[Plane, Plane]:
        """A field on the mosaic's pixels, and 1 where it is."""
        forward = self.matrix * self.um_per_px / tile.smaller  # px of the tile for a px of the mosaic
        finer = math.sqrt(abs(float(np.linalg.det(forward))))
        if finer > 1.2:
            light = np.asarray(cv2.GaussianBlur(light, (0, 0), 0.5 * math.sqrt(finer**2 - 1)), np.float32)
        away = np.array([self.middle.x_um - tile.place.x_um, self.middle.y_um - tile.place.y_um])
        height, width = light.shape[:2]
        middle = np.array([width - 1, height - 1]) / 2 + self.matrix @ away / tile.smaller
        first = middle - forward @ (np.full(2, side - 1) / 2)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        way = np.column_stack([forward, first])
        laid = cv2.warpAffine(light, way, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        whole = cv2.warpAffine(np.ones((height, width), np.float32), way, (side, side), flags=flags)
        return np.asarray(laid, np.float32), np.asarray(whole > WHOLE, dtype=np.float32)
