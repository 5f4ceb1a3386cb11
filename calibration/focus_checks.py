"""What focus tells: how deep an objective is in focus, how a slide lies, how objectives differ in height, z's play."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from calibration.errors import CalibrationRefused
from calibration.focus_curve import NoPeak, Sample, find_peak
from calibration.measured import Measured

Numbers = NDArray[np.float64]

FEWEST_HEIGHTS = 9
FEWEST_PLACES = 9
FAR_OFF = 6.0  # usual distances from the surface: a focus that went wrong
MOST_FAR_OFF = 0.25  # of the places
LEAST_REACH_MM = 1.0
MOST_TILT = 10.0  # µm/mm
MOST_SCATTER_UM = 5.0
FEWEST_PAIRS = 5
FEWEST_STACKS = 2  # pairs of them
NEGATIVE_BEYOND = 4.0  # standard uncertainties below nothing
MM_UM = 1000.0
SHAPES = (0.3, 8.0)
MOST_LEFT = 0.15  # of its rise, that a curve may scatter
MOST_POWERS = 3  # beside the peak, so that its flanks may fall as those of a lens


@dataclass(frozen=True, slots=True)
class FocusDepth:
    """The curve of contrast against height. depth: its full width half-way
    between its top and the lower of its ends.  peak: the height of best focus.

    residual: of the curve that was fitted, as a share of its rise (RMS).
    """

    depth: Measured
    peak: Measured
    residual: float


def measure_focus_depth(samples: Sequence[Sample]) -> FocusDepth:
    """Return depth and peak of a curve. samples: of one focus stack, heights ascending, both flanks well below half.

    A peak whose flanks fall as a power is fitted (a Pearson VII curve: Hall et al. 1977, J. Appl. Cryst. 10:66), which
    a defocused lens comes near, and even powers of the height beside it, which make up for what is left between the
    two. Noise of contrast is taken as a share of it.
    Raises CalibrationRefused: too few heights, no peak, or flanks that were not reached.
    """
    if len(samples) < FEWEST_HEIGHTS:
        raise CalibrationRefused(
            f"{len(samples)} heights are too few for a depth of focus, and {FEWEST_HEIGHTS} are "
            "needed. Take a longer stack."
        )
    found = find_peak(samples)
    if isinstance(found, NoPeak):
        raise CalibrationRefused(f"The focus stack has no peak: {found.detail}")
    if found.width_um is None:
        raise CalibrationRefused(
            "The focus stack does not reach down to half the contrast on both sides of its peak. Take a wider stack."
        )
    height = np.array([sample.z_um for sample in samples])
    values = np.array([sample.contrast for sample in samples])
    base = float(values.min())
    rise = found.contrast - base
    at, level = (height - found.z_um) / found.width_um, (values - base) / rise
    whole, covariance, left = _fitted(at, level, base / rise)
    if left > MOST_LEFT:
        raise CalibrationRefused(
            f"The focus stack is no smooth peak: it scatters by {100 * left:.0f} % of its rise. Is "
            "the stand shaken, or the "
            "lamp unsteady? Take it again."
        )
    depth, slope = _depth_and_slope(whole, at)
    return FocusDepth(
        Measured(found.width_um * depth, found.width_um * math.sqrt(float(slope @ covariance @ slope)), "µm"),
        Measured(
            found.z_um + found.width_um * float(whole[0]),
            found.width_um * math.sqrt(float(covariance[0, 0])),
            "µm",
        ),
        left,
    )


def _fitted(at: Numbers, level: Numbers, floor: float) -> tuple[Numbers, Numbers, float]:
    """The curve through a stack, its covariance, and what it leaves (RMS; infinite where none was found).

    floor: the contrast that the lowest level stands for, of the rise.
    """
    # Without the even powers what no lens follows would be taken for noise, which a peak is not moved by.
    more = min(MOST_POWERS, (len(at) - 7) // 2)
    whole = np.array([0.0, 1.0, 1.0, 0.0, 1.0] + [0.0] * more)
    least = [-1, 0.1, 0.3, -0.5, math.log(SHAPES[0])] + [-1] * more
    most = [1, 5, 2, 0.4, math.log(SHAPES[1])] + [1] * more
    share = np.ones(len(at))
    for _ in range(3):
        fit = least_squares(
            _left, whole, args=(at, level, share), x_scale=[0.1, 0.1, 0.1, 0.1, 1.0] + [0.1] * more,
            max_nfev=300, ftol=1e-6, xtol=1e-6, bounds=(least, most),
        )  # fmt: skip
        whole = fit.x
        share = np.maximum(_curve(whole, at) + floor, 0.02)
    if not fit.success:
        return whole, np.zeros((len(whole), len(whole))), math.inf
    free = len(at) - len(whole)
    left = float(np.sqrt(np.sum((_curve(whole, at) - level) ** 2) / free))
    # A spread from few values is known badly (Student): ν / (ν − 2) makes up for it.
    few = free / (free - 2) if free > 2 else 3.0
    size = np.linalg.norm(fit.jac, axis=0) + 1e-12
    known = np.linalg.pinv((fit.jac / size).T @ (fit.jac / size), rcond=1e-10) / np.outer(size, size)
    return whole, known * 2 * float(fit.cost) / free * few, left


def _curve(p: Numbers, at: Numbers, reach: float | None = None) -> Numbers:
    """A peak at p[0], p[1] wide at half its height p[2], on a floor of p[3]; its shape's logarithm is p[4].

    What follows are the fourth, sixth and further powers of the way from the peak, over the reach of the stack.
    """
    shape = math.exp(p[4])
    opened = 2 ** (1 / shape) - 1
    curve = p[3] + p[2] * (1 + opened * (2 * (at - p[0]) / p[1]) ** 2) ** -shape
    along = (at - p[0]) / (float(np.abs(at).max()) if reach is None else reach)
    for power, factor in enumerate(p[5:], 2):
        curve = curve + factor * along ** (2 * power)
    return np.asarray(curve)


def _depth(p: Numbers, at: Numbers) -> float:
    """The width where the curve is half-way between its top and its lowest end."""
    reach = float(np.abs(at).max())
    low = float(_curve(p, at[[0, -1]], reach).min())
    aside = np.linspace(0.0, float(np.abs(at - p[0]).max()), 1001)
    level = _curve(p, p[0] + aside, reach)
    half = (float(level[0]) + low) / 2
    first = max(1, int(np.argmax(level < half)))
    share = (float(level[first - 1]) - half) / float(level[first - 1] - level[first])
    return 2 * float(aside[first - 1] + share * aside[1])


def _depth_and_slope(p: Numbers, at: Numbers) -> tuple[float, Numbers]:
    """The width, and by how much it changes with each parameter (taken numerically)."""
    steps = np.eye(len(p)) * 1e-4
    slope = [(_depth(p + step, at) - _depth(p - step, at)) / 2e-4 for step in steps]
    return _depth(p, at), np.array(slope)


def _left(p: Numbers, at: Numbers, level: Numbers, share: Numbers) -> Numbers:
    return np.asarray((_curve(p, at) - level) / share)


@dataclass(frozen=True, slots=True)
class FocusHeight:
    """The height of best focus at a place of the stage, µm."""

    x_um: float
    y_um: float
    z_um: float


@dataclass(frozen=True, slots=True)
class SlideTilt:
    """How a slide lies: the plane, and the curvature, that heights of best focus have.

    x, y: rise per way along the stage's axes, µm/mm.  height: of the surface above the places' middle, µm.
    bow: rise per squared way from that middle, µm/mm².  curved_um: how far the surface stands off its plane by
    that (RMS).
    residual_um: what the surface does not explain (RMS).  left_out: places whose focus did not fit the others.
    """

    x: Measured
    y: Measured
    height: Measured
    bow: Measured
    curved_um: float
    residual_um: float
    places: int
    left_out: int

    @property
    def sentence(self) -> str:
        """How it lies, and what to do."""
        steepest = math.hypot(self.x.value, self.y.value)
        lies = f"The slide rises by {self.x} along x and {self.y} along y"
        if steepest > MOST_TILT / 2:
            return f"{lies}: more than usual. Look for a chip of glass or dried oil under it, and level its holder."
        return f"{lies}."


def measure_tilt(heights: Sequence[FocusHeight]) -> SlideTilt:
    """Return how a slide lies. heights: nine places or more, not along one line; single ones that went wrong
    drop out.

    Raises CalibrationRefused: too few places or too near one another, many that do not fit, and a slide that
    does not lie.
    """
    if len(heights) < FEWEST_PLACES:
        raise CalibrationRefused(
            f"{len(heights)} places are too few for a tilt, and {FEWEST_PLACES} are needed. Focus at more."
        )
    at = np.array([[each.x_um, each.y_um] for each in heights]) / MM_UM
    z = np.array([each.z_um for each in heights])
    at -= at.mean(axis=0)
    reach = np.linalg.svd(at, compute_uv=False) / math.sqrt(len(at))
    if reach[0] < LEAST_REACH_MM / 2 or reach[1] < 0.1 * reach[0]:
        raise CalibrationRefused(
            "The places lie along one line or too near one another to tell how the slide is tilted. "
            "Focus at places several "
            "millimetres apart, both ways."
        )
    squared = np.sum(at**2, axis=1)
    columns = np.column_stack([np.ones(len(at)), at, squared - squared.mean()])
    used = _fitting(columns, z)
    left_out = len(z) - int(used.sum())
    if left_out > MOST_FAR_OFF * len(z) or used.sum() < FEWEST_PLACES - 2:
        raise CalibrationRefused(
            f"{left_out} of {len(z)} heights do not fit one surface: focus was not found there, or "
            "the slide moves in its "
            "holder. Clamp it, and focus again."
        )
    # A ring of places has one distance from the middle: what is not known of the bow is not asked.
    solved, known = _solved(columns[used], z[used])
    left = z[used] - columns[used] @ solved
    free = int(used.sum()) - int(np.linalg.matrix_rank(columns[used], tol=1e-6))
    rms = math.sqrt(float(left @ left) / max(1, free))
    if rms > MOST_SCATTER_UM:
        raise CalibrationRefused(
            f"The heights scatter by {rms:.1f} µm about any surface: focus is not found well enough "
            "to tell a tilt. Clean the "
            "slide, and focus again."
        )
    steepest = math.hypot(solved[1], solved[2])
    if steepest > MOST_TILT:
        raise CalibrationRefused(
            f"The slide rises by {steepest:.1f} µm/mm, and no slide that lies in its holder does by "
            f"more than {MOST_TILT:g}. "
            "Seat it anew."
        )
    unsure = rms * np.sqrt(np.diag(known) * (free / (free - 2) if free > 2 else 3.0))
    x, y, bow = (
        Measured(float(solved[n]), float(unsure[n]), unit)
        for n, unit in ((1, "µm/mm"), (2, "µm/mm"), (3, "µm/mm²"))
    )
    return SlideTilt(
        x, y, Measured(float(solved[0]), float(unsure[0]), "µm"), bow, float(np.std(columns[:, 3] * solved[3])), rms,
        int(used.sum()), left_out,
    )  # fmt: skip


def _solved(columns: Numbers, z: Numbers) -> tuple[Numbers, Numbers]:
    known = np.linalg.pinv(columns.T @ columns, rcond=1e-9)
    return np.asarray(known @ columns.T @ z), np.asarray(known)


def _fitting(columns: Numbers, z: Numbers) -> NDArray[np.bool_]:
    """Which heights fit the surface that most of them lie on."""
    weight = np.ones(len(z))
    for _ in range(20):
        whole = np.linalg.lstsq(columns * weight[:, None], z * weight, rcond=1e-9)[0]
        off = np.abs(z - columns @ whole)
        weight = 1 / np.sqrt(np.maximum(off, 0.3 * np.median(off) + 1e-6))
    # Four numbers were fitted so that four distances are nearly nothing: the others tell what is usual.
    usual = 1.4826 * float(np.median(np.sort(off)[4:]))
    return np.asarray(off <= max(FAR_OFF * usual, 0.5))


@dataclass(frozen=True, slots=True)
class Parfocal:
    """How much higher the stage stands for an objective than for another. scatter_um: of one pair."""

    offset: Measured
    scatter_um: float
    pairs: int


def measure_parfocal(first_um: Sequence[float], other_um: Sequence[float]) -> Parfocal:
    """Return how much higher the stage is in focus with the other objective.

    first_um, other_um: heights of best focus, in pairs of one place, all approached from the same side.
    Raises CalibrationRefused: too few pairs, heights without partners, and pairs that do not agree.
    """
    if len(first_um) != len(other_um):
        raise CalibrationRefused(
            f"{len(first_um)} heights of one objective and {len(other_um)} of the other are no pairs. "
            "Focus with both at "
            "every place."
        )
    if len(first_um) < FEWEST_PAIRS:
        raise CalibrationRefused(
            f"{len(first_um)} pairs of heights are too few for a parfocal offset, and {FEWEST_PAIRS} are needed."
        )
    rises = np.asarray(other_um, dtype=np.float64) - np.asarray(first_um, dtype=np.float64)
    free = len(rises) - 1
    scatter = float(rises.std(ddof=1))
    if scatter > MOST_SCATTER_UM:
        raise CalibrationRefused(
            f"The objectives' heights differ by {scatter:.1f} µm more or less from place to place: "
            "one of them does not find "
            "focus, or the turret does not click into place. Check both, and focus again."
        )
    return Parfocal(
        Measured(float(rises.mean()), scatter * math.sqrt(free / (free - 2) / len(rises)), "µm"),
        scatter,
        len(rises),
    )


@dataclass(frozen=True, slots=True)
class ZBacklash:
    """How much of its way z loses when it turns round. scatter_um: of one pair of stacks."""

    um: Measured
    scatter_um: float
    pairs: int


def measure_z_backlash(from_below: Sequence[Measured], from_above: Sequence[Measured]) -> ZBacklash:
    """Return the play of z: how much lower it is told to be in focus when it comes from above.

    from_below, from_above: heights of best focus of one place (`FocusDepth.peak`), in pairs of stacks taken one after
    the other, each with the play taken up before its first picture.
    Raises CalibrationRefused: too few pairs, heights without partners, pairs that do not agree, and an axis that loses
    less than nothing.
    """
    if len(from_below) != len(from_above):
        raise CalibrationRefused(
            f"{len(from_below)} stacks from below and {len(from_above)} from above are no pairs. Take as many of both."
        )
    if len(from_below) < FEWEST_STACKS:
        raise CalibrationRefused(
            f"{len(from_below)} pairs of focus stacks are too few for the play of z, and {FEWEST_STACKS} are needed."
        )
    lost = np.array([low.value - high.value for low, high in zip(from_below, from_above, strict=True)])
    claimed = np.array(
        [low.uncertainty**2 + high.uncertainty**2 for low, high in zip(from_below, from_above, strict=True)]
    )
    scatter = float(lost.std(ddof=1))
    if scatter > MOST_SCATTER_UM:
        raise CalibrationRefused(
            f"The play of z differs by {scatter:.1f} µm from one pair of focus stacks to the next: the stand is "
            "shaken, or the stage sinks. Look for loose screws, and measure again."
        )
    # Pairs scatter by what each stack is not known by, and perhaps by more: of few, that is known badly (Student).
    free = len(lost) - 1
    known = float(claimed.mean())
    more = max(0.0, scatter**2 - known) * (free / (free - 2) if free > 2 else 3.0)
    um = Measured(float(lost.mean()), math.sqrt((known + more) / len(lost)), "µm")
    if um.value < -NEGATIVE_BEYOND * um.uncertainty - 0.1:
        raise CalibrationRefused(
            f"z goes {-um.value:.2f} µm farther than told when it turns round: the controller makes up for more "
            "backlash than there is. Set its backlash to 0, and measure again."
        )
    return ZBacklash(um, scatter, len(lost))
