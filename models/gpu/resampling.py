"""How a picture is brought to another scale: what `models.resample.to_scale` does, told in tables for a GPU.

Shrinking takes means over areas, growing is cubic between pixels. Both as OpenCV computes them (INTER_AREA and
INTER_CUBIC of 8-bit pictures): the same weights, in the same numbers. A GPU looks them up and works none out.
Source: OpenCV's documentation of `resize`; cubic convolution, Keys 1981, with a = -0.75.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

STEEPNESS = np.float32(-0.75)
WHOLE_WEIGHTS = 2048  # OpenCV's cubic weights are whole parts of it
LEAST_PART = 1e-3  # of a pixel: what a new pixel covers less of is left out
TAPS = 4


class Method(StrEnum):
    """What makes the new pixels. The values are the names of the kernels."""

    SAME = "same"
    SHRINK_BY_WHOLE = "shrink_by_whole"
    SHRINK = "shrink"
    GROW = "grow"


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Of which old pixels every new one is made, along one axis.

    first, count: int32, one a new pixel.  weights: a row for each old pixel after the first, a column for each new
    one; float32, or int32 where they are whole.
    """

    first: NDArray[np.int32]
    count: NDArray[np.int32]
    weights: NDArray[np.float32] | NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """From pictures of one size to another scale.

    size: width and height of the result, px.  steps: old pixels to a new one, across and down, where they are whole.
    across, down: their tables where they are not.
    """

    method: Method
    source: tuple[int, int]
    size: tuple[int, int]
    steps: tuple[int, int] = (1, 1)
    across: Axis | None = None
    down: Axis | None = None


def resampling(width: int, height: int, um_per_px: float, target_um_per_px: float) -> Resampling:
    """Return how `to_scale` brings a picture of a size to a scale."""
    factor = um_per_px / target_um_per_px
    source = (width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == source:
        return Resampling(Method.SAME, source, size)
    if factor >= 1:
        across, down = (_cubic(old, new) for old, new in zip(source, size, strict=True))
        # Rows are summed whole and only scaled down at the end, in floating point.
        share = np.float32(1 / WHOLE_WEIGHTS**2)
        down = Axis(down.first, down.count, down.weights.astype(np.float32) * share)
        return Resampling(Method.GROW, source, size, across=across, down=down)
    scales = [_scale(old, new) for old, new in zip(source, size, strict=True)]
    whole = [round(scale) for scale in scales]
    if all(abs(scale - step) < np.finfo(float).eps for scale, step in zip(scales, whole, strict=True)):
        return Resampling(Method.SHRINK_BY_WHOLE, source, size, steps=(whole[0], whole[1]))
    across, down = (_areas(old, new) for old, new in zip(source, size, strict=True))
    return Resampling(Method.SHRINK, source, size, across=across, down=down)


def _scale(old: int, new: int) -> float:
    return 1.0 / (new / old)  # twice rounded, as OpenCV's


def _areas(old: int, new: int) -> Axis:
    """What share each old pixel has in the area of each new one."""
    scale = _scale(old, new)
    parts = [_parts(scale, old, number) for number in range(new)]
    count = np.array([len(weights) for _, weights in parts], np.int32)
    table = np.zeros((int(count.max()), new), np.float32)
    for number, (_, weights) in enumerate(parts):
        table[: len(weights), number] = weights
    return Axis(np.array([first for first, _ in parts], np.int32), count, table)


def _parts(scale: float, old: int, number: int) -> tuple[int, list[float]]:
    begin = number * scale
    end = begin + scale
    width = min(scale, old - begin)
    last = min(math.floor(end), old - 1)
    first = min(math.ceil(begin), last)
    weights = [1.0 / width] * (last - first)
    if first - begin > LEAST_PART:
        weights.insert(0, (first - begin) / width)
        first -= 1
    if end - last > LEAST_PART:
        weights.append(min(end - last, 1.0, width) / width)
    return first, weights


def _cubic(old: int, new: int) -> Axis:
    """Keys' weights of the four pixels around each new one, whole."""
    one = np.float32(1)
    at = ((np.arange(new) + 0.5) * _scale(old, new) - 0.5).astype(np.float32)
    below = np.floor(at)
    beyond = at - below  # the pixel below
    weights = np.empty((TAPS, new), np.float32)
    weights[0] = ((STEEPNESS * (beyond + one) - 5 * STEEPNESS) * (beyond + one) + 8 * STEEPNESS) * (
        beyond + one
    ) - 4 * STEEPNESS
    for tap, distance in ((1, beyond), (2, one - beyond)):
        weights[tap] = ((STEEPNESS + 2) * distance - (STEEPNESS + 3)) * distance * distance + one
    weights[3] = one - weights[0] - weights[1] - weights[2]
    whole = np.rint(weights * np.float32(WHOLE_WEIGHTS)).astype(np.int32)
    return Axis(below.astype(np.int32) - 1, np.full(new, TAPS, np.int32), whole)
