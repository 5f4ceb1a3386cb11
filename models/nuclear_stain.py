"""Where a small picture is stained like a nucleus."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

NUCLEAR_GREEN = 0.6  # of the background's: nuclei are darker, red cells lighter


def nuclear(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where H×W×3 uint8, RGB, is as dark in green as a nucleus of this picture: bool, H×W."""
    green = pixels[:, :, 1]
    return np.asarray(green < NUCLEAR_GREEN * np.percentile(green, 90), dtype=np.bool_)


def distance_to_nucleus(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how far every pixel of H×W×3 is from a nucleus (px), specks under 3 px left aside."""
    stained = nuclear(pixels).astype(np.uint8)
    clean = cv2.morphologyEx(stained, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    if not clean.any():
        return np.full(clean.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(1 - clean, cv2.DIST_L2, 5), dtype=np.float32)
