"""Single round cells of a smear: found by their outlines, whatever their size in pixels.

A threshold runs through the green plane (every stain and haemoglobin absorb green). At each level the outer
contour of what is darker is looked at: one that is a single ellipse, not long, without dents and clear of the
border is a cell that lies alone, pale centre filled. A cell shows at many levels; the one whose contour lies where
the picture is steepest is its edge. No size enters, and no stain is supposed: only the order of the levels counts.

Sources: the component tree of thresholds is that of MSER (Matas et al. 2004, Image Vis. Comput. 22:761), the
ellipse test by second moments is Voss and Süße's (1997, IEEE PAMI 19:80), and a cell's chance to lie clear of the
border, by which larger ones are seen less often, is Miles' (1974) and Lantuéjoul's (1980, Mikroskopie 37:267).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused

LONGEST_SIDE_PX = (
    1400  # of what is looked at: larger pictures are reduced, and the cells given in their own pixels
)
LEAST_SIDE_PX = 32
LEVELS = 40
SMOOTHING_PX = 1.0

LEAST_DIAMETER_PX = 12.0  # fewer pixels do not show a shape
LONGEST_AXES = 1.40  # long to short: beyond it a cell lies oblique, is drawn out, or is two
LEAST_ELLIPSE = 0.978  # area against that of the ellipse of its moments: 1 for an ellipse, 0.955 for a square
LEAST_SOLIDITY = 0.94  # area against that of its hull

RIM = (0.12, 0.40)  # of the radius, inward from the edge: where haemoglobin is thickest
DARKEST = 95  # percentile, of the whole cell: a nucleus shows here
OUTSIDE = (0.12, 0.40)  # outward from the edge: the empty glass beside it
LIGHT = 80  # percentile of what lies beside a cell: glass, where neighbours take up some of it

Plane = NDArray[np.float32]
Contour = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SingleCell:
    """A cell that lies alone, in pixels of its picture.

    diameter_px: of the circle of its area.  axes: long to short.
    rim: optical density (red, green, blue) of its rim against the glass beside it.
    darkest: density in green of its darkest parts.
    chance: that a cell of its size lies clear of the border of this picture, 0 to 1.
    """

    x_px: float
    y_px: float
    diameter_px: float
    axes: float
    rim: tuple[float, float, float]
    darkest: float
    chance: float


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    """One contour at one level. steepness: mean slope of the green plane along it."""

    contour: Contour
    x: float
    y: float
    diameter: float
    axes: float
    steepness: float


def find_single_cells(pixels: NDArray[np.uint8]) -> list[SingleCell]:
    """Return the cells of a picture that lie alone: red cells, and whatever else is round.

    pixels: uint8, H×W×3, RGB.  Raises CalibrationRefused for an array that is no such picture.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise CalibrationRefused(
            f"An array of {pixels.dtype} and shape {pixels.shape} is no picture in 8-bit RGB. Give a colour picture."
        )
    if min(pixels.shape[:2]) < LEAST_SIDE_PX:
        return []
    shrink = min(1.0, LONGEST_SIDE_PX / max(pixels.shape[:2]))
    seen = (
        pixels
        if shrink == 1
        else cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    )
    smooth = np.asarray(cv2.GaussianBlur(seen, (0, 0), SMOOTHING_PX), dtype=np.uint8)
    return [_cell(outline, smooth, shrink) for outline in _edges(_outlines(smooth[:, :, 1]))]


