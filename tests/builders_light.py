"""A lamp, a lens that vignettes and a sensor with its noise, in a few lines: bare glass as a camera gives it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.measured import COVERAGE, Measured

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Bench:
    """A drawn instrument that looks at bare glass. level: of the brightest green in one exposure of 1000 µs."""

    seed: int = 0
    width: int = 160
    height: int = 120
    corner: float = 0.7
    level: float = 220.0
    full_well_e: float = 15_000.0
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    dark: float = 0.0
    read: float = 0.4

    @property
    def shading(self) -> NDArray[np.float64]:
        """The share of the middle's light: less outward, and the middle aside."""
        rng = np.random.default_rng([self.seed, 1])
        aside_x, aside_y = rng.uniform(-0.1, 0.1, 2)
        x = (np.arange(self.width) + 0.5) / self.width * 2 - 1 - aside_x
        y = (np.arange(self.height) + 0.5) / self.height * 2 - 1 - aside_y
        squared = (x[None, :] ** 2 + y[:, None] ** 2) / 2
        return np.asarray(1 - (1 - self.corner) * (0.5 * squared + 0.5 * squared**2))

    @property
    def light(self) -> NDArray[np.float64]:
        """Levels less dark, H×W×3, without noise, in 1000 µs."""
        return np.asarray(self.level * self.shading[..., None] * np.array(self.colour))

    def look(self, number: int = 0, exposure_us: float = 1000.0, passes: object = 1.0) -> Picture:
        """Take picture so many of bare glass. passes: the share of light that what lies there lets through."""
        rng = np.random.default_rng([self.seed, 2, number])
        light = self.light * exposure_us / 1000.0 * np.asarray(passes)
        deviation = np.sqrt(light * 255 / self.full_well_e + self.read**2)
        level = light + self.dark + deviation * rng.standard_normal(light.shape)
        return np.asarray(np.clip(np.rint(level), 0, 255), dtype=np.uint8)

    def dark_frame(self, number: int = 0) -> Picture:
        """Take one without light."""
        return self.look(1000 + number, exposure_us=0.0)


def speck(bench: Bench, x: float, y: float, radius: float, passes: float = 0.4) -> NDArray[np.float64]:
    """What a grain of dirt lets through, H×W×1, soft-edged."""
    rows, columns = np.mgrid[: bench.height, : bench.width]
    far = np.hypot(columns - x, rows - y)
    return np.asarray(1 - (1 - passes) * np.clip(radius - far, 0, 1))[..., None]


def honesty(cases: Iterable[tuple[float, Measured]]) -> tuple[float, float]:
    """Return the share of truths within 95 % intervals, and the mean of (error / claimed)²."""
    pulls = np.array([(measured.value - truth) / measured.uncertainty for truth, measured in cases])
    return float(np.mean(np.abs(pulls) <= COVERAGE)), float(np.mean(pulls**2))
