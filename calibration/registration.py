"""How far the content of one picture lies from the same content in another, to a hundredth of a pixel.

First by phase correlation of small, evened pictures, padded so that no shift wraps around; its highest peaks are judged
by how alike the pictures are where they then overlap. Then by least squares over the overlap, part by part: how much
the parts differ says how well the shift is known.

Sources: Kuglin and Hines 1975, Proc. IEEE Conf. Cybernetics and Society 163 (phase correlation); Lucas and Kanade 1981,
IJCAI 674, with the mean of both pictures' gradients (Robinson and Milanfar 2004, IEEE Trans. Image Process. 13:1185, on
the bias that this takes away); Efron 1982, The Jackknife (uncertainty from parts).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from calibration.errors import CalibrationRefused
from calibration.even_light import green_of

Plane = NDArray[np.float32]
Numbers = NDArray[np.float64]

SMALL_PX = 400  # the longer side on which shifts are sought
EVEN_OVER = 7  # so many times the light may change across a picture
PEAKS = 6
LEAST_SHARE = 0.12  # of the picture, that both show
LEAST_SIDE_PX = 40
LEAST_ALIKE = 0.30
TWIN = 0.93  # of the best likeness: another place so alike leaves the shift open
VALLEY = 0.7  # of a twin's likeness, that lies between it and the best: otherwise both are one peak
FINE_SMOOTH_PX = 1.3
ROUNDS = 4
PARTS = 6  # along the longer side of the overlap
SURE_PX = (
    0.004  # eight bits and the edges of the overlap leave so much, found over drawn pictures that lie exactly
)
TAPS = 4  # on each side, of the filter that moves a picture by part of a pixel


@dataclass(frozen=True, slots=True)
class Shift:
    """How far content moved from one picture to another: what was at (x, y) is at (x + dx, y + dy).

    uncertainty_px: the standard uncertainty of each of both.  alike: correlation of what both show, to 1.
    """

    dx_px: float
    dy_px: float
    uncertainty_px: float
    alike: float = 1.0

    def __add__(self, later: Shift) -> Shift:
        """Return the shift over both: from the first picture of this to the second of the later."""
        return Shift(
            self.dx_px + later.dx_px,
            self.dy_px + later.dy_px,
            math.hypot(self.uncertainty_px, later.uncertainty_px),
            min(self.alike, later.alike),
        )

    def __neg__(self) -> Shift:
        """Return the shift from the second picture back to the first."""
        return Shift(-self.dx_px, -self.dy_px, self.uncertainty_px, self.alike)


def shift_between(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Shift:
    """Return how far the content moved. first, second: uint8, H×W×3, RGB, of one camera setting.

    Raises CalibrationRefused: pictures of unlike sizes, dark, without detail, that share nothing, or that repeat
    themselves (a ruler), so that several shifts fit.
    """
    if first.shape != second.shape:
        raise CalibrationRefused(
            f"Pictures of {first.shape[1]} × {first.shape[0]} and {second.shape[1]} × {second.shape[0]} px cannot be "
            "compared. Take both with one camera setting."
        )
    evened = [
        _evened(green_of(each, name)) for each, name in ((first, "The first picture"), (second, "The second"))
    ]
    coarse, alike = _coarse(*evened)
    fine = [cv2.GaussianBlur(each, (0, 0), FINE_SMOOTH_PX) for each in evened]
    return _fine(_plane(fine[0]), _plane(fine[1]), coarse, alike)


def _plane(array: object) -> Plane:
    return np.asarray(array, dtype=np.float32)


def _evened(green: NDArray[np.uint8]) -> Plane:
    """The light's share against its surroundings, 0 in the middle: vignetting and the lamp's level drop out."""
    light = green.astype(np.float32) + 1.0
    wide = max(light.shape) / EVEN_OVER
    few = 4
    small = cv2.resize(light, (light.shape[1] // few, light.shape[0] // few), interpolation=cv2.INTER_AREA)
    around = cv2.resize(
        cv2.GaussianBlur(small, (0, 0), wide / few), light.shape[::-1], interpolation=cv2.INTER_LINEAR
    )
    return _plane(np.clip(light / around - 1, -0.6, 0.6))


def _coarse(first: Plane, second: Plane) -> tuple[tuple[float, float], float]:
    """The shift to about a pixel of a small picture, and how alike the pictures then are."""
    factor = max(1, math.ceil(max(first.shape) / SMALL_PX))
    size = first.shape[1] // factor, first.shape[0] // factor
    one, other = (
        _plane(cv2.GaussianBlur(cv2.resize(each, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0))
        for each in (first, second)
    )
    shape = tuple(fft.next_fast_len(2 * side, real=True) for side in one.shape)
    window = _plane(np.outer(*(_faded(side) for side in one.shape)))
    spectra = [fft.rfft2((each - each.mean()) * window, shape) for each in (one, other)]
    cross = spectra[1] * np.conj(spectra[0])
    strength = np.abs(cross)
    strength += np.median(strength)
    # Whitened where there is signal: what is weaker than the usual is noise and stays weak. Pictures that share little,
    # and that little soft, need the half-whitened one too.
    judged = []
    for weight in (1 / strength, 1 / np.sqrt(strength)):
        likely = fft.irfft2(cross * weight, shape)
        judged += [(_alike(one, other, dx, dy), dx, dy) for dx, dy in _peaks(likely)]
    judged.sort(reverse=True)
    alike, dx, dy = judged[0]
    if alike < LEAST_ALIKE:
        raise CalibrationRefused(
            "The two pictures share nothing that can be told: they lie too far apart, or show bare "
            "glass, or one is out of "
            "focus. Move by less than half a picture, over a smear."
        )
    if any(
        value > TWIN * alike and _valley(one, other, (dx, dy), (x, y)) < VALLEY * value
        for value, x, y in judged[1:]
    ):
        raise CalibrationRefused(
            "The two pictures fit over one another in several ways, as those of a ruler or grid do. Take pictures of a "
            "smear instead."
        )
    return (dx * factor, dy * factor), alike


def _valley(one: Plane, other: Plane, peak: tuple[int, int], twin: tuple[int, int]) -> float:
    """The least likeness on the way from one shift to another: soft pictures have one broad peak, rulers have many."""
    way = [(round(a + (b - a) * n / 9) for a, b in zip(peak, twin, strict=True)) for n in range(1, 9)]
    return min(_alike(one, other, *step) for step in way)


def _peaks(likely: Numbers) -> list[tuple[int, int]]:
    """The shifts (x, y) at the highest peaks of a correlation, which is taken apart."""
    found = []
    for _ in range(PEAKS):
        row, column = np.unravel_index(int(np.argmax(likely)), likely.shape)
        y, x = (
            int(at) - (side if at > side // 2 else 0)
            for at, side in zip((row, column), likely.shape, strict=True)
        )
        found.append((x, y))
        near = np.arange(-4, 5)
        likely[np.ix_((row + near) % likely.shape[0], (column + near) % likely.shape[1])] = -np.inf
    return found


def _faded(side: int) -> Numbers:
    """A window that falls off over the outer sixths only: large shifts need the borders."""
    at = (np.arange(side) + 0.5) / side
    return np.asarray(np.sin(np.minimum(1.0, 6 * np.minimum(at, 1 - at)) * np.pi / 2) ** 2)


def _overlap(shape: tuple[int, ...], dx: int, dy: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The rows and columns of the first and of the second picture that show the same."""
    height, width = shape
    of_first = slice(max(0, -dy), min(height, height - dy)), slice(max(0, -dx), min(width, width - dx))
    of_second = slice(max(0, dy), min(height, height + dy)), slice(max(0, dx), min(width, width + dx))
    return of_first, of_second


