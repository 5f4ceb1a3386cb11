"""A picture of the whole slide, put together from the overview camera's pictures.

Pictures overlap by half, so that every place is seen near the middle of one, and so that the lens' own shading shows:
what is darker in one picture than in another of the same place is darker because of the lens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceRefused
from appliance.microscope import Area, Eye, Microscope
from appliance.survey import Overview
from firmware_bridge.point import Point

STEP = 0.5  # of a picture, from one to the next
BLOCK_PX = 16


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One picture of the overview: uint8, H×W×3, RGB, and its middle on the stage."""

    pixels: NDArray[np.uint8]
    middle: Point


def overview_places(area: Area, eye: Eye) -> list[Point]:
    """Return where to look, row by row to and fro, so that pictures overlap by half and cover the area. z is 0."""
    width, height = eye.field_um
    columns = _steps(area.left_um, area.right_um, width)
    rows = _steps(area.top_um, area.bottom_um, height)
    return [
        Point(x_um, y_um)
        for n, y_um in enumerate(rows)
        for x_um in (columns if n % 2 == 0 else columns[::-1])
    ]


def look_over(microscope: Microscope, height_um: float) -> Iterator[tuple[int, int, Piece]]:
    """Take the overview's pictures; yield the number of each, how many there are, and the picture.

    height_um: where the stage is while it looks over.
    Raises ApplianceRefused where there is no overview camera, and as `Microscope.go_to` and `look` do.
    """
    eye = microscope.overview
    if eye is None:
        raise ApplianceRefused("This microscope has no overview camera. Survey it by a grid of fields.")
    places = overview_places(microscope.area, eye)
    aside_x, aside_y = eye.aside_um
    for number, place in enumerate(places):
        microscope.go_to(Point(place.x_um - aside_x, place.y_um - aside_y, height_um))
        yield number, len(places), Piece(microscope.look(eye).pixels, place)
    microscope.where()  # a controller that was restarted during the last picture let the lamp go out


def put_together(pieces: Sequence[Piece], um_per_px: float) -> Overview:
    """Return the whole picture: at every place the piece that saw it nearest to its middle, without shading.

    Raises ApplianceRefused without any piece.
    """
    if not pieces:
        raise ApplianceRefused("An overview needs pictures. Widen the area to survey.")
    height, width = pieces[0].pixels.shape[:2]
    left = min(piece.middle.x_um for piece in pieces) - width / 2 * um_per_px
    top = min(piece.middle.y_um for piece in pieces) - height / 2 * um_per_px
    corners = [
        (
            round((piece.middle.x_um - left) / um_per_px - width / 2),
            round((piece.middle.y_um - top) / um_per_px - height / 2),
        )
        for piece in pieces
    ]
    whole = np.full(
        (max(y for _, y in corners) + height, max(x for x, _ in corners) + width, 3), 255, dtype=np.uint8
    )
    nearest = np.full(whole.shape[:2], np.inf, dtype=np.float32)
    away = _away_from_middle(width, height)
    even = _shading(pieces, um_per_px)
    for piece, (x, y) in zip(pieces, corners, strict=True):
        where = np.s_[y : y + height, x : x + width]
        nearer = away < nearest[where]
        lit = np.clip(np.rint(piece.pixels / even), 0, 255).astype(np.uint8)
        whole[where][nearer] = lit[nearer]
        nearest[where][nearer] = away[nearer]
    return Overview(whole, um_per_px, left, top)


def within(overview: Overview, area: Area) -> Overview:
    """Return what of an overview lies in an area: a camera may see beyond where smears may lie, and fields be taken."""
    height, width = overview.pixels.shape[:2]
    left, right = (
        min(max(round((x_um - overview.x_um) / overview.um_per_px), 0), width)
        for x_um in (area.left_um, area.right_um)
    )
    top, bottom = (
        min(max(round((y_um - overview.y_um) / overview.um_per_px), 0), height)
        for y_um in (area.top_um, area.bottom_um)
    )
    return replace(
        overview,
        pixels=np.ascontiguousarray(overview.pixels[top:bottom, left:right]),
        x_um=overview.x_um + left * overview.um_per_px,
        y_um=overview.y_um + top * overview.um_per_px,
    )


def _steps(first: float, last: float, length: float) -> list[float]:
    """Middles of pieces of a length that cover a way, half a length apart or less."""
    way = last - first - length
    if way <= 0:
        return [(first + last) / 2]
    count = math.ceil(way / (STEP * length)) + 1
    return [float(at) for at in np.linspace(first + length / 2, last - length / 2, count)]


def _away_from_middle(width: int, height: int) -> NDArray[np.float32]:
    x = np.abs(np.arange(width, dtype=np.float32) - (width - 1) / 2) / width
    y = np.abs(np.arange(height, dtype=np.float32) - (height - 1) / 2) / height
    return np.asarray(np.maximum(x[None], y[:, None]), dtype=np.float32)


def _shading(pieces: Sequence[Piece], um_per_px: float) -> NDArray[np.float32]:
    """Return the lens' shading, H×W×1, 1 where it is brightest, from places that two pieces saw in different parts.

    Such a place is as bright in both but for the shading: the logarithms' differences give its terms by least squares,
    whatever the slide holds. Pieces that do not overlap tell nothing: even light.
    """
    height, width = pieces[0].pixels.shape[:2]
    size = max(2, width // BLOCK_PX), max(2, height // BLOCK_PX)
    small = [
        np.log(np.maximum(cv2.resize(piece.pixels[..., 1], size, interpolation=cv2.INTER_AREA), 1.0))
        for piece in pieces
    ]
    v, u = (grid.astype(np.float32) for grid in np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j])
    rows, sides = [], []
    for one, other in combinations(range(len(pieces)), 2):
        there = _seen_by(pieces[one], pieces[other], um_per_px, u, v)
        inside = (np.abs(there) < 1 - 1 / min(size)).all(axis=-1)
        if inside.any():
            places = np.float32(0.5) * (there[inside] + 1) * (np.array(size, dtype=np.float32) - 1)
            x, y = (np.ascontiguousarray(places[None, :, axis]) for axis in (0, 1))
            again = cv2.remap(small[other], x, y, cv2.INTER_LINEAR)[0]
            rows.append(_terms(u[inside], v[inside]) - _terms(there[inside][:, 0], there[inside][:, 1]))
            sides.append(small[one][inside] - again)
    if not rows:
        return np.ones((height, width, 1), dtype=np.float32)
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(sides), rcond=None)[0]
    surface = np.exp(_terms(u.ravel(), v.ravel()) @ solution).reshape(v.shape)
    grown = cv2.resize(surface.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown / grown.max(), dtype=np.float32)[..., None]


def _seen_by(
    one: Piece, other: Piece, um_per_px: float, u: NDArray[np.float32], v: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Where the places u, v of one piece lie in the other, both from -1 to 1 across a piece."""
    height, width = one.pixels.shape[:2]
    away_x = (one.middle.x_um - other.middle.x_um) / um_per_px / (width / 2)
    away_y = (one.middle.y_um - other.middle.y_um) / um_per_px / (height / 2)
    return np.stack([u + np.float32(away_x), v + np.float32(away_y)], axis=-1)


def _terms(u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    round_ = u * u + v * v
    return np.stack([u, v, u * u, v * v, u * v, round_ * round_], axis=-1)
