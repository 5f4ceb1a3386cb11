"""What a picture tells an engineer: how it looks, how its levels are spread, and how sharp it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import Exposure
from calibration.contrast import contrast

BINS = 64
WIDEST_PX, QUALITY = 800, 80
CUT_OFF = 254  # of 255: as bright as this, and nobody knows how bright it was


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture, made small. jpeg: at most 800 px wide.  exposure_us, gain: of this very picture.

    histogram: of red, green and blue, the share of pixels (0 to 1) in each of 64 equal bins of level.
    cut_off: the share of pixels of which a channel is at its end.  sharpness: `contrast`; None for a black picture.
    """

    jpeg: bytes
    histogram: tuple[tuple[float, ...], ...]
    cut_off: float
    sharpness: float | None
    exposure_us: int
    gain: float
    size_px: tuple[int, int]


def sight_of(exposure: Exposure, um_per_px: float) -> Sight:
    """Return what a picture tells. um_per_px: of its pixels, for the sharpness."""
    pixels = exposure.pixels
    return Sight(
        _jpeg(pixels),
        histogram(pixels),
        float((pixels >= CUT_OFF).any(axis=2).mean()),
        _sharpness(pixels, um_per_px),
        exposure.exposure_us,
        exposure.gain,
        (pixels.shape[1], pixels.shape[0]),
    )


def histogram(pixels: NDArray[np.uint8]) -> tuple[tuple[float, ...], ...]:
    """Return the share of pixels in each bin of level, for each channel. pixels: uint8, H×W×3, RGB."""
    counts = (np.bincount((pixels[..., each] // (256 // BINS)).ravel(), minlength=BINS) for each in range(3))
    return tuple(tuple(round(float(share), 6) for share in each / max(1, each.sum())) for each in counts)


def _sharpness(pixels: NDArray[np.uint8], um_per_px: float) -> float | None:
    try:
        return float(contrast(pixels, um_per_px))
    except ValueError:
        return None


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    share = WIDEST_PX / pixels.shape[1]
    if share < 1:
        size = WIDEST_PX, max(1, round(pixels.shape[0] * share))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, written = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    return written.tobytes()
