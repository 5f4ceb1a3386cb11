"""Contrast against height: where its peak lies, and whether it is a peak at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

FEWEST_SAMPLES = 5
LARGEST_CONTRAST = 1e9  # of a plane of mean 1 no measure comes near


class CurveFault(StrEnum):
    """Why a curve has no peak to trust."""

    TOO_FEW = "too few samples"
    UNREADABLE = "unreadable"
    FLAT = "flat"
    EDGE_OF_RANGE = "edge of range"
    DOUBLE_PEAKED = "double-peaked"
    NOT_REPRODUCED = "not reproduced"


@dataclass(frozen=True, slots=True)
class Sample:
    """The contrast that one exposure had at one height."""

    z_um: float
    contrast: float


@dataclass(frozen=True, slots=True)
class Demands:
    """What a curve must show to have a peak. Shares are of the rise from its lowest sample to its highest.

    least_contrast: a highest sample below it is an even grey.  least_ratio: the highest over the lowest.
    least_shoulder: at least one neighbour of the highest sample stands so high, or it is a single outlier.
    second_peak, dip: a second hill so high, behind a valley so deep, makes the curve double-peaked.
    """

    least_contrast: float = 2e-5
    least_ratio: float = 1.3
    least_shoulder: float = 0.15
    second_peak: float = 0.6
    dip: float = 0.15


@dataclass(frozen=True, slots=True)
class Peak:
    """The peak of a curve. width_um: at half the rise; None where the curve does not fall so far on both sides."""

    z_um: float
    contrast: float
    width_um: float | None


@dataclass(frozen=True, slots=True)
class NoPeak:
    """A curve without one, and why, in a sentence."""

    fault: CurveFault
    detail: str


def find_peak(
    samples: Sequence[Sample], demands: Demands | None = None, floor: float | None = None
) -> Peak | NoPeak:
    """Return the peak of a curve with sub-step precision, or why it has none.

    samples: of one sweep, heights strictly ascending.  floor: the contrast far from focus where a wider sweep
    knows it; the flatness of this sweep alone is then no fault.
    Raises ValueError for heights that do not ascend.
    """
    demands = demands or Demands()
    if any(not low.z_um < high.z_um for low, high in pairwise(samples)):
        raise ValueError("The heights of a sweep must ascend.")
    unusable = _unusable(samples)
    if unusable is not None:
        return unusable
    values = [sample.contrast for sample in samples]
    top = max(range(len(values)), key=values.__getitem__)
    base = min(values) if floor is None else min(floor, *values)
    fault = (
        _flat(samples, top, base, demands, known_floor=floor is not None)
        or _at_edge(samples, top)
        or _double(samples, top, base, demands)
    )
    if fault is not None:
        return fault
    z_um, contrast = _vertex(samples, top, base)
    return Peak(z_um, contrast, _width(samples, top, base))


def _unusable(samples: Sequence[Sample]) -> NoPeak | None:
    if len(samples) < FEWEST_SAMPLES:
        detail = (
            f"{len(samples)} heights are too few for a peak; it takes {FEWEST_SAMPLES}. "
            "Widen the range or the safe heights, or take smaller steps."
        )
        return NoPeak(CurveFault.TOO_FEW, detail)
    for sample in samples:
        if not abs(sample.contrast) < LARGEST_CONTRAST:
            detail = f"The picture at {sample.z_um:.1f} µm gave no contrast. Check the lamp and the camera."
            return NoPeak(CurveFault.UNREADABLE, detail)
    return None


def _flat(
    samples: Sequence[Sample], top: int, base: float, demands: Demands, *, known_floor: bool
) -> NoPeak | None:
    values = [sample.contrast for sample in samples]
    rise = values[top] - base
    span = f"between {samples[0].z_um:.1f} and {samples[-1].z_um:.1f} µm"
    low = values[top] < demands.least_contrast
    if low or rise <= 0 or (not known_floor and values[top] < demands.least_ratio * base):
        detail = (
            f"The contrast hardly changes {span}: there is nothing to focus on here, or focus is far away."
        )
        return NoPeak(CurveFault.FLAT, detail)
    neighbours = values[max(0, top - 1) : top] + values[top + 1 : top + 2]
    if max(neighbours) - base < demands.least_shoulder * rise:
        detail = (
            f"One picture, at {samples[top].z_um:.1f} µm, stands out of an even curve: "
            "a disturbance and not a focus, or the steps are too wide."
        )
        return NoPeak(CurveFault.FLAT, detail)
    return None


def _at_edge(samples: Sequence[Sample], top: int) -> NoPeak | None:
    if 0 < top < len(samples) - 1:
        return None
    end = "lower" if top == 0 else "upper"
    detail = f"The contrast is highest at the {end} end of the sweep, {samples[top].z_um:.1f} µm: focus lies beyond."
    return NoPeak(CurveFault.EDGE_OF_RANGE, detail)


def _double(samples: Sequence[Sample], top: int, base: float, demands: Demands) -> NoPeak | None:
    rise = samples[top].contrast - base
    for side in (samples[top::-1], samples[top:]):
        valley = math.inf
        for sample in side:
            valley = min(valley, sample.contrast)
            high = sample.contrast - base >= demands.second_peak * rise
            if high and sample.contrast - valley >= demands.dip * rise:
                detail = (
                    f"The contrast has two peaks, near {samples[top].z_um:.1f} and {sample.z_um:.1f} µm: "
                    "perhaps dust on the cover, or cells in two layers."
                )
                return NoPeak(CurveFault.DOUBLE_PEAKED, detail)
    return None


def _vertex(samples: Sequence[Sample], top: int, base: float) -> tuple[float, float]:
    """Fit a parabola to the cap of the peak: at least its three highest samples, at most the upper half."""
    half = base + 0.5 * (samples[top].contrast - base)
    first, last = top - 1, top + 1
    while first > 0 and top - first < 3 and samples[first - 1].contrast >= half:
        first -= 1
    while last < len(samples) - 1 and last - top < 3 and samples[last + 1].contrast >= half:
        last += 1
    # The same reach on both sides, so that a lopsided cap does not pull the vertex.
    reach = min(top - first, last - top)
    cap = samples[top - reach : top + reach + 1]
    middle = samples[top].z_um
    scale = samples[top].contrast - base
    heights = np.array([sample.z_um - middle for sample in cap])
    values = np.array([(sample.contrast - base) / scale for sample in cap])
    curvature, slope, level = (float(c) for c in np.polyfit(heights, values, 2))
    if not curvature < 0:
        return middle, samples[top].contrast
    low, high = samples[top - 1].z_um - middle, samples[top + 1].z_um - middle
    at = min(max(-slope / (2 * curvature), low), high)
    return middle + at, base + scale * (curvature * at * at + slope * at + level)


def _width(samples: Sequence[Sample], top: int, base: float) -> float | None:
    half = base + 0.5 * (samples[top].contrast - base)
    crossings = [_crossing(side, half) for side in (samples[top::-1], samples[top:])]
    if crossings[0] is None or crossings[1] is None:
        return None
    return crossings[1] - crossings[0]


def _crossing(side: Sequence[Sample], level: float) -> float | None:
    for inner, outer in pairwise(side):
        if outer.contrast < level:
            share = (inner.contrast - level) / (inner.contrast - outer.contrast)
            return inner.z_um + share * (outer.z_um - inner.z_um)
    return None
