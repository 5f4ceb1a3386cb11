"""Front ends of a GPU for tests, on the stand-in or on a real one, and pictures for them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from standin_pycuda import StandInCompiler, StandInDriver, on_device

from calibration.flat_field import FlatField
from calibration.measured import Measured
from models.gpu.device import Device
from models.gpu.front_end import Field, FrontEnd, Optics
from models.gpu.kernels import load_kernels
from models.gpu.memory import Lane
from models.gpu.resampler import Resampler
from models.gpu.resampling import resampling
from models.gpu.view_cutter import DevicePicture
from models.views import View

Pixels = NDArray[np.uint8]
NAMES = {"out of memory": "CUDA_ERROR_OUT_OF_MEMORY", "no device": "CUDA_ERROR_NO_DEVICE"}


def noise(width: int, height: int, seed: int = 1) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def drawn_picture(width: int, height: int) -> Pixels:
    """Something like a smear: pale, with round cells in it."""
    picture = np.full((height, width, 3), (226, 214, 219), np.uint8)
    random = np.random.default_rng(7)
    for _ in range(12):
        centre = int(random.integers(width)), int(random.integers(height))
        cv2.circle(
            picture,
            centre,
            4 + max(width, height) // 16,
            random.integers(60, 200, 3).tolist(),
            -1,
            cv2.LINE_AA,
        )
    return picture


def flat_field_of_size(width: int, height: int, dark: float = 0.0) -> FlatField:
    rows, columns = max(2, height // 8), max(2, width // 8)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    light = 1 - 0.3 * (x**2 + y**2)[..., None] / 2 * np.array([1.0, 0.9, 1.1])
    darkness = np.full(light.shape, dark) * (1 + 0.2 * x[..., None])
    return FlatField(
        width, height, light.astype(np.float32), darkness.astype(np.float32), Measured(0.8, 0.01, ""), 0.001
    )


def optics(width: int, height: int, um_per_px: float = 0.1) -> Optics:
    return Optics(width, height, um_per_px, detector_um_per_px=0.4, canonical_um_per_px=0.2, side=96)


def stand_in(driver: StandInDriver | None = None) -> Device:
    return Device(0, driver or StandInDriver(), NAMES)


def front_end(driver: StandInDriver, of: Optics, flat_field: FlatField | None = None) -> FrontEnd:
    return FrontEnd(stand_in(driver), StandInCompiler(), of, flat_field)


def field_of(end: FrontEnd, pixels: Pixels) -> Field:
    return end.field(end.begin(pixels))


def brought(driver: StandInDriver, pixels: Pixels, um_per_px: float, target: float) -> Any:
    """A picture brought to another scale by the kernels."""
    device = stand_in(driver)
    lane = Lane(device)
    height, width = pixels.shape[:2]
    resampler = Resampler(
        lane, load_kernels(device, StandInCompiler()), resampling(width, height, um_per_px, target)
    )
    source = lane.holding(pixels)
    memory = resampler.resample(source)
    lane.synchronise()
    return on_device(memory.address, (resampler.size[1], resampler.size[0], 3))


def whole(picture: DevicePicture) -> Any:
    """All of a canonical picture, out of views that cover it."""
    side = picture.side
    lefts = [*range(0, picture.width - side, side), picture.width - side]
    tops = [*range(0, picture.height - side, side), picture.height - side]
    views = [View(left, top) for top in tops for left in lefts]
    pixels = np.zeros((picture.height, picture.width, 3), np.uint8)
    for view, patch in zip(views, picture.patches(views), strict=True):
        pixels[view.top : view.top + side, view.left : view.left + side] = patch
    return pixels
