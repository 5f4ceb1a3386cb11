"""Pictures of fields for labelling, and the crops of their cells, by the resampling of a count."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from appliance.errors import ApplianceRefused
from appliance.image_bytes import JPEG, PNG, broken
from appliance.image_file import ImageFile, decoded
from appliance.patches import to_png
from models.cells import Patch
from models.crops import CANONICAL_UM_PER_PX, PATCH_PX, REACH_PX
from models.resample import to_scale, window

MOST_BYTES = 20 * 1024 * 1024  # of a file that is given
MOST_PIXELS = 12_000_000  # as a PNG, which a field becomes, these fit a message to the instrument
COARSEST_UM_PER_PX = (
    0.22  # as for counting; said here again, because `models.cascade` brings the engine with it
)
BORDER_UM = REACH_PX / 2 * CANONICAL_UM_PER_PX
"""Nearer to a field's border no cell is labelled: training looks 10.6 µm around it."""


@dataclass(frozen=True, slots=True, eq=False)
class Canonical:
    """A field at the scale at which networks see cells. across, down: its px for one of the field's own."""

    pixels: NDArray[np.uint8]
    across: float
    down: float

    def crop(self, x: float, y: float, side: int = PATCH_PX) -> Patch | None:
        """Return the side×side px around a place (px of the field); None where they leave the field."""
        return window(self.pixels, x * self.across, y * self.down, side)


def taken(data: bytes, name: str = "The picture") -> tuple[bytes, float | None]:
    """Return a file's picture as a PNG with nothing else in it, and the pixel size that the file states, if any.

    A file's own name and metadata may say whose smear it is: neither is kept. name: for a refusal.
    Raises ApplianceRefused for anything but a whole 8-bit RGB picture of 12 megapixels at most.
    """
    if len(data) > MOST_BYTES:
        raise ApplianceRefused(
            f"{name}: {len(data) >> 20} MB are too many; {MOST_BYTES >> 20} MB are the most."
        )
    image: ImageFile = decoded(Path(name), data)
    height, width = image.pixels.shape[:2]
    if width * height > MOST_PIXELS:
        raise ApplianceRefused(
            f"{name}: {width} × {height} px are more than {MOST_PIXELS // 1_000_000} megapixels. Give single fields."
        )
    return to_png(image.pixels), image.um_per_px


def pixels_of(picture: bytes) -> NDArray[np.uint8]:
    """Return a kept picture as H×W×3 RGB."""
    with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def size_of(picture: bytes) -> tuple[int, int]:
    """Return width and height of a PNG or JPEG, without decoding it. Raises ApplianceRefused for anything else."""
    if not picture.startswith((PNG, JPEG)) or broken(picture) is not None:
        raise ApplianceRefused("This is no whole PNG or JPEG picture. Give the field again.")
    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as image:
            size = image.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ApplianceRefused("This is no whole PNG or JPEG picture. Give the field again.") from error
    if size[0] * size[1] > MOST_PIXELS:
        raise ApplianceRefused(f"More than {MOST_PIXELS // 1_000_000} megapixels. Give single fields.")
    return size


@lru_cache(maxsize=2)  # whoever labels a field taps it many times
def canonical(picture: bytes, um_per_px: float) -> Canonical:
    """Return a kept picture at the canonical scale."""
    pixels = pixels_of(picture)
    scaled = to_scale(pixels, um_per_px, CANONICAL_UM_PER_PX)
    return Canonical(scaled, scaled.shape[1] / pixels.shape[1], scaled.shape[0] / pixels.shape[0])


def crop_png(picture: bytes, um_per_px: float, x: float, y: float) -> bytes:
    """Return the 96×96 crop around a place as a PNG. Raises ApplianceRefused too near to the field's border."""
    field = canonical(picture, um_per_px)
    crop = field.crop(x, y)
    if crop is None or field.crop(x, y, REACH_PX) is None:
        raise ApplianceRefused(f"A cell is labelled {BORDER_UM:g} µm from the field's border or farther.")
    return to_png(crop)


def refuse_too_coarse(um_per_px: float) -> None:
    """Raise ApplianceRefused for a field that networks cannot learn from."""
    if um_per_px > COARSEST_UM_PER_PX + 1e-9:
        raise ApplianceRefused(
            f"{um_per_px:.3g} µm/px is too coarse: {COARSEST_UM_PER_PX:.2f} is the most that networks learn from. "
            "Use a higher magnification."
        )
