"""A simulated sensor: light becomes electrons with their shot noise, then numbers of eight bits.

Noise comes from a table drawn once and laid at random over each strip of a picture. It is added to the square
root of the signal, where shot noise is the same for every brightness (Anscombe 1948, Biometrika 35:246; with
read noise: Murtagh, Starck and Bijaoui 1995, Astron. Astrophys. Suppl. 112:179).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import CameraSetting
from appliance.errors import ApplianceRefused

Plane = NDArray[np.float32]

STRIP_ROWS = 16
TABLE_ROWS, TABLE_SPARE = 512, 128
FULL_SCALE = 255.0


@dataclass(frozen=True, slots=True)
class Sensor:
    """What a sensor is.

    largest_px: width and height.  full_well_e: electrons at full scale with gain 1.  read_e: read noise (5 to 15 are
    usual: Murphy 2001, Fundamentals of Light Microscopy and Electronic Imaging, 14).
    white_us: the exposure at which an empty slide under the full lamp gives `white` of 255, with gain 1.
    neutral: gains of red and blue that make an empty slide grey.  own_gains: those that it uses where none are wished.
    frames_per_s: how often it begins an exposure, at most.  read_out_us: from an exposure's end to its delivery.
    """

    model: str = "simulated CCD"
    largest_px: tuple[int, int] = (4096, 3072)
    full_well_e: float = 18_000.0
    read_e: float = 7.0
    white_us: int = 10_000
    white: float = 235.0
    neutral: tuple[float, float] = (1.60, 1.35)
    own_gains: tuple[float, float] = (1.58, 1.37)
    frames_per_s: float = 30.0
    read_out_us: int = 12_000
    exposures_us: tuple[int, int] = (20, 2_000_000)
    gains: tuple[float, float] = (1.0, 16.0)
    most_colour_gain: float = 8.0

    def refuse(self, wish: CameraSetting) -> None:
        """Raise ApplianceRefused for a setting that this sensor cannot have."""
        for side, name, most in zip(
            (wish.width_px, wish.height_px), ("wide", "high"), self.largest_px, strict=True
        ):
            if not 16 <= side <= most:
                raise ApplianceRefused(
                    f"The {self.model} cannot give frames {side} px {name}: it takes 16 to {most}."
                )
        least_us, most_us = self.exposures_us
        if not least_us <= wish.exposure_us <= most_us:
            raise ApplianceRefused(
                f"The {self.model} cannot expose for {wish.exposure_us} µs: it takes {least_us} to {most_us}."
            )
        low, high = self.gains
        if not low <= wish.gain <= high:
            raise ApplianceRefused(
                f"The {self.model} cannot have gain {wish.gain:g}: it takes {low:g} to {high:g}."
            )
        if wish.colour_gains and not all(0.1 <= gain <= self.most_colour_gain for gain in wish.colour_gains):
            raise ApplianceRefused(
                f"The {self.model} cannot have colour gains {wish.colour_gains}: "
                f"it takes 0.1 to {self.most_colour_gain:g}."
            )

    def levels(
        self, exposure_us: int, gain: float, colour_gains: tuple[float, float]
    ) -> tuple[float, float, float]:
        """Return the levels (of 255) that the full lamp gives through an empty slide: red, green, blue."""
        green = self.white * exposure_us / self.white_us * gain
        return green * colour_gains[0] / self.neutral[0], green, green * colour_gains[1] / self.neutral[1]

    def level_per_electron(self, gain: float, colour_gain: float = 1.0) -> float:
        """Return how many levels one electron is worth."""
        return FULL_SCALE / self.full_well_e * gain * colour_gain


class NoiseTable:
    """Noise of variance 1 at every photosite of a colour mosaic, and what interpolating it leaves in each colour."""

    def __init__(self, seed: int, width_px: int) -> None:
        """Draw it. width_px: of the frames."""
        rng = np.random.default_rng([seed, 0x0153])
        shape = TABLE_ROWS, (width_px + TABLE_SPARE + 2) // 2 * 2
        sites = rng.standard_normal(shape, dtype=np.float32)
        of_red = np.zeros(shape, dtype=np.float32)
        of_blue = np.zeros(shape, dtype=np.float32)
        of_red[::2, ::2] = 1
        of_blue[1::2, 1::2] = 1
        cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], dtype=np.float32) / 4
        square = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=np.float32) / 4
        masks = ((of_red, square), (1 - of_red - of_blue, cross), (of_blue, square))
        self._planes = [_plane(cv2.filter2D(sites * mask, cv2.CV_32F, kernel)) for mask, kernel in masks]

    def strips(self, rng: np.random.Generator, count: int, width_px: int) -> list[tuple[Plane, Plane, Plane]]:
        """Return so many strips of STRIP_ROWS rows from anywhere in the table, each red, green and blue."""
        rows = rng.integers(0, (TABLE_ROWS - STRIP_ROWS) // 2, count).tolist()
        columns = rng.integers(0, TABLE_SPARE // 2, count).tolist()
        found = []
        for row, column in zip(rows, columns, strict=True):
            part = (slice(2 * row, 2 * row + STRIP_ROWS), slice(2 * column, 2 * column + width_px))
            red, green, blue = (plane[part] for plane in self._planes)
            found.append((red, green, blue))
        return found


@dataclass(frozen=True, slots=True)
class Reading:
    """How one exposure is read: for red, green and blue.

    levels: what the full light gives, of 255.  haze: levels that lie over everything.
    per_electron: levels that an electron is worth.
    """

    levels: tuple[float, float, float]
    haze: tuple[float, float, float]
    per_electron: tuple[float, float, float]
    read_e: float


def read_out(
    planes: tuple[Plane, Plane, Plane],
    shading: Plane,
    reading: Reading,
    table: NoiseTable,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return the picture of planes of light (each H×W, share of the lamp's): uint8, H×W×3, RGB.

    shading: what each pixel gets of it.  Signals over full scale are cut off there.
    """
    height, width = shading.shape
    picture = np.empty((height, width, 3), dtype=np.uint8)
    work = np.empty((STRIP_ROWS, width), dtype=np.float32)
    colours = [np.empty((STRIP_ROWS, width), dtype=np.uint8) for _ in planes]
    for number, noises in enumerate(table.strips(rng, math.ceil(height / STRIP_ROWS), width)):
        rows = slice(number * STRIP_ROWS, min(height, (number + 1) * STRIP_ROWS))
        many = rows.stop - rows.start
        root = work[:many]
        for plane, noise, colour, level, haze, each in zip(
            planes, noises, colours, reading.levels, reading.haze, reading.per_electron, strict=True
        ):
            # In levels: variance = each·level + (read·each)², so √(level + read²·each) has an even spread of √each/2.
            floor = reading.read_e**2 * each
            cv2.multiply(plane[rows], shading[rows], dst=root, scale=level)
            np.add(root, np.float32(floor + haze), out=root)
            cv2.sqrt(root, dst=root)
            cv2.scaleAdd(noise[:many], math.sqrt(each) / 2, root, dst=root)
            cv2.multiply(root, root, dst=root)
            cv2.convertScaleAbs(root, dst=colour[:many], alpha=1.0, beta=-floor)
        cv2.merge([colour[:many] for colour in colours], dst=picture[rows])
    return picture


def _plane(array: NDArray[Any]) -> Plane:
    return np.asarray(array, dtype=np.float32)
