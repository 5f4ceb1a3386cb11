"""How much light each part of a picture gets, and pictures as an even lamp would have given them.

Measured on bare glass at several places, so that dirt on the slide drops out of the median, less what the sensor says
in the dark: (picture − dark) / light. Kept as means of blocks of about 8 px and drawn out between them: the lamp and
the lens are smoother than that, and so is a shadow of dust on a sensor; noise of single pixels would only be added.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.blank_field import (
    LEAST_SIDE_PX,
    MAD_TO_DEVIATION,
    TOP,
    block_means,
    middle_of,
    refuse_no_picture,
    refuse_unusable_light,
    rounded_to,
)
from calibration.errors import CalibrationRefused
from calibration.measured import Measured

Numbers = NDArray[np.float64]
Plane = NDArray[np.float32]

FEWEST_BLANKS = 5
STANDS_OUT = 0.03  # of the light, that a block differs from the median of all fields
STANDS_OUT_DEVIATIONS = 6.0
MOST_STANDING_OUT = 0.10  # of a field's blocks
MOST_SCATTER = 0.02  # of the light, between two fields' blocks
LEAST_LIGHT = 0.30  # of the brightest part's
LARGEST_DARK = 40.0  # of 255
CORNER = 8  # the corners are so many times shorter than the picture
STRIP_ROWS = 32  # of a picture corrected at a time: they stay in the processor's cache
_MAGIC = b"hemadiff flat field 1\n"
_STEPS, _DARK_STEPS = 65_535, 256
_LARGEST_SIDE_PX = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class FlatField:
    """The light that each part of a picture gets, of one setup.

    light: rows × columns × 3, share of the brightest part's light for each colour.  dark: the same, levels in
    the dark.
    corner_light: of the corners' green, share of the middle's.  noise: standard
    uncertainty of a pixel's gain, as a share of it, RMS over the picture and its colours.
    dark_level: mean level in the dark, of 255; None where no dark frame was taken.
    """

    width_px: int
    height_px: int
    light: Plane
    dark: Plane
    corner_light: Measured
    noise: float
    dark_level: Measured | None = None
    _gain: Plane = field(init=False, repr=False)
    _offset: Plane | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out what each pixel is multiplied by."""
        # So that a pixel at the top stays there wherever it is, dark taken off or not.
        top = float((self.light * (TOP / (TOP - self.dark))).max())
        gain = (top / _drawn_out(self.light, self.width_px, self.height_px)).astype(np.float32)
        offset = None
        if self.dark.any():
            offset = gain * _drawn_out(self.dark, self.width_px, self.height_px).astype(np.float32)
        # Between blocks both are drawn straight, their quotient is not: nothing may fall below the top by that.
        at_top = gain * np.float32(TOP) - (0.0 if offset is None else offset)
        gain *= np.float32(TOP) / np.minimum(at_top, np.float32(TOP))
        object.__setattr__(self, "_gain", gain)
        object.__setattr__(self, "_offset", offset)

    @property
    def gain(self) -> Plane:
        """What each pixel is multiplied by: float32, H×W×3, from 1."""
        return self._gain

    @property
    def offset(self) -> Plane | None:
        """What is taken off each pixel after that: float32, H×W×3; None where no dark is known."""
        return self._offset

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture as an even light would have given it: uint8, H×W×3. The one given stays as it is.

        Rounded once, to the nearest level; what is saturated stays so. Raises CalibrationRefused for another size.
        """
        self.refuse_another_size(pixels)
        pixels = np.ascontiguousarray(pixels)
        even = np.empty_like(pixels)
        work = None if self._offset is None else np.empty((STRIP_ROWS, *pixels.shape[1:]), dtype=np.float32)
        for top in range(0, self.height_px, STRIP_ROWS):
            rows = slice(top, min(self.height_px, top + STRIP_ROWS))
            if work is None or self._offset is None:
                cv2.multiply(pixels[rows], self._gain[rows], dst=even[rows], dtype=cv2.CV_8U)
            else:
                strip = work[: rows.stop - top]
                cv2.multiply(pixels[rows], self._gain[rows], dst=strip, dtype=cv2.CV_32F)
                cv2.subtract(strip, self._offset[rows], dst=even[rows], dtype=cv2.CV_8U)
        return even

    def refuse_another_size(self, pixels: NDArray[np.uint8]) -> None:
        """Raise CalibrationRefused for a picture that it is not for."""
        if pixels.shape != self._gain.shape or pixels.dtype != np.uint8:
            shown = " × ".join(str(side) for side in (*pixels.shape[1::-1], *pixels.shape[2:]))
            raise CalibrationRefused(
                f"A frame of {shown} px ({pixels.dtype}) does not fit the flat field of {self.width_px} × "
                f"{self.height_px} px in RGB. Use the calibration of this camera setting, or calibrate it."
            )

    def to_bytes(self) -> bytes:
        """Return it as a calibration's record keeps it; `read_flat_field` reads it."""
        head = {
            "size": [self.width_px, self.height_px],
            "blocks": [self.light.shape[1], self.light.shape[0]],
            "corner_light": [self.corner_light.value, self.corner_light.uncertainty],
            "noise": self.noise,
            "dark_level": None
            if self.dark_level is None
            else [self.dark_level.value, self.dark_level.uncertainty],
        }
        light = np.rint(self.light * _STEPS).astype("<u2")
        dark = np.rint(self.dark * _DARK_STEPS).astype("<u2")
        body = zlib.compress(light.tobytes() + dark.tobytes(), 9)
        return _MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n" + body


