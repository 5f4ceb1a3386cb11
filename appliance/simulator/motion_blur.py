"""A slide that moves while the shutter is open: its light, smeared along the true path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator.slide import Slide

Light = NDArray[np.float32]
Way = Sequence[tuple[float, float]]

LONGEST_PX = 48  # a longer smear is drawn on coarser pixels: along it nothing fine is left


def smeared(
    slide: Slide,
    corner: tuple[int, int],
    size: tuple[int, int],
    um_per_px: float,
    way: Way,
    shares: Sequence[float],
) -> Light:
    """Return the mean light over a path, H×W×3.

    corner: column and row of the first pixel on the slide's raster.  size: width and height, px.
    way: offsets of the path's places, px.  shares: the light's share at each; they sum to 1.
    """
    low = [math.floor(min(step[axis] for step in way)) for axis in (0, 1)]
    span = [math.ceil(max(step[axis] for step in way)) - low[axis] for axis in (0, 1)]
    coarse = max(1, math.ceil(max(span) / LONGEST_PX))
    kernel = _kernel([((x - low[0]) / coarse, (y - low[1]) / coarse) for x, y in way], shares)
    first = [(corner[axis] + low[axis]) // coarse for axis in (0, 1)]
    count = [math.ceil((size[axis] + span[axis]) / coarse) + 2 for axis in (0, 1)]
    pitch = coarse * um_per_px
    light = slide.light(first[0] * pitch, first[1] * pitch, count[0], count[1], pitch)
    mean = cv2.filter2D(light, cv2.CV_32F, kernel, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    if coarse == 1:
        return np.asarray(mean[: size[1], : size[0]], dtype=np.float32)
    at = [(corner[axis] + low[axis] + 0.5) / coarse - first[axis] - 0.5 for axis in (0, 1)]
    matrix = np.array([[1 / coarse, 0, at[0]], [0, 1 / coarse, at[1]]])
    drawn_out = cv2.warpAffine(
        mean, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(drawn_out, dtype=np.float32)


def _kernel(way: Way, shares: Sequence[float]) -> NDArray[np.float32]:
    """The path as a picture: each piece's light spread evenly along it. way: from 0 on."""
    width, height = (math.ceil(max(step[axis] for step in way)) + 2 for axis in (0, 1))
    kernel = np.zeros((height, width))
    for (start, end), (share, next_share) in zip(pairwise(way), pairwise(shares), strict=True):
        pieces = max(1, math.ceil(math.dist(start, end)))
        for piece in range(pieces):
            along = (piece + 0.5) / pieces
            x, y = (start[axis] + along * (end[axis] - start[axis]) for axis in (0, 1))
            _drop(kernel, x, y, (share + along * (next_share - share)) / pieces)
    total = kernel.sum()
    if total <= 0:  # the lamp shone at the very first or last moment alone
        _drop(kernel, *way[int(np.argmax(shares))], 1.0)
        total = 1.0
    return np.asarray(kernel / total, dtype=np.float32)


def _drop(kernel: NDArray[np.float64], x: float, y: float, share: float) -> None:
    column, row = math.floor(x), math.floor(y)
    right, down = x - column, y - row
    kernel[row, column] += share * (1 - right) * (1 - down)
    kernel[row, column + 1] += share * right * (1 - down)
    kernel[row + 1, column] += share * (1 - right) * down
    kernel[row + 1, column + 1] += share * right * down
