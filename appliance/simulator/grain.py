"""Noise that every drawing of a slide shares, by the size of its grains; it joins at its borders."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
SIDE = 512
SIZES_PX = (0.8, 1.2, 1.7, 2.5, 4.0, 9.0, 24.0)


class Grain:
    """Gaussian noise of mean 0 and variance 1 in several sizes of grain, each a SIDE×SIDE torus."""

    def __init__(self, rng: np.random.Generator) -> None:
        white = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
        self._tori = {size: _smoothed(white, size) for size in SIZES_PX}

    def torus(self, size_px: float) -> Grey:
        """Return the whole torus whose grains are about so large: one of `SIZES_PX`."""
        return self._tori[size_px]

    def piece(self, rng: np.random.Generator, side: int, size_px: float) -> Grey:
        """Return a side×side piece from anywhere. side: up to SIDE."""
        top, left = (int(n) for n in rng.integers(0, SIDE - side + 1, 2))
        return self._tori[size_px][top : top + side, left : left + side]


def _smoothed(white: Grey, size: float) -> Grey:
    reach = int(size * 4) + 1
    wide = np.pad(white, reach, mode="wrap")
    smooth = cv2.GaussianBlur(wide, (0, 0), size)[reach:-reach, reach:-reach]
    return np.asarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float32)
