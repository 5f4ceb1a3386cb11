"""Planes of light, blurred, moved by parts of a pixel, and drawn smaller and larger.

A point out of focus is drawn as a Gaussian with a disc's width: cheap, and contrast falls evenly on both sides.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Part = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a plane, px."""

REACH = 2.6  # standard deviations to which a Gaussian is drawn
SHARPEST_PX = 0.25  # a blur below it is none


def blurred(plane: Plane, part: Part, off: tuple[float, float], blur_px: float) -> Plane:
    """Return a part of a plane, blurred, from where it lies plus `off` (px, any part of one)."""
    left, top = part[0] + math.floor(off[0]), part[1] + math.floor(off[1])
    width, height = part[2] - part[0], part[3] - part[1]
    share_x, share_y = off[0] % 1.0, off[1] % 1.0
    # Taking a share of two neighbours blurs as well; what it adds is left out of the Gaussian.
    blur_x, blur_y = (math.sqrt(max(0.0, blur_px**2 - share * (1 - share))) for share in (share_x, share_y))
    reach = math.ceil(REACH * max(blur_x, blur_y))
    from_x, from_y = max(0, left - reach), max(0, top - reach)
    piece = plane[from_y : top + height + 1 + reach, from_x : left + width + 1 + reach]
    if max(blur_x, blur_y) > SHARPEST_PX:
        piece = _gaussian(piece, 2 * reach + 1, max(blur_x, 1e-3), max(blur_y, 1e-3))
    piece = piece[top - from_y : top - from_y + height + 1, left - from_x : left - from_x + width + 1]
    if share_x > 0:
        piece = _between(piece[:, :-1], piece[:, 1:], share_x)
    if share_y > 0:
        piece = _between(piece[:-1], piece[1:], share_y)
    return piece[:height, :width]


def shrunk(plane: Plane, factor: int) -> Plane:
    """Return a plane of fewer pixels: the mean of each factor×factor of them."""
    height, width = plane.shape
    fewer = math.ceil(width / factor), math.ceil(height / factor)
    return np.asarray(cv2.resize(plane, fewer, interpolation=cv2.INTER_AREA), dtype=np.float32)


def magnified(
    small: Plane, was: tuple[int, ...], first: tuple[float, float], step: float, size: tuple[int, int]
) -> Plane:
    """Return a plane drawn out of one that was shrunk.

    was: its shape before.  first, step: where the new plane's first pixel lay then, and how far apart they lie.
    """
    x, y = small.shape[1] / was[1], small.shape[0] / was[0]
    # Places are of pixels' middles, and shrinking keeps borders in place.
    matrix = np.array([[step * x, 0, (first[0] + 0.5) * x - 0.5], [0, step * y, (first[1] + 0.5) * y - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(small, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32
    )


def _gaussian(piece: Plane, side: int, blur_x: float, blur_y: float) -> Plane:
    soft = cv2.GaussianBlur(piece, (side, side), blur_x, sigmaY=blur_y, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, dtype=np.float32)


def _between(here: Plane, there: Plane, share: float) -> Plane:
    return np.asarray(cv2.addWeighted(here, 1 - share, there, share, 0.0), dtype=np.float32)