def measure_flat_field(
    blanks: Sequence[NDArray[np.uint8]], darks: Sequence[NDArray[np.uint8]] = ()
) -> FlatField:
    """Return the flat field of pictures of bare glass at five places or more.

    blanks: uint8, H×W×3 RGB, of one setting.  darks: of the same setting, without any light; none: no dark is
    taken off.
    Raises CalibrationRefused: too few or unlike pictures, saturated, too dark, no bare glass, one picture
    given twice,
    corners without light, and dark frames that are not dark.
    """
    _refuse_unlike(blanks, darks)
    for number, blank in enumerate(blanks, 1):
        refuse_unusable_light(blank, f"Blank field {number}")
    dark, dark_level = _dark(darks, block_means(blanks[0]).shape)
    fields = np.stack([block_means(blank) for blank in blanks]) - dark
    light, scatter = _median_light(fields)
    noise = _deviation_of_median(len(blanks)) * scatter
    share = light / light.max(axis=(0, 1))
    if share.min() < LEAST_LIGHT:
        raise CalibrationRefused(
            f"The darkest part of the picture gets {100 * float(share.min()):.0f} % of the brightest "
            "part's light, too little "
            f"to make up for. Centre the lamp and the condenser (Köhler), so that it gets {100 * LEAST_LIGHT:.0f} %."
        )
    height, width = blanks[0].shape[:2]
    return FlatField(
        width, height, share.astype(np.float32), dark.astype(np.float32), _corner_light(light[..., 1], float(noise[1])),
        float(np.sqrt(np.mean(noise**2))) * _left_when_drawn_out(*light.shape[:2]), dark_level,
    )  # fmt: skip


