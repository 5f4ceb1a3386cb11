"""Which ways the edges of a picture run: one for a ruler, two for a grid, none for dirt.

Source: the orientation tensor, Bigün and Granlund 1987, ICCV 433; its fourth-order counterpart tells right angles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused

Plane = NDArray[np.float32]

LEAST_DEPTH = 0.15  # of the light that a line takes


@dataclass(frozen=True, slots=True)
class Directions:
    """Which ways the edges of a picture run.

    across_deg: across most edges.  one_way, two_ways: 1 where all edges are parallel, or at right angles; 0 for dirt.
    crossed_deg: across one of two families of lines at right angles, −45 to 45°.
    """

    across_deg: float
    one_way: float
    two_ways: float
    crossed_deg: float


def directions(dark: Plane, name: str) -> Directions:
    """Return the directions of the edges of a picture of darkness.

    Raises CalibrationRefused where nothing is dark enough for a line.
    """
    soft = cv2.GaussianBlur(dark, (0, 0), 1.5)
    depth = float(np.percentile(soft[::2, ::2], 98.5))
    if depth < LEAST_DEPTH:
        raise CalibrationRefused(
            f"{name} shows no ruler: nothing in it is darker than the light by {LEAST_DEPTH:.0%}. "
            "Bring the ruled lines into view and into focus."
        )
    x, y = cv2.Scharr(soft, cv2.CV_32F, 1, 0), cv2.Scharr(soft, cv2.CV_32F, 0, 1)
    squared = x * x + y * y
    strong = squared > 0.09 * float(np.percentile(squared[::2, ::2], 99.0))
    across = (x[strong] + 1j * y[strong]).astype(np.complex128)
    weight = float(squared[strong].sum(dtype=np.float64)) or 1.0
    twice = complex(np.sum(across**2)) / weight
    four_fold = complex(np.sum(across**4 / np.abs(across) ** 2)) / weight
    return Directions(
        math.degrees(np.angle(twice)) / 2, abs(twice), abs(four_fold), math.degrees(np.angle(four_fold)) / 4
    )
