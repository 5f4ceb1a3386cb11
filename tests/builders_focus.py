"""Curves of contrast, heights and pictures to focus on."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.autofocus import Look, Search
from appliance.safe_height import HeightLimits
from calibration.focus_curve import Sample

LIMITS = HeightLimits(-100, 100)
Hill = Callable[[float], float]


def hill(at_um: float, high: float = 1e-3, width_um: float = 5.0, floor: float = 1e-5) -> Hill:
    """A contrast that falls off on both sides of a height: half its rise at half the width."""
    return lambda z_um: floor + high / (1 + (2 * (z_um - at_um) / width_um) ** 2)


def both(one: Hill, other: Hill) -> Hill:
    return lambda z_um: max(one(z_um), other(z_um))


def sampled(curve: Hill, low_um: float, high_um: float, step_um: float) -> list[Sample]:
    count = round((high_um - low_um) / step_um) + 1
    return [Sample(low_um + k * step_um, curve(low_um + k * step_um)) for k in range(count)]


class Bench:
    """A z axis with play and a curve of contrast; remembers where it was told to go.

    backlash_um: how far the carriage stays behind when it is driven downward.
    """

    def __init__(self, curve: Hill, backlash_um: float = 0.0) -> None:
        self._curve = curve
        self._backlash_um = backlash_um
        self._true_um = 0.0
        self.ordered: list[float] = []
        self.looks: list[Look] = []

    def __call__(self, look: Look) -> float:
        """Move and return the contrast, as `drive` wants it."""
        self.looks.append(look)
        if look.via is not None:
            self._go(look.via.z_um)
        self._go(look.height.z_um)
        return self._curve(self._true_um)

    def _go(self, z_um: float) -> None:
        self.ordered.append(z_um)
        # A screw with play: the nut follows only when the thread's flank touches it.
        self._true_um = min(max(self._true_um, z_um), z_um + self._backlash_um)


def quick() -> Search:
    """A search of few pictures."""
    return Search(reach_um=12, coarse_step_um=2, fine_step_um=0.5)


@lru_cache(maxsize=32)
def cells(
    seed: int = 1, height: int = 260, width: int = 340, um_per_px: float = 0.2, share: float = 0.45
) -> NDArray[np.uint8]:
    """Pale discs of red cells and a few dark nuclei on a bright ground, in focus: uint8, H×W×3, RGB."""
    rng = np.random.default_rng(seed)
    field = np.full((height, width, 3), (240, 236, 232), dtype=np.float32)
    count = round(share * height * width * um_per_px**2 / 43)
    for _ in range(count):
        _disc(field, rng, 3.7 / um_per_px, (0.94, 0.72, 0.80))
    for _ in range(max(1, count // 12) if share else 0):
        _disc(field, rng, 5.0 / um_per_px, (0.45, 0.30, 0.65))
    soft = cv2.GaussianBlur(field, (0, 0), 0.25 / um_per_px)
    picture = np.clip(soft + rng.normal(0, 1.0, field.shape), 0, 255).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def defocused(pixels: NDArray[np.uint8], radius_um: float, um_per_px: float = 0.2) -> NDArray[np.uint8]:
    """The same picture through a disc of confusion, with fresh noise."""
    rng = np.random.default_rng(round(1000 * radius_um))
    picture = pixels.astype(np.float32)
    if radius_um > 0:
        radius = radius_um / um_per_px
        side = 2 * math.ceil(radius) + 1
        grid = np.arange(side) - side // 2
        disc = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(grid, grid)), 0, 1).astype(np.float32)
        picture = cv2.filter2D(picture, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return np.clip(picture + rng.normal(0, 1.0, picture.shape), 0, 255).astype(np.uint8)


def _disc(
    field: NDArray[np.float32], rng: np.random.Generator, radius: float, passes: tuple[float, ...]
) -> None:
    x, y, reach = int(rng.integers(0, field.shape[1])), int(rng.integers(0, field.shape[0])), round(radius)
    left, top = max(0, x - reach), max(0, y - reach)
    part = field[top : y + reach + 1, left : x + reach + 1]
    rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    part[inside] *= np.array(passes, dtype=np.float32)
