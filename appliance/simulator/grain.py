"""Noise that every drawing of a slide shares, by the size of its grains; it joins at its borders."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
SIDE = 768
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
    """Noise with grains of a size; large grains are made on fewer points, which shows no difference."""
    coarser = 8 if size >= 16 else 4 if size >= 8 else 1
    points = white[: SIDE // coarser, : SIDE // coarser]
    reach = int(4 * size / coarser) + 2
    smooth = cv2.GaussianBlur(np.pad(points, reach, mode="wrap"), (0, 0), size / coarser)
    wide = (SIDE + 2 * reach * coarser,) * 2
    smooth = cv2.resize(smooth, wide, interpolation=cv2.INTER_CUBIC) if coarser > 1 else smooth
    smooth = smooth[reach * coarser : reach * coarser + SIDE, reach * coarser : reach * coarser + SIDE]
    return np.asarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float32)