def _alike(one: Plane, other: Plane, dx: int, dy: int) -> float:
    """The correlation of the overlap; −1 where it is too small or holds nothing."""
    height, width = one.shape[0] - abs(dy), one.shape[1] - abs(dx)
    if min(height, width) < LEAST_SIDE_PX // 4 or height * width < LEAST_SHARE * one.size:
        return -1.0
    here, there = _overlap(one.shape, dx, dy)
    a, b = one[here] - one[here].mean(), other[there] - other[there].mean()
    spread = math.sqrt(float(np.vdot(a, a)) * float(np.vdot(b, b)))
    return float(np.vdot(a, b)) / spread if spread > 1e-6 * a.size else -1.0


def _fine(first: Plane, second: Plane, start: tuple[float, float], alike: float) -> Shift:
    """Least squares over the overlap, its parts' scatter as uncertainty."""
    shift = np.array(start)
    change, covariance = np.zeros(2), np.eye(2)
    for _ in range(ROUNDS):
        whole = np.rint(shift).astype(int)
        here, there = _overlap(first.shape, int(whole[0]), int(whole[1]))
        one, other = first[here], second[there]
        part = shift - whole
        other = _moved(other, -float(part[0]), -float(part[1]))
        inner = slice(TAPS, -TAPS)
        change, covariance = _remaining(one[inner, inner], other[inner, inner])
        shift = shift + np.clip(change, -8, 8)
        if np.abs(change).max() < 0.002:
            break
    if not np.all(np.isfinite(shift)) or np.abs(change).max() > 0.2 or np.hypot(*(shift - start)) > 25:
        raise CalibrationRefused(
            "The two pictures look alike, but no shift makes them fit. Was one taken while the stage "
            "moved? Take them again."
        )
    return Shift(
        float(shift[0]), float(shift[1]), math.sqrt(float(np.trace(covariance)) / 2 + SURE_PX**2), alike
    )


