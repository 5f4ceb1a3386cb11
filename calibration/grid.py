"""The pixel size along both axes, rotation and shear, from a grid of lines at right angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.edge_directions import directions
from calibration.errors import CalibrationRefused
from calibration.even_light import darkness, green_of
from calibration.measured import Measured
from calibration.ruled_lines import RuledLines, ruled_lines
from calibration.ruler import (
    ONE_WAY,
    TWO_WAYS,
    averaged,
    named,
    refuse_implausible,
    refuse_pitch,
    with_pitch,
)

Numbers = NDArray[np.float64]
MOST_SHEAR_DEG = 5.0
STEP = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class GridFit:
    """What a grid said.

    um_per_px: the side of a square as large as a pixel.  um_per_px_x, um_per_px_y: along the picture's axes.
    rotation_deg: of the grid's nearer lines against the picture's x axis, −45 to 45°, from x towards y.
    shear_deg: by how much the angle between the picture's axes, on the grid, exceeds 90°.
    residual_um: root mean square distance of the lines' segments from the fit.
    lines: what was measured, for each picture the lines that x and those that y counts.
    """

    um_per_px: Measured
    um_per_px_x: Measured
    um_per_px_y: Measured
    rotation_deg: Measured
    shear_deg: Measured
    residual_um: float
    pitch_um: float
    lines: tuple[tuple[RuledLines, RuledLines], ...]


def shows_grid(image: NDArray[np.uint8]) -> bool:
    """Whether lines in two directions at right angles are what is dark in a picture. image: uint8, H×W×3, RGB."""
    try:
        edges = directions(darkness(green_of(image)), "The picture")
    except CalibrationRefused:
        return False
    return edges.one_way < ONE_WAY and edges.two_ways > TWO_WAYS


def measure_grid(
    images: Sequence[NDArray[np.uint8]],
    pitch_um: float,
    *,
    pitch_uncertainty_um: float = 0.0,
    expected_um_per_px: float | None = None,
) -> GridFit:
    """Return what pictures of a grid tell of the camera. Arguments and refusals as `measure_ruler` has them."""
    refuse_pitch(pitch_um, pitch_uncertainty_um)
    found = tuple(_both(image, name) for image, name in named(images))
    told = [_propagated(across, down, pitch_um) for across, down in found]
    first = told[0][0][3]
    x, y, side, turned, sheared = (
        averaged([_near(value[n], first, n) for value, _ in told], [sure[n] for _, sure in told], unit)
        for n, unit in enumerate(("µm/px", "µm/px", "µm/px", "°", "°"))
    )
    soft = min(lines.shape.soft_px for both in found for lines in both)
    refuse_implausible(side.value, pitch_um, soft, expected_um_per_px)
    relative = pitch_uncertainty_um / pitch_um
    return GridFit(
        with_pitch(side, relative), with_pitch(x, relative), with_pitch(y, relative),
        Measured((turned.value + 45.0) % 90.0 - 45.0, turned.uncertainty, "°"), sheared,
        math.sqrt(np.mean([lines.residual_px**2 for both in found for lines in both])) * side.value,
        pitch_um, found,
    )  # fmt: skip


def _near(value: float, first: float, place: int) -> float:
    """Angles of a grid are the same after a quarter turn: the one nearest the first picture's."""
    return (value - first + 45.0) % 90.0 - 45.0 + first if place == 3 else value


def _both(image: NDArray[np.uint8], name: str) -> tuple[RuledLines, RuledLines]:
    dark = darkness(green_of(image, name))
    edges = directions(dark, name)
    if edges.two_ways < TWO_WAYS:
        raise CalibrationRefused(
            f"{name} shows no grid: what is dark in it runs in no two directions at right angles. "
            "Bring the grid into view and into focus."
        )
    if edges.one_way > 2 * ONE_WAY:
        raise CalibrationRefused(
            f"{name} shows lines in one direction only, as a ruler has. Measure it as a ruler, or move to the grid."
        )
    across = ruled_lines(dark, edges.crossed_deg, name, crossed=True)
    down = ruled_lines(dark, edges.crossed_deg + 90.0, name, crossed=True)
    down = _pointing(down, across)
    if abs(_values(across.gradient, down.gradient, 1.0)[4]) > MOST_SHEAR_DEG:
        raise CalibrationRefused(
            f"{name} shows lines that cross at no right angle. Is it a grid? Bring one into view, flat on the stage."
        )
    ratio = across.spacing_px / down.spacing_px
    if not 0.8 < ratio < 1.25:
        raise CalibrationRefused(
            f"The lines of {name[0].lower() + name[1:]} are {across.spacing_px:.1f} px apart one way and "
            f"{down.spacing_px:.1f} px the other: some lines were missed, or it is no square grid. "
            "Focus, clean it, and "
            "take the picture again."
        )
    return across, down


def _pointing(down: RuledLines, across: RuledLines) -> RuledLines:
    """The second family with its numbers rising clockwise of the first's."""
    (a, b), (c, d) = across.gradient, down.gradient
    if a * d - b * c > 0:
        return down
    return RuledLines(
        -down.gradient, down.covariance, -down.offset, -down.number, down.x_px, down.y_px, -down.off_px,
        down.left_out, down.shape,
    )  # fmt: skip


def _values(across: Numbers, down: Numbers, pitch_um: float) -> Numbers:
    """µm/px along x, along y and of a square as large; rotation and shear in degrees."""
    matrix = pitch_um * np.array([across, down])  # px to µm on the grid
    x, y = matrix[:, 0], matrix[:, 1]
    turned = math.atan2(x[1], x[0])
    sheared = math.atan2(y[1], y[0]) - turned - math.pi / 2
    sheared = (sheared + math.pi) % (2 * math.pi) - math.pi
    side = math.sqrt(abs(float(np.linalg.det(matrix))))
    return np.array([np.hypot(*x), np.hypot(*y), side, math.degrees(-turned), math.degrees(sheared)])


def _propagated(across: RuledLines, down: RuledLines, pitch_um: float) -> tuple[Numbers, Numbers]:
    """Those values and their standard uncertainties (GUM 5.1.2, derivatives taken numerically)."""
    whole = np.concatenate([across.gradient, down.gradient])
    covariance = np.zeros((4, 4))
    covariance[:2, :2], covariance[2:, 2:] = across.covariance, down.covariance

    def at(four: Numbers) -> Numbers:
        return _values(four[:2], four[2:], pitch_um)

    value = at(whole)
    step = STEP * float(np.hypot(*across.gradient))
    derivative = np.array(
        [(at(whole + step * unit) - at(whole - step * unit)) / (2 * step) for unit in np.eye(4)]
    )
    return value, np.sqrt(np.einsum("ij,ik,kj->j", derivative, covariance, derivative))
