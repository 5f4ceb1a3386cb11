"""Drawn fields of red cells, with what else is round on a smear."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

GLASS = (236, 226, 214)
HAEMOGLOBIN = (205, 160, 165)
PALE = (228, 208, 202)
NUCLEUS = (95, 45, 140)
PLATELET = (170, 120, 190)

Picture = NDArray[np.uint8]


def red_cell_field(
    um_per_px: float,
    diameters_um: Sequence[float] = (7.2,) * 20,
    side_um: float = 70.0,
    nuclei: int = 1,
    platelets: int = 0,
    clumped: bool = False,
    seed: int = 1,
) -> Picture:
    """A square field with so many single red cells, pale in their middle, on a grid with some play.

    nuclei: cells 11 µm wide, round and dark, in the first places.  platelets: 2.5 µm wide, between the places.
    clumped: every cell touches the next one.
    """
    random = np.random.default_rng(seed)
    fine = 2  # drawn twice as fine, and averaged
    side = round(side_um / um_per_px) * fine
    picture = np.full((side, side, 3), GLASS, np.float32)
    columns = max(1, int(side_um // 13.0))
    pitch = 6.9 if clumped else 13.0
    for number, diameter in enumerate((*(11.0,) * nuclei, *diameters_um)):
        row, column = divmod(number, columns)
        play = np.zeros(2) if clumped else random.uniform(-0.5, 0.5, 2)
        x, y = (np.array([column, row]) * pitch + 7.0 + play) / um_per_px * fine
        _disc(picture, x, y, diameter / um_per_px * fine, NUCLEUS if number < nuclei else HAEMOGLOBIN)
        if number >= nuclei and number % 4:
            _disc(picture, x, y, 0.4 * diameter / um_per_px * fine, PALE)
    for number in range(platelets):
        row, column = divmod(number, columns - 1)
        x, y = (np.array([column, row]) * pitch + 7.0 + pitch / 2) / um_per_px * fine
        _disc(picture, x, y, 2.5 / um_per_px * fine, PLATELET)
    small = cv2.resize(picture, (side // fine, side // fine), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), 0.15 / um_per_px)
    return np.clip(soft + random.normal(0, 1.5, soft.shape), 0, 255).astype(np.uint8)


_drawn_once = cache(red_cell_field)


def fields(um_per_px: float, many: int = 3, **changes: object) -> list[Picture]:
    """Several such fields, each another one."""
    return [_drawn_once(um_per_px, seed=seed, **changes).copy() for seed in range(many)]


def _disc(
    picture: NDArray[np.float32], x: float, y: float, diameter: float, colour: tuple[int, int, int]
) -> None:
    centre = (round(x * 16), round(y * 16))
    cv2.circle(picture, centre, round(diameter * 8), colour, cv2.FILLED, cv2.LINE_8, 4)