def _moved(plane: Plane, dx: float, dy: float) -> Plane:
    """A smooth plane moved by parts of a pixel (windowed sinc: exact to 1e-4 where nothing is finer than 3 px)."""
    at = np.arange(-TAPS, TAPS + 1)
    kernels = [np.sinc(at + off) * np.cos(np.pi * (at + off) / (2 * TAPS + 2)) ** 2 for off in (dx, dy)]
    x, y = ((kernel / kernel.sum()).astype(np.float32) for kernel in kernels)
    return _plane(cv2.sepFilter2D(plane, cv2.CV_32F, x, y, borderType=cv2.BORDER_REFLECT))


def _remaining(one: Plane, other: Plane) -> tuple[Numbers, Numbers]:
    """By how much the second is still off, and its covariance, from the parts of the overlap."""
    mean = _plane((one + other) / 2)
    kernel = np.array([-0.5, 0.0, 0.5], dtype=np.float32)
    still = np.array([1.0], dtype=np.float32)
    x, y = (_plane(cv2.sepFilter2D(mean, cv2.CV_32F, *pair)) for pair in ((kernel, still), (still, kernel)))
    difference = _plane(one - other)
    side = max(16.0, max(one.shape) / PARTS)
    rows, columns = (max(2, round(length / side)) for length in one.shape)
    return _combined(*_without_light(_products((rows, columns), mean, x, y, difference)))


def _products(parts: tuple[int, int], light: Plane, x: Plane, y: Plane, difference: Plane) -> Numbers:
    """Each part's sums of products, P×7×7: of a level, slopes both ways, light, gradients both ways, difference."""
    rows, columns = parts
    high, wide = light.shape[0] // rows, light.shape[1] // columns
    terms = np.empty((rows * columns, 7, high * wide))
    terms[:, 0] = 1.0
    terms[:, 1] = np.tile(np.linspace(-1, 1, wide), high)
    terms[:, 2] = np.repeat(np.linspace(-1, 1, high), wide)
    for place, each in enumerate((light, x, y, difference), 3):
        whole = each[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
        terms[:, place] = whole.swapaxes(1, 2).reshape(rows * columns, -1)
    return np.asarray(terms @ terms.swapaxes(1, 2))


def _without_light(products: Numbers) -> tuple[Numbers, Numbers]:
    """Each part's normal equations, less what another level, slope or contrast of its light would explain."""
    explained = np.linalg.solve(products[:, :4, :4] + 1e-9 * np.eye(4), products[:, :4, 4:])
    rest = products[:, 4:, 4:] - np.swapaxes(products[:, :4, 4:], 1, 2) @ explained
    return rest[:, :2, :2], rest[:, :2, 2]


def _combined(normal: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
    """The shift that all parts agree on, without those that differ wildly (dirt that stays, cells that swim)."""
    keep = np.linalg.det(normal) > 1e-4 * np.median(np.linalg.det(normal))
    each = np.linalg.solve(normal + 1e-12 * np.eye(2), right[..., None])[..., 0]
    for _ in range(3):
        total = np.linalg.inv(normal[keep].sum(axis=0) + 1e-12 * np.eye(2))
        shift = total @ right[keep].sum(axis=0)
        off = np.hypot(*(each - np.median(each[keep], axis=0)).T)
        near = off < max(0.03, 6 * float(np.median(off[keep])))
        if (keep & near).sum() < 4 or np.array_equal(keep & near, keep):
            break
        keep = keep & near
    rest = right[keep] - normal[keep] @ shift
    free = int(keep.sum()) - 1
    few = free / (free - 2) if free > 2 else 3.0
    scatter = rest.T @ rest * (free + 1) / max(1, free) * few
    return shift, np.asarray(total @ scatter @ total)
