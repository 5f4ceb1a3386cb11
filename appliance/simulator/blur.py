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


def blur(plane: Plane, part: Part, off: tuple[float, float], blur_px: float, onto: Plane) -> None:
    """Draw a part of a plane, blurred, from where it lies plus `off` (px, in parts too), onto one of its size."""
    height, width = onto.shape
    left, top = part[0] + math.floor(off[0]), part[1] + math.floor(off[1])
    share_x, share_y = off[0] % 1.0, off[1] % 1.0
    # Taking a share of two neighbours blurs as well; what it adds is left out of the Gaussian.
    blur_x, blur_y = (math.sqrt(max(0.0, blur_px**2 - share * (1 - share))) for share in (share_x, share_y))
    reach = math.ceil(REACH * max(blur_x, blur_y))
    from_x, from_y = max(0, left - reach), max(0, top - reach)
    piece = plane[from_y : top + height + 1 + reach, from_x : left + width + 1 + reach]
    if max(blur_x, blur_y) > SHARPEST_PX:
        piece = _gaussian(piece, 2 * reach + 1, max(blur_x, 1e-3), max(blur_y, 1e-3))
    middle = left - from_x + share_x + (width - 1) / 2, top - from_y + share_y + (height - 1) / 2
    cv2.getRectSubPix(piece, (width, height), middle, patch=onto)


def split(light: NDArray[np.float32], onto: tuple[Plane, Plane, Plane]) -> None:
    """Draw the colours of H×W×3 onto planes, each H×W."""
    cv2.mixChannels([light], list(onto), [0, 0, 1, 1, 2, 2])


def shrunk(light: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return H×W×3 with fewer pixels: the mean of each factor×factor of them."""
    height, width = light.shape[:2]
    fewer = math.ceil(width / factor), math.ceil(height / factor)
    return np.asarray(cv2.resize(light, fewer, interpolation=cv2.INTER_AREA), dtype=np.float32)


def magnify(small: Plane, was: tuple[int, ...], first: tuple[float, float], step: float, onto: Plane) -> None:
    """Draw out a plane that was shrunk.

    was: its shape before.  first, step: where the first pixel of `onto` lay then, and how far apart they lie.
    """
    x, y = small.shape[1] / was[1], small.shape[0] / was[0]
    # Places are of pixels' middles, and shrinking keeps borders in place.
    matrix = np.array([[step * x, 0, (first[0] + 0.5) * x - 0.5], [0, step * y, (first[1] + 0.5) * y - 0.5]])
    size, flags = (onto.shape[1], onto.shape[0]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cv2.warpAffine(small, matrix, size, dst=onto, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _gaussian(piece: Plane, side: int, blur_x: float, blur_y: float) -> Plane:
    soft = cv2.GaussianBlur(piece, (side, side), blur_x, sigmaY=blur_y, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, dtype=np.float32)
