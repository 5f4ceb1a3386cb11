"""Where one lens looks while the stage stands where another saw a place: overview and objective, or two objectives.

Pictures of one part of a slide are laid on the stage's axes at the coarser one's scale and registered there. A
lens that sees
very little of what the other sees is reached in steps: overview to 4×, 4× to 20×, 20× to 100×; offsets add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.registration import shift_between

Numbers = NDArray[np.float64]

FEWEST_PAIRS = 3
LEAST_SIDE_PX = 96
MOST_SIDE_PX = 480


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A picture that a lens took: uint8, H×W×3 RGB, with the stage at x_um, y_um.

    matrix: 2×2, px per µm of the stage, as `StageMap.matrix` of this lens: a place so far away lies at
    matrix·d from the
    picture's middle.
    """

    pixels: NDArray[np.uint8]
    x_um: float
    y_um: float
    matrix: Numbers

    @property
    def um_per_px(self) -> float:
        """The side of a square as large as a pixel."""
        return 1 / math.sqrt(abs(float(np.linalg.det(self.matrix))))


@dataclass(frozen=True, slots=True)
class LensOffset:
    """How far to move the stage so that the fine lens sees, in its middle, what the coarse one saw in its own.

    scatter_um: of one pair, along each axis.
    """

    x: Measured
    y: Measured
    scatter_um: float
    pairs: int

    def __add__(self, finer: LensOffset) -> LensOffset:
        """Return the offset from this one's coarse lens to the other's fine one."""
        x, y = (
            Measured(one.value + other.value, math.hypot(one.uncertainty, other.uncertainty), "µm")
            for one, other in ((self.x, finer.x), (self.y, finer.y))
        )
        return LensOffset(x, y, math.hypot(self.scatter_um, finer.scatter_um), min(self.pairs, finer.pairs))


def measure_lens_offset(pairs: Sequence[tuple[Look, Look]]) -> LensOffset:
    """Return the offset of two lenses. pairs: what the coarse and the fine lens saw, of three parts of a slide
    or more.

    Both of a pair must show the same to at least half the fine one's width.
    Raises CalibrationRefused: too few pairs, lenses too unlike, pictures that share nothing, and pairs that do
    not agree.
    """
    if len(pairs) < FEWEST_PAIRS:
        raise CalibrationRefused(
            f"{len(pairs)} pairs of pictures are too few for a lens offset, and {FEWEST_PAIRS} are "
            "needed. Take more, at other "
            "parts of the slide."
        )
    found, unsure = [], []
    for number, (coarse, fine) in enumerate(pairs, 1):
        try:
            x_um, y_um, uncertainty_um = _offset(coarse, fine)
        except CalibrationRefused as refusal:
            raise CalibrationRefused(f"Pair {number}: {refusal}") from refusal
        found.append((x_um, y_um))
        unsure.append(uncertainty_um)
    offsets = np.array(found)
    scatter = _scatter(offsets)
    scale = max(look.um_per_px for pair in pairs for look in pair)
    if scatter > scale:
        raise CalibrationRefused(
            f"The pairs' offsets differ by {scatter:.1f} µm, more than a pixel of the coarser lens: "
            "the stage loses its place, "
            "or a scale is wrong. Home the stage, check both scales, and take them again."
        )
    free = 2 * (len(offsets) - 1)
    known = max(scatter**2 * free / (free - 2), float(np.mean(np.square(unsure))) / 4)
    each = math.sqrt(known / len(offsets))
    x, y = (Measured(float(value), each, "µm") for value in offsets.mean(axis=0))
    return LensOffset(x, y, scatter, len(offsets))


def _scatter(offsets: Numbers) -> float:
    off = offsets - offsets.mean(axis=0)
    return math.sqrt(float(np.sum(off**2)) / (2 * (len(offsets) - 1)))


def _offset(coarse: Look, fine: Look) -> tuple[float, float, float]:
    """The move, µm, and its uncertainty along each axis."""
    scale = max(coarse.um_per_px, fine.um_per_px)
    width, height = _common(coarse, fine, scale)
    laid = [_laid(look, scale, width, height) for look in (coarse, fine)]
    shift = shift_between(laid[0], laid[1])
    # What the coarse lens has at c + a, a from its middle, the fine one has at a + shift: its middle sees
    # c's middle once the stage has gone on by that shift.
    x_um = fine.x_um - coarse.x_um + shift.dx_px * scale
    y_um = fine.y_um - coarse.y_um + shift.dy_px * scale
    return x_um, y_um, shift.uncertainty_px * scale


def _common(coarse: Look, fine: Look, scale: float) -> tuple[int, int]:
    """The largest size, in pixels of a scale, that both show whole on the stage's axes."""
    sides = []
    for look in (coarse, fine):
        height, width = look.pixels.shape[:2]
        across = np.abs(look.matrix) * scale  # px of the picture for a px along each of the stage's axes
        shape = np.array([width, height], dtype=np.float64)
        square = float((shape / across.sum(axis=1)).min())
        # A rectangle as long as the picture where that fits, a square where the picture is turned far.
        aspect = shape / shape.max() if across[0, 0] >= across[0, 1] else shape[::-1] / shape.max()
        longest = float((shape / (across @ aspect)).min())
        best = max((longest * aspect[0], longest * aspect[1]), (square, square), key=min)
        sides.append(best)
    width, height = (min(MOST_SIDE_PX, int(min(each[axis] for each in sides))) for axis in (0, 1))
    if min(width, height) < LEAST_SIDE_PX:
        raise CalibrationRefused(
            f"the finer lens sees only {width} × {height} px of the coarser one's picture, and "
            f"{LEAST_SIDE_PX} are needed. Go by "
            "an objective between both, and add the offsets."
        )
    return width, height


def _laid(look: Look, scale: float, width: int, height: int) -> NDArray[np.uint8]:
    """The middle of a picture on the stage's axes, at a coarser scale: each pixel the mean of what it covers."""
    finer = scale / look.um_per_px
    pixels = look.pixels
    if finer > 1.2:
        # Softened to the coarser pixel first, so that nothing finer is left to alias.
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.5 * math.sqrt(finer**2 - 1)), dtype=np.uint8)
    forward = look.matrix * scale
    middle = (np.array(pixels.shape[1::-1]) - 1) / 2
    first = middle - forward @ ((np.array([width, height]) - 1) / 2)
    return np.asarray(
        cv2.warpAffine(
            pixels,
            np.column_stack([forward, first]),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )
