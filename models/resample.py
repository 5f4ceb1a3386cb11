"""Bring a picture to another scale without aliasing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.views import centred


def to_scale(pixels: NDArray[np.uint8], um_per_px: float, target_um_per_px: float) -> NDArray[np.uint8]:
    """Resample H×W×3 uint8 from one pixel size to another.

    Shrinking averages over the area of each new pixel, so that fine texture cannot alias. The size is
    rounded to whole pixels: map coordinates back with the ratio of the two shapes.
    """
    factor = um_per_px / target_um_per_px
    height, width = pixels.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == (width, height):
        return pixels
    shrinking = factor < 1
    resized = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)
    return np.asarray(resized, dtype=np.uint8)


def window(pixels: NDArray[np.uint8], x: float, y: float, side: int) -> NDArray[np.uint8] | None:
    """Return the side×side window centred on x, y (px), or None where it leaves the picture."""
    height, width = pixels.shape[:2]
    view = centred(x, y, side, width, height)
    return None if view is None else pixels[view.top : view.top + side, view.left : view.left + side]