def read_flat_field(data: bytes) -> FlatField:
    """Return the flat field that `FlatField.to_bytes` gave. Raises CalibrationRefused for anything else."""
    try:
        if not data.startswith(_MAGIC):
            raise ValueError("another beginning")
        line, _, body = data[len(_MAGIC) :].partition(b"\n")
        head = json.loads(line)
        width, height = (int(side) for side in head["size"])
        columns, rows = (int(side) for side in head["blocks"])
        if not (LEAST_SIDE_PX <= width <= _LARGEST_SIDE_PX and LEAST_SIDE_PX <= height <= _LARGEST_SIDE_PX):
            raise ValueError("an impossible size")
        if not (2 <= columns <= width and 2 <= rows <= height):
            raise ValueError("impossible blocks")
        expected = 2 * rows * columns * 3 * 2
        whole = zlib.decompressobj().decompress(body, expected + 1)
        numbers = np.frombuffer(whole, dtype="<u2").astype(np.float32)
        light, dark = numbers.reshape(2, rows, columns, 3)
        light, dark = light / np.float32(_STEPS), dark / np.float32(_DARK_STEPS)
        if light.min() < 0.9 * LEAST_LIGHT or dark.max() > 2 * LARGEST_DARK:
            raise ValueError("impossible light")
        level = head["dark_level"]
        return FlatField(
            width, height, light, dark, _measured(head["corner_light"], ""), float(head["noise"]),
            None if level is None else _measured(level, "of 255"),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise CalibrationRefused(
            "The flat field of this calibration is damaged. Import the calibration again, or measure it anew."
        ) from error


def _measured(pair: Sequence[float], unit: str) -> Measured:
    value, uncertainty = pair
    return Measured(float(value), float(uncertainty), unit)


def _refuse_unlike(blanks: Sequence[NDArray[np.uint8]], darks: Sequence[NDArray[np.uint8]]) -> None:
    if len(blanks) < FEWEST_BLANKS:
        raise CalibrationRefused(
            f"{len(blanks)} blank fields are too few: dirt drops out of {FEWEST_BLANKS} or more. Take "
            "more, each at another "
            "place of bare glass."
        )
    for what, pictures in (("Blank field", blanks), ("Dark frame", darks)):
        for number, picture in enumerate(pictures, 1):
            refuse_no_picture(picture, f"{what} {number}")
            if picture.shape != blanks[0].shape:
                raise CalibrationRefused(
                    f"{what} {number} has {picture.shape[1]} × {picture.shape[0]} px, the first blank field "
                    f"{blanks[0].shape[1]} × {blanks[0].shape[0]}. Take all with one camera setting."
                )
    for number in range(1, len(blanks)):
        if any(np.array_equal(blanks[number], earlier) for earlier in blanks[:number]):
            raise CalibrationRefused(
                f"Blank field {number + 1} is the same picture as one before. Move to another place, "
                "and take it again."
            )


def _dark(darks: Sequence[NDArray[np.uint8]], shape: tuple[int, ...]) -> tuple[Numbers, Measured | None]:
    if not darks:
        return np.zeros(shape), None
    for number, picture in enumerate(darks, 1):
        bright = float(np.percentile(picture[::3, ::3], 95))
        if bright > LARGEST_DARK:
            raise CalibrationRefused(
                f"Dark frame {number} is not dark: it reaches {bright:.0f} of 255. Switch the lamp "
                "off, cover the slide, and "
                "take it again."
            )
    blocks = np.stack([block_means(picture) for picture in darks])
    level = blocks.mean(axis=0)
    spread = float(np.mean([picture.std(axis=(0, 1)).mean() for picture in darks]))
    # Where noise does not reach from one level to the next, the mean is only known to be rounded to this one.
    rounded = rounded_to(spread**2 if _levels_seen(darks[0]) > 2 else 0.0)
    means = blocks.mean(axis=(1, 2, 3))
    between = float(means.std(ddof=1)) / math.sqrt(len(darks)) if len(darks) > 1 else 0.0
    within = spread / math.sqrt(darks[0].size / 3 * len(darks))
    return level, Measured(float(level.mean()), math.sqrt(rounded**2 + between**2 + within**2), "of 255")


def _levels_seen(dark: NDArray[np.uint8]) -> int:
    """How many levels one colour's pixels take; what few pixels have does not count."""
    return min(
        int(np.sum(np.bincount(dark[..., c].ravel(), minlength=2) > 0.002 * dark[..., c].size))
        for c in range(3)
    )


def _median_light(fields: Numbers) -> tuple[Numbers, Numbers]:
    """The median of all fields, each put to one level first, and how far one field's blocks scatter, as a share.

    Each colour has its scatter: a mosaic has half as many red sites, and gains make their noise larger.
    """
    levels = np.median(fields, axis=(1, 2), keepdims=True)
    for _ in range(2):
        even = fields / levels
        light = np.median(even, axis=0)
        levels = levels * np.median(even / light, axis=(1, 2), keepdims=True)
    even = fields / levels
    light = np.median(even, axis=0)
    left = even / light - 1
    # Noise of photons is larger, as a share, where light is less: put to one level by its root, then averaged.
    share = light / light.max()
    even_noise = np.diff(left, axis=0) * np.sqrt(share)
    colours = MAD_TO_DEVIATION * np.median(np.abs(even_noise), axis=(0, 1, 2)) / math.sqrt(2)
    colours *= np.sqrt(np.mean(1 / share, axis=(0, 1)))
    scatter = float(np.sqrt(np.mean(colours**2)))
    if scatter > MOST_SCATTER:
        raise CalibrationRefused(
            f"The blank fields differ from one another by {100 * scatter:.1f} % from block to block: "
            "they do not show bare "
            "glass. Use a clean, empty slide, well out of focus."
        )
    limit = max(STANDS_OUT, STANDS_OUT_DEVIATIONS * scatter)
    for number, each in enumerate(left, 1):
        share = float(np.mean(np.abs(each).max(axis=-1) > limit))
        if share > MOST_STANDING_OUT:
            raise CalibrationRefused(
                f"Blank field {number} is no bare glass: {100 * share:.0f} % of it differ from the "
                "other fields. Move to a "
                "clean place, and take it again."
            )
    return light, np.asarray(colours)


def _deviation_of_median(count: int) -> float:
    """The standard deviation of the median of so many normal values of deviation 1."""
    return math.sqrt(math.pi / 2 / (count + math.pi / 2 - 1))


def _left_when_drawn_out(rows: int, columns: int) -> float:
    """The share of blocks' noise that is left where values are drawn straight between them, and on beyond the last.

    Along one axis the variance is the mean of (1 − s)² + s²: 2/3 between two blocks, 5/3 in the outer half of the last.
    """
    return math.sqrt((2 / 3 + 1 / rows) * (2 / 3 + 1 / columns))


def _corner_light(light: Numbers, noise: float) -> Measured:
    rows, columns = (max(1, side // CORNER) for side in light.shape)
    corners = [
        light[y, x]
        for y in (slice(rows), slice(-rows, None))
        for x in (slice(columns), slice(-columns, None))
    ]
    middle = middle_of(middle_of(light))
    value = float(np.mean([corner.mean() for corner in corners])) / float(middle.mean())
    # Corners are darker: their share of noise is larger, as shot noise has it.
    each = noise * math.sqrt(1 / (4 * rows * columns * value) + 1 / middle.size)
    return Measured(value, value * each, "")


def _drawn_out(blocks: Plane, width_px: int, height_px: int) -> Numbers:
    """The light at every pixel, straight between the middles of blocks and on beyond the outermost."""
    drawn: Numbers = blocks.astype(np.float64)
    for axis, side in ((0, height_px), (1, width_px)):
        count = drawn.shape[axis]
        at = (np.arange(side) + 0.5) * count / side - 0.5
        low = np.clip(np.floor(at).astype(int), 0, count - 2)
        share = (at - low).reshape([-1, 1, 1] if axis == 0 else [1, -1, 1])
        drawn = np.take(drawn, low, axis) * (1 - share) + np.take(drawn, low + 1, axis) * share
    return drawn
