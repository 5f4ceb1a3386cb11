"""How far the stage really went between two pictures, told by what both of them show.

A stage that counts its own pulses does not know that an axis is blocked or lost steps. The pictures do: where the
later one shows a part of the earlier one, their overlap says how far apart they lie.

Method: normalised cross-correlation over the overlap alone, for all displacements at once (Lewis 1995, Fast
normalized cross-correlation; with overlaps that change: Padfield 2012, IEEE Trans. Image Process. 21:2706).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIGHT_UM_PER_PX = 1.0  # a red cell is seven such pixels wide
EVEN_UM = 12.0  # what changes over more than a cell's width is the lamp's and the lens' doing
LEAST_SPREAD = 0.01  # of the light: less is noise on bare glass

Sight = NDArray[np.float32]
"""A small even picture of a field, H×W, at SIGHT_UM_PER_PX: what is compared."""

Within = tuple[tuple[float, float], tuple[float, float]]
Grid = NDArray[np.float64]
Steps = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Displacement:
    """How far the later picture lies from the earlier one, µm, and how alike the parts are that both show (to 1)."""

    x_um: float
    y_um: float
    alike: float


def sight(pixels: NDArray[np.uint8], um_per_px: float) -> Sight:
    """Return what of a frame (uint8, H×W×3, RGB) is compared with other frames of the same camera."""
    share = um_per_px / SIGHT_UM_PER_PX
    size = max(1, round(pixels.shape[1] * share)), max(1, round(pixels.shape[0] * share))
    green = cv2.extractChannel(pixels, 1)
    small = cv2.resize(green, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    light = small / max(float(small.mean()), 1.0)
    return np.asarray(light - cv2.GaussianBlur(light, (0, 0), EVEN_UM / SIGHT_UM_PER_PX), dtype=np.float32)


def displacement(
    earlier: Sight, later: Sight, least_um: float, within: Within | None = None
) -> Displacement | None:
    """Return by which displacement two pictures are most alike where they overlap.

    least_um: how long and how high an overlap is at least.  within: which displacements are possible, µm: from and to
    in x, and in y.  None where there is nothing to compare.
    """
    if earlier.shape != later.shape:
        raise ValueError(f"Pictures of {earlier.shape} and {later.shape} cannot be compared.")
    least = round(least_um / SIGHT_UM_PER_PX)
    height, width = earlier.shape
    of_x, of_y = within or ((-math.inf, math.inf), (-math.inf, math.inf))
    right, down = _steps(width - least, of_x), _steps(height - least, of_y)
    alike = _alike(earlier, later, down, right) if len(right) and len(down) else None
    if alike is None:
        return None
    row, column = np.unravel_index(int(np.argmax(alike)), alike.shape)
    found = float(alike[row, column])
    return Displacement(float(right[column]) * SIGHT_UM_PER_PX, float(down[row]) * SIGHT_UM_PER_PX, found)


def _steps(most: int, within_um: tuple[float, float]) -> Steps:
    if most < 0:
        return np.arange(0)
    low, high = (min(max(end / SIGHT_UM_PER_PX, -most), most) for end in within_um)
    return np.arange(math.ceil(low), math.floor(high) + 1)


def _alike(earlier: Sight, later: Sight, down: Steps, right: Steps) -> Grid | None:
    """The correlation of the overlaps, by displacement of rows and columns; None where nothing shows there."""
    height, width = earlier.shape
    of_earlier = _Sums(earlier, down, right)
    of_later = _Sums(later, -down, -right)
    count = (height - np.abs(down))[:, None] * (width - np.abs(right))[None, :]
    product = _products(earlier, later)[np.ix_(down, right)]
    covariance = product - of_earlier.plain * of_later.plain / count
    spreads = [np.maximum(of.squared / count - (of.plain / count) ** 2, 0.0) for of in (of_earlier, of_later)]
    enough = np.minimum(*spreads) > LEAST_SPREAD**2
    if not enough.any():
        return None
    return np.where(enough, covariance / count / np.sqrt(np.maximum(spreads[0] * spreads[1], 1e-12)), 0.0)


class _Sums:
    """Sums over the part of a picture that overlaps with another that is displaced: of values and of squares."""

    def __init__(self, picture: Sight, down: Steps, right: Steps) -> None:
        height, width = picture.shape
        plain, squared = cv2.integral2(picture, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F)
        tops, bottoms = np.maximum(down, 0), np.minimum(height + down, height)
        lefts, rights = np.maximum(right, 0), np.minimum(width + right, width)
        self.plain, self.squared = (
            of[np.ix_(bottoms, rights)]
            - of[np.ix_(tops, rights)]
            - of[np.ix_(bottoms, lefts)]
            + of[np.ix_(tops, lefts)]
            for of in (plain, squared)
        )


def _products(earlier: Sight, later: Sight) -> Grid:
    """Sums of products by displacement, negative ones from the end."""
    size = tuple(cv2.getOptimalDFTSize(2 * side) for side in earlier.shape)
    spectra = [np.fft.rfft2(picture, size) for picture in (earlier, later)]
    return np.asarray(np.fft.irfft2(spectra[0] * np.conj(spectra[1]), size))
