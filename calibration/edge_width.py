"""How wide the sharpest edges of a picture are, in micrometres: whether it is in focus, whatever it shows.

The steepest place of every small neighbourhood, with the change of optical density across that neighbourhood,
gives the width over which a straight ramp so steep would make that change. On fields of four laboratories in
focus it is 0.5 to 0.9 µm; behind a disc of confusion of 0.6 µm's radius 1.0, of 0.9 µm's 1.35, and it grows no
further than the neighbourhood. Contrast measures cannot say that: they rise with the number of cells.

Idea: the width of edges as a measure of blur that needs no reference (Marziliano et al. 2002, ICIP 3:57).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.contrast import focus_plane

NEIGHBOURHOOD_UM = 3.0
LEAST_CHANGE = 0.06  # of optical density: half of what a red cell's edge has
FEWEST_EDGES = 4
SHARPEST_SHARE = 30  # percentile: an edge may be soft by nature, few are sharp by chance


def edge_width_um(pixels: NDArray[np.uint8], um_per_px: float) -> float | None:
    """Return the width of the sharper edges of a frame, µm; None where it has no edges to measure.

    pixels: uint8, H×W×3 RGB or H×W grey.  Raises ValueError as `focus_plane` does.
    """
    plane = focus_plane(pixels, um_per_px)
    scale = um_per_px * max(1, round(pixels.shape[1] / plane.shape[1]))
    weights = np.array([0.25, 0.5, 0.25], dtype=np.float32)
    smooth = cv2.sepFilter2D(plane, cv2.CV_32F, weights, weights)
    density = cv2.log(np.maximum(smooth, 1e-3)) * np.float32(-1 / math.log(10))
    slope = cv2.magnitude(cv2.Scharr(density, cv2.CV_32F, 1, 0), cv2.Scharr(density, cv2.CV_32F, 0, 1))
    slope = np.asarray(slope / (32 * scale))  # Scharr's weights add up to 16, over a distance of two pixels
    side = 2 * round(NEIGHBOURHOOD_UM / scale / 2) + 1
    near = np.ones((side, side), dtype=np.uint8)
    change = cv2.dilate(density, near) - cv2.erode(density, near)
    steepest = (slope >= cv2.dilate(slope, near)) & (change > LEAST_CHANGE)
    if int(np.count_nonzero(steepest)) < FEWEST_EDGES:
        return None
    return float(np.percentile(change[steepest] / slope[steepest], SHARPEST_SHARE))
