"""Pictures of rulers and grids, computed line by line, with everything that spoils them; and stages that err."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from calibration.registration import Shift
from calibration.stage_map import Move, StageMap, fit_stage_map

Picture = NDArray[np.uint8]
Numbers = NDArray[np.float64]
CHROME = 0.97


def lines(
    across_deg: float = 4.0,
    spacing_px: float = 40.0,
    line_px: float = 8.0,
    soft_px: float = 1.2,
    size: tuple[int, int] = (300, 220),
    start_px: float = 7.3,
    depth: float = CHROME,
    only: Sequence[int] | None = None,
) -> Numbers:
    """The share of light that passes, H×W. across_deg: which way the ruler runs. only: which lines are there."""
    angle = math.radians(across_deg)
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float64)
    across = (x - size[0] / 2) * math.cos(angle) + (y - size[1] / 2) * math.sin(angle) - start_px
    number = np.rint(across / spacing_px)
    aside = across - number * spacing_px
    dark = ndtr((aside + line_px / 2) / soft_px) - ndtr((aside - line_px / 2) / soft_px)
    if only is not None:
        dark = np.where(np.isin(number, only), dark, 0.0)
    return np.asarray(1 - depth * dark)


def picture(
    light: Numbers, noise: float = 1.5, vignetting: float = 0.0, seed: int = 0, level: float = 220.0
) -> Picture:
    """A picture of light that passes, with noise (of 255) and less light towards the corners."""
    height, width = light.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lit = level * light * (1 - vignetting * (x**2 + y**2) / 2)
    noisy = lit[..., None] * (1.0, 1.0, 0.95) + np.random.default_rng(seed).normal(
        0, noise, (height, width, 3)
    )
    return np.asarray(np.clip(np.rint(noisy), 0, 255), dtype=np.uint8)


def dusty(light: Numbers, specks: int = 12, seed: int = 0, radius_px: float = 5.0) -> Numbers:
    """Light with round dark specks on it."""
    rng = np.random.default_rng(seed)
    height, width = light.shape
    y, x = np.mgrid[0:height, 0:width]
    result = light.copy()
    for at_x, at_y in rng.uniform(0, 1, (specks, 2)) * (width, height):
        result[(x - at_x) ** 2 + (y - at_y) ** 2 < radius_px**2] = 0.1
    return result


def textured(seed: int = 0, side: int = 640) -> Numbers:
    """A patch of soft detail that can be moved exactly: its spectrum, for `moved`."""
    rng = np.random.default_rng(seed)
    frequency = np.fft.fftfreq(side)
    squared = np.add.outer(frequency**2, frequency**2)
    return np.asarray(
        np.fft.fft2(rng.standard_normal((side, side))) * np.exp(-2 * np.pi**2 * squared * 3.0**2)
    )


def moved(
    spectrum: Numbers, dx_px: float, dy_px: float, size: tuple[int, int] = (200, 160), seed: int = 0
) -> Picture:
    """A picture of a textured patch whose content moved so far."""
    frequency = np.fft.fftfreq(spectrum.shape[0])
    turned = np.exp(-2j * np.pi * (frequency[None, :] * dx_px + frequency[:, None] * dy_px))
    field = np.fft.ifft2(spectrum * turned).real
    part = field[200 : 200 + size[1], 200 : 200 + size[0]] / field.std()
    return picture(np.clip(0.7 + 0.12 * part, 0, 1), noise=2.0, vignetting=0.3, seed=seed)


def moves(
    matrix: Numbers, scatter_um: float = 0.0, count: int = 8, reach_um: float = 100.0, seed: int = 0
) -> list[Move]:
    """Moves along x, then along y, whose shifts a map gives, with a scatter of every position."""
    rng = np.random.default_rng(seed)
    steps = np.linspace(reach_um / count, reach_um, count)
    told = [(float(at), 0.0) for at in steps] + [(reach_um, float(at)) for at in steps]
    first = rng.normal(0, scatter_um, 2)
    result = []
    for at in told:
        x, y = -np.asarray(matrix) @ (np.array(at) + rng.normal(0, scatter_um, 2) - first)
        result.append(Move(*at, Shift(float(x), float(y), 0.01)))
    return result


def straight_map(um_per_px: float = 0.1) -> StageMap:
    """A camera that sits straight."""
    return fit_stage_map(moves(np.eye(2) / um_per_px))
