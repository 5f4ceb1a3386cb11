"""How dark each part of a picture is against its own light, however unevenly the lamp shines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused

Plane = NDArray[np.float32]
Numbers = NDArray[np.float64]

LEAST_SIDE_PX = 96
LEAST_LIGHT = 20  # of 255: below it eight bits leave too little
BLOCKS = 90  # so many blocks along the longer side carry the fit
DARKER = 0.03  # what lies so far below the fitted light is no bare glass
ROUNDS = 12
ORDER = 4  # of the polynomial: r² and r⁴ of a vignetting that lies aside


def green_of(pixels: NDArray[np.uint8], name: str = "The picture") -> NDArray[np.uint8]:
    """Return the green plane of uint8 H×W×3 RGB.

    Raises CalibrationRefused for an array that is no picture in colour, one under 96 px on a side, and a dark one.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise CalibrationRefused(
            f"{name} is an array of {pixels.dtype} and shape {pixels.shape}, no picture in RGB. Give uint8, H×W×3."
        )
    if min(pixels.shape[:2]) < LEAST_SIDE_PX:
        raise CalibrationRefused(
            f"{name} of {pixels.shape[1]} × {pixels.shape[0]} px is too small. Give {LEAST_SIDE_PX} px or more a side."
        )
    green = np.ascontiguousarray(pixels[..., 1])
    if float(np.percentile(green[::4, ::4], 98)) < LEAST_LIGHT:
        raise CalibrationRefused(f"{name} is dark. Check the lamp and the exposure.")
    return green


def darkness(green: NDArray[np.uint8]) -> Plane:
    """Return which share of the light is missing, float32, H×W: 0 on bare glass, near 1 on chrome.

    The light is a polynomial of fourth order, fitted to what is no darker than it: lines, dust and cells drop out
    as long as some bare glass is left in every part.
    """
    light = _light(green)
    return np.asarray(1 - green / np.maximum(light, 1.0), dtype=np.float32)


def _light(green: NDArray[np.uint8]) -> Plane:
    height, width = green.shape
    block = max(2, round(max(green.shape) / BLOCKS))
    size = max(8, width // block), max(8, height // block)
    small = cv2.resize(green, size, interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    x, y = _terms(np.linspace(-1, 1, 2 * size[0] + 1)[1::2], np.linspace(-1, 1, 2 * size[1] + 1)[1::2])
    columns = np.stack([np.outer(v, u).ravel() for u, v in _pairs(x, y)], axis=1)
    bare = small > np.median(small) * 0.5
    whole: NDArray[np.floating] = np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        whole = np.linalg.lstsq(columns[bare], small[bare], rcond=None)[0]
        fitted = columns @ whole
        now = small > fitted * (1 - DARKER)
        if now.sum() < 2 * columns.shape[1] or np.array_equal(now, bare):
            break
        bare = now
    # A fit pressed up from below ends a little high where it drops noise; the last one is of both sides.
    x, y = _terms((2 * np.arange(width) + 1) / width - 1, (2 * np.arange(height) + 1) / height - 1)
    light = np.zeros((height, width), dtype=np.float32)
    for factor, (u, v) in zip(whole, _pairs(x, y), strict=True):
        light += np.outer((factor * v).astype(np.float32), u.astype(np.float32))
    return light


def _terms(x: Numbers, y: Numbers) -> tuple[list[Numbers], list[Numbers]]:
    return [x**n for n in range(ORDER + 1)], [y**n for n in range(ORDER + 1)]


def _pairs(x: list[Numbers], y: list[Numbers]) -> list[tuple[Numbers, Numbers]]:
    return [(x[n], y[m]) for n in range(ORDER + 1) for m in range(ORDER + 1 - n)]
