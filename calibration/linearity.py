"""Whether twice the light gives twice the level: the sensor's answer to a series of exposures.

After EMVA 1288 (release 4.0, 6.7, linearity), with a parabola in place of the largest residual: how far the
middle of the
range stands off the straight line is one number with a sign, that noise does not lift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.blank_field import (
    SATURATED_SHARE,
    block_means,
    block_noise,
    middle_of,
    most_saturated,
    refuse_no_picture,
)
from calibration.errors import CalibrationRefused
from calibration.measured import COVERAGE, Measured

Numbers = NDArray[np.float64]

FEWEST_STEPS = 8
LEAST_SPAN = 4.0  # from the shortest to the longest exposure
LEAST_LEVEL = 4.0
LINEAR_WITHIN = 1.0  # per cent of the highest level
ROUNDED = 0.01  # levels by which the mean of many pixels may be off, as each was rounded
FALLS_BACK = 0.02  # of the level, that a longer exposure may be darker: a lamp that flickers
GAMMA_BEYOND = 0.15  # of an exponent of 1


@dataclass(frozen=True, slots=True)
class Step:
    """One exposure. level: mean of the middle's green, of 255.  left: level less the straight line's."""

    exposure_us: float
    level: float
    left: float


@dataclass(frozen=True, slots=True)
class Linearity:
    """How straight a sensor answers.

    deviation: by how much the middle of the range is brighter (positive) or darker than the straight line between its
    ends has it, in per cent of the highest level.  worst: the largest distance of one step from the best line,
    in the same.
    exponent: of the power of the exposure that the levels follow most nearly.
    """

    deviation: Measured
    worst: float
    exponent: float
    steps: tuple[Step, ...]

    @property
    def linear(self) -> bool:
        """Whether the sensor is known to be linear to 1 %."""
        low, high = self.deviation.interval
        return max(abs(low), abs(high)) <= LINEAR_WITHIN

    @property
    def sentence(self) -> str:
        """What was found, and what to do."""
        said = f"the middle of its range is off the straight line by {self.deviation}"
        if self.linear:
            return f"The sensor is linear to {LINEAR_WITHIN:g} %: {said}."
        if abs(self.exponent - 1) > GAMMA_BEYOND and self._known_bent:
            return (
                "The sensor is not linear: its levels follow the exposure to the power "
                f"{self.exponent:.2f}, as with a gamma. "
                "Switch gamma, contrast and other curves off in the camera."
            )
        if self._known_bent:
            return f"The sensor is not linear: {said}. Switch curves off in the camera, or keep its levels lower."
        return (
            f"It cannot be told whether the sensor is linear to {LINEAR_WITHIN:g} %: {said}. Does the "
            "lamp flicker? Let it warm "
            "up, and take more exposures."
        )

    @property
    def _known_bent(self) -> bool:
        return abs(self.deviation.value) - COVERAGE * self.deviation.uncertainty > LINEAR_WITHIN


def measure_linearity(
    exposures_us: Sequence[float],
    blanks: Sequence[NDArray[np.uint8]],
    darks: Sequence[float] = (0.0, 0.0, 0.0),
) -> Linearity:
    """Return how straight the sensor answers. blanks: of one place of bare glass, uint8, H×W×3 RGB, one each
    exposure.

    darks: levels without light.  Saturated exposures and those of nearly no light are left out.
    Raises CalibrationRefused: fewer than eight that are left, a span of less than four, or levels that do not follow.
    """
    if len(exposures_us) != len(blanks):
        raise CalibrationRefused(
            f"{len(exposures_us)} exposures do not belong to {len(blanks)} pictures. Give one for each."
        )
    found = sorted(_levels(exposures_us, blanks, float(darks[1])))
    if len(found) < FEWEST_STEPS:
        raise CalibrationRefused(
            f"{len(found)} of {len(blanks)} exposures are neither saturated nor dark, and "
            f"{FEWEST_STEPS} are needed. Take "
            "more, from a tenth of full level to nine tenths."
        )
    exposure, level, noise = np.array(found).T
    if exposure[-1] < LEAST_SPAN * exposure[0]:
        raise CalibrationRefused(
            f"The exposures span a factor of {exposure[-1] / exposure[0]:.1f} only, and "
            f"{LEAST_SPAN:g} is needed. Take shorter "
            "ones, or dim the lamp and take longer ones."
        )
    _refuse_automatic(exposure, level)
    deviation = _bend(exposure, level, noise)
    line = _fit(exposure, level, np.hypot(noise, 0.002 * level), 1)[0]
    left = level - line[0] - line[1] * exposure
    steps = tuple(Step(*map(float, each)) for each in zip(exposure, level, left, strict=True))
    worst = 100 * float(np.abs(left).max()) / float(level[-1])
    return Linearity(deviation, worst, float(np.polyfit(np.log(exposure), np.log(level), 1)[0]), steps)


def _levels(
    exposures_us: Sequence[float], blanks: Sequence[NDArray[np.uint8]], dark: float
) -> list[tuple[float, float, float]]:
    """Exposure, mean level of the middle and its noise, of every picture that can be used."""
    found = []
    for number, (exposure_us, blank) in enumerate(zip(exposures_us, blanks, strict=True), 1):
        refuse_no_picture(blank, f"Exposure {number}")
        if blank.shape != blanks[0].shape:
            raise CalibrationRefused(
                f"Exposure {number} has {blank.shape[1]} × {blank.shape[0]} px, the first {blanks[0].shape[1]} × "
                f"{blanks[0].shape[0]}. Take all with one camera setting."
            )
        blocks = middle_of(block_means(blank)[..., 1:2]) - dark
        level = float(blocks.mean())
        if most_saturated(blank[..., 1:2].repeat(3, axis=2))[1] > SATURATED_SHARE or level < LEAST_LEVEL:
            continue
        noise = float(block_noise(blocks)[0]) / math.sqrt(blocks.size)
        found.append((float(exposure_us), level, math.hypot(noise, ROUNDED)))
    return found


def _refuse_automatic(exposure: Numbers, level: Numbers) -> None:
    if np.any(np.diff(exposure) <= 0):
        raise CalibrationRefused("Two pictures have one exposure time. Give each its own.")
    rises = float(level[-1] / level[0])
    if rises < 1.5 or np.any(level[1:] < level[:-1] * (1 - FALLS_BACK)):
        raise CalibrationRefused(
            f"The level does not follow the exposure: {exposure[-1] / exposure[0]:.1f} times the time "
            f"gave {rises:.2f} times "
            "the level. Switch automatic exposure and gain off, and let the lamp warm up."
        )


def _bend(exposure: Numbers, level: Numbers, noise: Numbers) -> Measured:
    """The parabola's height over its chord, per cent of the highest level.


    Besides the known noise each step may be off by a share of its level (the lamp, the shutter): the fit tells which.
    """
    along = (exposure - exposure[0]) / (exposure[-1] - exposure[0])
    free = len(along) - 3
    flicker, floor = 0.0, 1.0
    low, high = 0.0, 0.05
    for _ in range(40):
        middle = (low + high) / 2
        off = _fit(along, level, np.hypot(noise, middle * level), 2)[2]
        low, high = (middle, high) if off > free else (low, middle)
    if _fit(along, level, noise, 2)[2] > free:
        flicker, floor = high, free / (free - 2)  # a spread from few values is known badly (Student)
    whole, covariance, _ = _fit(along, level, np.hypot(noise, flicker * level), 2)
    top = float(level[-1])
    return Measured(-25 * float(whole[2]) / top, 25 * math.sqrt(float(covariance[2, 2]) * floor) / top, "%")


def _fit(along: Numbers, level: Numbers, noise: Numbers, degree: int) -> tuple[Numbers, Numbers, float]:
    """A polynomial, its covariance, and the sum of squared residuals over their variance."""
    columns = along[:, None] ** np.arange(degree + 1)
    scale = columns.max(axis=0)
    weighted = columns / scale / noise[:, None]
    covariance = np.linalg.inv(weighted.T @ weighted)
    whole = covariance @ weighted.T @ (level / noise)
    left = level / noise - weighted @ whole
    return whole / scale, covariance / np.outer(scale, scale), float(left @ left)
