"""The lamp as the sensor sees it: which gains make bare glass grey, and for how long to expose.

Both are measured once and then locked: an automatic camera would give every field its own colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.blank_field import (
    COLOURS,
    MAD_TO_DEVIATION,
    MEDIAN_WIDER,
    SATURATED_SHARE,
    block_means,
    block_noise,
    middle_of,
    most_saturated,
    refuse_no_picture,
    refuse_unusable_light,
    rounding_left,
)
from calibration.errors import CalibrationRefused
from calibration.measured import Measured

Numbers = NDArray[np.float64]

GAIN_LIMITS = (0.25, 6.0)  # of red and blue over green: no lamp for a microscope needs others
AIM = 230.0  # of 255, of the brightest quarter's brightest colour: noise stays below the top
GOOD = (215.0, 240.0)
BRIGHTEST = 0.25  # of the picture is exposed for
SURROUNDED = 5  # blocks that a block is judged with
CHOSEN = 0.015  # levels by which the brightest quarter may be off, as noise has a say in which blocks it is
LEAST_TO_TELL = 4.0  # of 255: below it a picture does not say how much is missing
STEP_DOWN = 3.0  # how much shorter a saturated picture is taken again


@dataclass(frozen=True, slots=True)
class WhiteBalance:
    """The gains of red and blue that make bare glass grey, green's being 1.

    lamp_red, lamp_blue: the lamp's colour as the sensor sees it: their light, as a share of green's, with gains of 1.
    """

    red: Measured
    blue: Measured

    @property
    def lamp_red(self) -> Measured:
        """Red light as a share of green."""
        return _inverse(self.red)

    @property
    def lamp_blue(self) -> Measured:
        """Blue light as a share of green."""
        return _inverse(self.blue)

    @property
    def colour_gains(self) -> tuple[float, float]:
        """As a camera takes them: red, blue."""
        return self.red.value, self.blue.value


@dataclass(frozen=True, slots=True)
class ExposureAdvice:
    """For how long to expose.

    level: of the brightest quarter's brightest colour, of 255; None where it is saturated and so not known.
    exposure_us: that brings it to 230; without uncertainty worth the name where the level is not known.
    good: whether it may stay as it is.  sentence: what to do.
    """

    level: Measured | None
    exposure_us: Measured
    good: bool
    sentence: str


def measure_white_balance(
    blanks: Sequence[NDArray[np.uint8]],
    gains: tuple[float, float] = (1.0, 1.0),
    dark: Sequence[float] = (0.0, 0.0, 0.0),
    gain_limits: tuple[float, float] = GAIN_LIMITS,
) -> WhiteBalance:
    """Return the gains for red and blue. blanks: pictures of bare glass, uint8, H×W×3 RGB.

    gains: of red and blue in use as they were taken.  dark: levels without light.  gain_limits: of the camera.
    Of the picture's middle, and of the median of its blocks: dirt drops out.
    Raises CalibrationRefused: no picture, one saturated or too dark, and a lamp whose colour no gain makes up for.
    """
    if not blanks:
        raise CalibrationRefused("There is no picture of bare glass to balance white on. Take one or more.")
    ratios, rounded = [], 0.0
    for number, blank in enumerate(blanks, 1):
        refuse_unusable_light(blank, f"Blank field {number}")
        light = np.maximum(middle_of(block_means(blank)) - np.asarray(dark), 1.0)
        rounded = max(rounded, math.sqrt(2) * rounding_left(blank) / float(light.mean()))
        ratios.append((light[..., 1:2] / light[..., 0::2]).reshape(-1, 2))
    needed = []
    for column, (colour, gain) in enumerate(zip(("red", "blue"), gains, strict=True)):
        each = np.concatenate([ratio[:, column] for ratio in ratios])
        ratio = float(np.median(each))
        spread = MAD_TO_DEVIATION * float(np.median(np.abs(each - ratio)))
        uncertainty = math.hypot(
            MEDIAN_WIDER * spread / math.sqrt(len(each)), _between(ratios, column), ratio * rounded
        )
        needed.append(_within(Measured(gain * ratio, gain * uncertainty, ""), colour, gain_limits))
    return WhiteBalance(*needed)


def advise_exposure(
    blank: NDArray[np.uint8],
    exposure_us: float,
    limits_us: tuple[float, float] = (20.0, 2_000_000.0),
    dark: Sequence[float] = (0.0, 0.0, 0.0),
) -> ExposureAdvice:
    """Return for how long to expose, from a picture of bare glass. limits_us: shortest and longest of the camera.

    Raises CalibrationRefused: no picture, a lamp that is too dark for the longest exposure or too bright for
    the shortest,
    and a picture without light.
    """
    refuse_no_picture(blank, "The blank field")
    colour, share = most_saturated(blank)
    if share > SATURATED_SHARE:
        return _too_long(
            exposure_us, limits_us[0], f"{100 * share:.1f} % of the {colour} pixels are saturated"
        )
    blocks = block_means(blank) - np.asarray(dark)
    level, brightest = _brightest(blocks, rounding_left(blank))
    if level.value < LEAST_TO_TELL:
        raise CalibrationRefused(
            f"The blank field is dark: {level.value:.1f} of 255. Switch the lamp on, and open the "
            "shutter and the diaphragm."
        )
    wanted = exposure_us * (AIM - float(dark[brightest])) / level.value
    advised = Measured(wanted, wanted * level.relative, "µs")
    seen = Measured(level.value + float(dark[brightest]), level.uncertainty, "of 255")
    said = f"{COLOURS[brightest]} reaches {seen.value:.0f} of 255"
    if wanted > limits_us[1]:
        reached = level.value * limits_us[1] / exposure_us
        raise CalibrationRefused(
            f"The lamp is too dark: in the longest exposure, {limits_us[1]:.0f} µs, {COLOURS[brightest]} would reach "
            f"{reached:.0f} of 255 and not {AIM:.0f}. Turn it up, or open the diaphragm."
        )
    if wanted < limits_us[0]:
        raise CalibrationRefused(
            f"The lamp is too bright for the shortest exposure, {limits_us[0]:.0f} µs. Dim it."
        )
    if GOOD[0] <= seen.value <= GOOD[1]:
        return ExposureAdvice(seen, advised, True, f"The exposure is good: {said}.")
    return ExposureAdvice(
        seen, advised, False, f"Expose for {wanted:.0f} µs: {said}, and {AIM:.0f} are wanted."
    )


def _too_long(exposure_us: float, shortest_us: float, why: str) -> ExposureAdvice:
    if exposure_us <= shortest_us:
        raise CalibrationRefused(
            f"The lamp is too bright: {why} at the shortest exposure, {shortest_us:.0f} µs. Dim it."
        )
    tried = max(shortest_us, exposure_us / STEP_DOWN)
    # All that is known is that less is wanted: anywhere between a third and all of it.
    unsure = (exposure_us - tried) / math.sqrt(12)
    return ExposureAdvice(
        None, Measured(tried, unsure, "µs"), False, f"Expose for {tried:.0f} µs and look again: {why}."
    )


def _brightest(blocks: Numbers, rounded: float) -> tuple[Measured, int]:
    """The mean level of the brightest quarter in its brightest colour, and which colour it is. rounded: levels.

    The quarter is chosen by what surrounds each block, so that the choice follows the light and not its noise;
    where it is
    a close choice, both are as bright.
    """
    others = np.ones((SURROUNDED, SURROUNDED))
    others[SURROUNDED // 2, SURROUNDED // 2] = 0
    around = cv2.filter2D(blocks, -1, others / others.sum(), borderType=cv2.BORDER_REFLECT_101)
    chosen = around >= np.quantile(around, 1 - BRIGHTEST, axis=(0, 1))
    levels = [float(blocks[..., c][chosen[..., c]].mean()) for c in range(3)]
    colour = int(np.argmax(levels))
    # Photons' noise grows with the root of the light, and here is more than on average.
    more = math.sqrt(max(1.0, levels[colour] / float(blocks[..., colour].mean())))
    noise = more * float(block_noise(blocks)[colour]) / math.sqrt(np.count_nonzero(chosen[..., colour]))
    return Measured(levels[colour], math.hypot(noise, rounded, CHOSEN), "of 255"), colour


def _between(ratios: Sequence[Numbers], column: int) -> float:
    """What pictures differ by, beyond what their blocks' noise explains, of their mean."""
    if len(ratios) < 3:
        return 0.0
    medians = np.array([float(np.median(ratio[:, column])) for ratio in ratios])
    noise = np.array(
        [
            MEDIAN_WIDER
            * MAD_TO_DEVIATION
            * float(np.median(np.abs(ratio[:, column] - median)))
            / math.sqrt(len(ratio))
            for ratio, median in zip(ratios, medians, strict=True)
        ]
    )
    beyond = float(medians.var(ddof=1)) - float(np.mean(noise**2))
    # As much as noise alone often gives is no difference.
    often = 1 + 2 * math.sqrt(2 / (len(ratios) - 1))
    return math.sqrt(beyond / len(ratios)) if beyond > (often - 1) * float(np.mean(noise**2)) else 0.0


def _within(gain: Measured, colour: str, limits: tuple[float, float]) -> Measured:
    if not limits[0] <= gain.value <= limits[1]:
        lamp = "too little" if gain.value > limits[1] else "too much"
        raise CalibrationRefused(
            f"The lamp gives {lamp} {colour}: its gain would be {gain.value:.2f}, and {limits[0]:g} "
            f"to {limits[1]:g} are "
            "possible. Check the lamp's colour and its filters."
        )
    return gain


def _inverse(gain: Measured) -> Measured:
    return Measured(1 / gain.value, gain.relative / gain.value, "")
