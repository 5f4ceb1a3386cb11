"""Bare glass in the picture: what lamp and sensor do while nothing stands between them."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused

Numbers = NDArray[np.float64]

COLOURS = ("red", "green", "blue")
BLOCK_PX = 8
LEAST_BLOCK_PX = 4
BLOCKS = 64  # along the longer side of a small picture: narrower blocks, to follow the light
LEAST_SIDE_PX = 64
TOP = 255
SATURATED_SHARE = 0.002  # of one colour's pixels at the top: more is no noise
LEAST_LEVEL = 60.0  # of 255, of the weakest colour: below it eight bits leave too little
MEDIAN_WIDER = 1.2533  # the median of many scatters so many times as far as their mean (√(π/2))
MAD_TO_DEVIATION = 1.4826


def refuse_no_picture(pixels: NDArray[np.uint8], name: str) -> None:
    """Raise CalibrationRefused for what is no uint8 H×W×3 RGB of 64 px a side or more. name: what to call it."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise CalibrationRefused(
            f"{name} is an array of {pixels.dtype} and shape {pixels.shape}, no picture in RGB. Give uint8, H×W×3."
        )
    if min(pixels.shape[:2]) < LEAST_SIDE_PX:
        raise CalibrationRefused(
            f"{name} of {pixels.shape[1]} × {pixels.shape[0]} px is too small. Give {LEAST_SIDE_PX} "
            "px or more a side."
        )


def refuse_unusable_light(pixels: NDArray[np.uint8], name: str) -> None:
    """Raise CalibrationRefused for a picture of bare glass that is saturated or too dark to measure light on."""
    refuse_no_picture(pixels, name)
    colour, share = most_saturated(pixels)
    if share > SATURATED_SHARE:
        raise CalibrationRefused(
            f"{name} is saturated: {100 * share:.1f} % of its {colour} pixels are at the top. Shorten "
            "the exposure or dim "
            "the lamp, and take it again."
        )
    bright = np.percentile(pixels[::3, ::3].reshape(-1, 3), 95, axis=0)
    weakest = int(np.argmin(bright))
    if bright[weakest] < LEAST_LEVEL:
        raise CalibrationRefused(
            f"{name} is too dark: its {COLOURS[weakest]} reaches {bright[weakest]:.0f} of 255, and "
            f"{LEAST_LEVEL:.0f} are "
            "needed. Turn up the lamp, or expose for longer."
        )


def most_saturated(pixels: NDArray[np.uint8]) -> tuple[str, float]:
    """Return the colour with most pixels at the top, and their share."""
    shares = [
        float(np.count_nonzero(pixels[..., colour] == TOP)) / pixels[..., 0].size for colour in range(3)
    ]
    worst = int(np.argmax(shares))
    return COLOURS[worst], shares[worst]


def block_means(pixels: NDArray[np.uint8]) -> Numbers:
    """Return the mean of every block, rows × columns × 3. Blocks tile the picture exactly, 4 to 8 px wide."""
    block_px = min(BLOCK_PX, max(LEAST_BLOCK_PX, max(pixels.shape[:2]) // BLOCKS))
    size = max(1, round(pixels.shape[1] / block_px)), max(1, round(pixels.shape[0] / block_px))
    few = cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(few, dtype=np.float64)


def block_noise(blocks: Numbers) -> Numbers:
    """Return the standard deviation of a block's mean for each colour, however the light slopes.

    Source: second differences, which a slope leaves nothing in.
    """
    bend = blocks[:, :-2] - 2 * blocks[:, 1:-1] + blocks[:, 2:]
    noise = MAD_TO_DEVIATION * np.median(np.abs(bend).reshape(-1, blocks.shape[2]), axis=0) / np.sqrt(6)
    # A plateau of one number has no noise that can be seen, but was rounded to it.
    return np.asarray(np.maximum(noise, 0.02), dtype=np.float64)


def rounding_left(pixels: NDArray[np.uint8]) -> float:
    """Return by how many levels the mean of many pixels may be off, as each was rounded (standard uncertainty).

    Noise and slope that reach from one level to the next average it away: of the error's first wave there is
    exp(−2π²σ²) left. Source: Widrow and Kollár 2008, Quantization Noise, 4. The weakest spread of the colours counts.
    """
    block_px = min(BLOCK_PX, max(LEAST_BLOCK_PX, max(pixels.shape[:2]) // BLOCKS))
    height, width = (side // block_px * block_px for side in pixels.shape[:2])
    whole = pixels[:height, :width].astype(np.float32)
    blocks = whole.reshape(height // block_px, block_px, width // block_px, block_px, 3)
    # Half of all blocks spread by more: a few that hold an edge or dirt say nothing of the others.
    spread = float(np.median(blocks.var(axis=(1, 3)), axis=(0, 1)).min())
    return rounded_to(spread)


def rounded_to(variance: float) -> float:
    """Return the same for pixels, rounded, of that variance."""
    true = max(0.0, variance - 1 / 12)
    return math.exp(-2 * math.pi**2 * true) / (math.pi * math.sqrt(2))


def middle_of(blocks: Numbers) -> Numbers:
    """Return the blocks of the middle half by half of a picture."""
    rows, columns = blocks.shape[:2]
    return blocks[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4]
