"""How much detail a picture holds: what a focus search climbs.

Every measure looks at one grey plane: the green channel (stained cells absorb green most), binned to about
the optical resolution and divided by its own mean, so that neither the lamp's level nor a flicker between
exposures moves it. `contrast` is the one that ships; `benchmarks/focus.py` compares it with the others and
`docs/decisions/focus-by-autocorrelation.md` says why it won.

Sources: Vollath 1987, J. Microsc. 147:279 (F4) and 1988, J. Microsc. 151:133 (F5); Tenenbaum 1970, thesis,
Stanford, in Krotkov 1987, Int. J. Comput. Vis. 1:223 (Tenengrad); Brenner et al. 1976, J. Histochem. Cytochem.
24:100; Groen, Young and Ligthart 1985, Cytometry 6:81 (normalised variance); Pech-Pacheco et al. 2000, ICPR 3:314
(variance of the Laplacian). Compared on blood smears: Liu, Wang and Sun 2007, J. Microsc. 227:15; on sputum
smears: Osibote et al. 2010, J. Microsc. 240:155.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# About what an oil lens of NA 1.25 resolves in green light: finer pixels hold noise and no more detail.
PLANE_UM_PER_PX = 0.20
LEAST_SIDE_PX = 16
TILE_PX = 40

Plane = NDArray[np.float32]
Measure = Callable[[Plane], float]


def contrast(pixels: NDArray[np.uint8], um_per_px: float) -> float:
    """Return the contrast of a frame by the measure that ships: larger is sharper, 0 is an even grey.

    pixels: uint8, H×W×3 RGB or H×W grey.  Comparable between frames of one scale and nearly the same content.
    Raises ValueError as `focus_plane` does.
    """
    return wide_vollath_f4(focus_plane(pixels, um_per_px))


def focus_plane(pixels: NDArray[np.uint8], um_per_px: float) -> Plane:
    """Return the plane that measures look at: float32, binned by whole pixels, of mean 1.

    Binning averages whole blocks, never more than `PLANE_UM_PER_PX` wide unless the pixels themselves are.
    Raises ValueError for an array that is no picture, one under 16 px on a side, and a black one.
    """
    grey = _green(pixels)
    if not um_per_px > 0:
        raise ValueError(f"A pixel size of {um_per_px} µm is not positive.")
    block = max(1, int(PLANE_UM_PER_PX / um_per_px + 1e-6))
    height, width = grey.shape[0] // block, grey.shape[1] // block
    if min(height, width) < LEAST_SIDE_PX:
        raise ValueError(
            f"A picture of {grey.shape[1]} × {grey.shape[0]} px is too small to measure its contrast."
        )
    if block > 1:
        whole = grey[: height * block, : width * block]
        grey = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    mean = cv2.mean(grey)[0]
    if not mean > 0:
        raise ValueError("A black picture has no contrast. Check the lamp and the exposure.")
    return np.multiply(grey, np.float32(1 / mean), dtype=np.float32)


def vollath_f4(plane: Plane, lag: int = 1) -> float:
    """Return how far the autocorrelation drops from one lag to two, along rows.

    Written with squared differences, 2 (R1 − R2) = mean (I₂ − I₀)² − mean (I₁ − I₀)², so that a slope of the
    light leaves no rest. White noise is the same in both and adds nothing on average. Along rows only: the
    bands that a flickering lamp leaves on a rolling shutter run along rows and cancel.
    """
    one, two = plane[:, lag:] - plane[:, :-lag], plane[:, 2 * lag :] - plane[:, : -2 * lag]
    return (_mean_product(two, two) - _mean_product(one, one)) / 2


def wide_vollath_f4(plane: Plane) -> float:
    """Return Vollath's F4 with lags of 2 and 4 px: wider, and free of noise that has spread to the next pixel."""
    return vollath_f4(plane, 2)


def tiled_vollath_f4(plane: Plane) -> float:
    """Return Vollath's F4 of tiles about as large as a cell, averaged by their square roots.

    What is spread over the field counts in full; a few specks of dust, however sharp, count as few. (The power
    mean with exponent ½ weighs a value V in a share f of the tiles as f² V, where the plain mean has f V.)
    """
    one, two = plane[:, 1:-1] - plane[:, :-2], plane[:, 2:] - plane[:, :-2]
    drop = two * two - one * one
    size = max(1, drop.shape[1] // TILE_PX), max(1, drop.shape[0] // TILE_PX)
    tiles = cv2.resize(drop, size, interpolation=cv2.INTER_AREA)
    # Signed roots: in tiles without detail noise falls on both sides of 0 and cancels.
    root = float((np.sign(tiles) * np.sqrt(np.abs(tiles) / 2)).mean(dtype=np.float64))
    return root * abs(root)


def vollath_f5(plane: Plane) -> float:
    """Return the covariance of neighbours along rows."""
    here, near = plane[:, :-1], plane[:, 1:]
    return _mean_product(here, near) - float(here.mean()) * float(near.mean())


def tenengrad(plane: Plane) -> float:
    """Return the mean squared length of the Sobel gradient, without a threshold."""
    across = cv2.Sobel(plane, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1)
    return _mean_product(across, across) + _mean_product(down, down)


def brenner(plane: Plane) -> float:
    """Return the mean squared difference between pixels two apart along rows."""
    step = plane[:, 2:] - plane[:, :-2]
    return _mean_product(step, step)


def normalised_variance(plane: Plane) -> float:
    """Return the variance of the plane, whose mean is 1."""
    deviation = float(cv2.meanStdDev(plane)[1][0, 0])
    return deviation * deviation


def laplacian_variance(plane: Plane) -> float:
    """Return the variance of the Laplacian."""
    deviation = float(cv2.meanStdDev(cv2.Laplacian(plane, cv2.CV_32F))[1][0, 0])
    return deviation * deviation


def band_energy(plane: Plane) -> float:
    """Return the energy between two Gaussians of 1 and 2 px: details of 0.5 to 1.5 µm."""
    band = np.subtract(
        cv2.GaussianBlur(plane, (0, 0), 1.0), cv2.GaussianBlur(plane, (0, 0), 2.0), dtype=np.float32
    )
    return _mean_product(band, band)


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "Vollath F4": vollath_f4,
        "Vollath F4, lags 2 and 4": wide_vollath_f4,
        "Vollath F4 by tiles": tiled_vollath_f4,
        "Vollath F5": vollath_f5,
        "Tenengrad": tenengrad,
        "Brenner": brenner,
        "normalised variance": normalised_variance,
        "variance of Laplacian": laplacian_variance,
        "band energy": band_energy,
    }
)


def _green(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return np.asarray(cv2.extractChannel(pixels, 1), dtype=np.uint8)
    if pixels.ndim != 2:
        raise ValueError(f"An array of shape {pixels.shape} is no picture in RGB or grey.")
    return np.ascontiguousarray(pixels)


def _mean_product(one: NDArray[Any], other: NDArray[Any]) -> float:
    # einsum needs no copy of the shifted views; float32 sums by row and float64 over rows keep seven digits.
    rows = np.einsum("ij,ij->i", one, other)
    return float(rows.sum(dtype=np.float64)) / one.size