def _outlines(green: NDArray[np.uint8]) -> Iterator[_Outline]:
    plane = green.astype(np.float32)
    across, down = cv2.Scharr(plane, cv2.CV_32F, 1, 0), cv2.Scharr(plane, cv2.CV_32F, 0, 1)
    slope = np.asarray(cv2.magnitude(across, down), dtype=np.float32)
    low, high = np.percentile(green[::2, ::2], (0.5, 99.5))
    for level in np.unique(np.linspace(low, high, LEVELS).astype(int))[1:]:
        darker = (green < level).astype(np.uint8)
        contours, tree = cv2.findContours(darker, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        for number, contour in enumerate(contours):
            if tree[0, number, 3] == -1 and (found := _outline(np.asarray(contour), slope)) is not None:
                yield found


def _outline(contour: Contour, slope: Plane) -> _Outline | None:
    """Return a contour as an outline where it is that of one round thing clear of the border."""
    if len(contour) < LEAST_DIAMETER_PX * math.pi * 0.8:
        return None
    left, top, width, height = cv2.boundingRect(contour)
    if left < 1 or top < 1 or left + width >= slope.shape[1] or top + height >= slope.shape[0]:
        return None
    if max(width, height) > LONGEST_AXES * 1.1 * min(width, height):
        return None
    moments = cv2.moments(contour)
    area = moments["m00"]
    if area < math.pi / 4 * LEAST_DIAMETER_PX**2:
        return None
    long, short = _axes(moments)
    if long > LONGEST_AXES * short or area < LEAST_ELLIPSE * 4 * math.pi * long * short:
        return None
    if area < LEAST_SOLIDITY * cv2.contourArea(cv2.convexHull(contour)):
        return None
    steepness = float(slope[contour[:, 0, 1], contour[:, 0, 0]].mean())
    # The slope is that at the centres of the outermost pixels; the edge crosses between them and the next ones.
    area_to_edge = area + len(contour) / 4
    x, y = moments["m10"] / area, moments["m01"] / area
    return _Outline(contour, x, y, math.sqrt(4 * area_to_edge / math.pi), long / short, steepness)


def _axes(moments: dict[str, float]) -> tuple[float, float]:
    """Return the standard deviations along both axes: half those of a uniform ellipse's radii."""
    xx, yy, xy = (moments[name] / moments["m00"] for name in ("mu20", "mu02", "mu11"))
    middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return math.sqrt(middle + half), math.sqrt(max(middle - half, 1e-9))


def _edges(outlines: Iterator[_Outline]) -> list[_Outline]:
    """Return the steepest outline of each place."""
    kept: list[_Outline] = []
    for one in sorted(outlines, key=lambda outline: -outline.steepness):
        if all(
            math.hypot(one.x - other.x, one.y - other.y) >= max(one.diameter, other.diameter) / 2
            for other in kept
        ):
            kept.append(one)
    return kept


def _cell(outline: _Outline, smooth: NDArray[np.uint8], shrink: float) -> SingleCell:
    height, width = smooth.shape[:2]
    rim, darkest = _densities(outline, smooth)
    _, _, across, down = cv2.boundingRect(outline.contour)
    chance = (1 - across / width) * (1 - down / height)
    x, y = ((at + 0.5) / shrink - 0.5 for at in (outline.x, outline.y))
    return SingleCell(x, y, outline.diameter / shrink, outline.axes, rim, darkest, chance)


def _densities(outline: _Outline, smooth: NDArray[np.uint8]) -> tuple[tuple[float, float, float], float]:
    radius = outline.diameter / 2
    margin = math.ceil(OUTSIDE[1] * radius) + 1
    left, top, width, height = cv2.boundingRect(outline.contour)
    x, y = max(0, left - margin), max(0, top - margin)
    near = smooth[y : top + height + margin, x : left + width + margin].astype(np.float32)
    inside = np.zeros(near.shape[:2], dtype=np.uint8)
    cv2.drawContours(inside, [outline.contour], -1, 1, cv2.FILLED, offset=(-x, -y))
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3) / radius
    beyond = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3) / radius
    glass = np.percentile(near[(beyond > OUTSIDE[0]) & (beyond < OUTSIDE[1])], LIGHT, axis=0)
    density = -np.log10((near + 1) / (glass + 1))
    red, green, blue = np.median(density[(depth > RIM[0]) & (depth < RIM[1])], axis=0)
    darkest = np.percentile(density[:, :, 1][depth > RIM[0]], DARKEST)
    return (float(red), float(green), float(blue)), float(darkest)
