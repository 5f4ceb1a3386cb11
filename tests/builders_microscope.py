"""A simple drawn slide, a carriage that moves as a test says, and a clock that moves when someone waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import CameraSetting
from appliance.simulator.microscope import Microscope
from appliance.simulator.microscope_camera import MicroscopeCamera
from appliance.simulator.mount import Mount
from appliance.simulator.sensor import Sensor
from appliance.simulator.slide import TrueCell
from appliance.simulator.trail import Trail
from appliance.simulator.view import View
from firmware_bridge.point import Point

MS = 1_000_000
WIDTH_PX, HEIGHT_PX = 320, 240
WISH = CameraSetting(width_px=WIDTH_PX, height_px=HEIGHT_PX, exposure_us=10_000, colour_gains=(1.60, 1.35))
PITCH_UM = 12.0
RADIUS_UM = 3.7
DARK = (0.75, 0.55, 0.80)


class DottedSlide:
    """Discs of one size on a square grid, sharp-edged: easy to reckon with."""

    width_um, height_um = 20_000.0, 10_000.0
    digest = "dots 1"

    def light(
        self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
    ) -> NDArray[np.float32]:
        x = x_um + (np.arange(width_px) + 0.5) * um_per_px
        y = y_um + (np.arange(height_px) + 0.5) * um_per_px
        off_x, off_y = (at - (np.floor(at / PITCH_UM) + 0.5) * PITCH_UM for at in (x, y))
        far = np.hypot(off_x[None, :], off_y[:, None])
        covered = np.clip((RADIUS_UM - far) / um_per_px + 0.5, 0, 1).astype(np.float32)[..., None]
        return 1 - covered * (1 - np.asarray(DARK, dtype=np.float32))

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        def middles(start: float, length: float) -> list[float]:
            first, last = np.ceil(start / PITCH_UM - 0.5), np.ceil((start + length) / PITCH_UM - 0.5)
            return [float((k + 0.5) * PITCH_UM) for k in np.arange(first, last)]

        return [
            TrueCell("lymphocyte", x, y, RADIUS_UM, False)
            for y in middles(y_um, height_um)
            for x in middles(x_um, width_um)
        ]


class BlankSlide(DottedSlide):
    """Nothing at all."""

    digest = "blank 1"

    def light(
        self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
    ) -> NDArray[np.float32]:
        return np.ones((height_px, width_px, 3), dtype=np.float32)


class HandClock:
    """Jumps to whatever is waited for."""

    def __init__(self, now_ms: float = 10_000.0) -> None:
        self._now_ns = round(now_ms * MS)

    def now_ns(self) -> int:
        return self._now_ns

    def until(self, at_ns: int, stop: threading.Event) -> None:
        if not stop.is_set():
            self._now_ns = max(self._now_ns, at_ns)

    def wait_ms(self, ms: float) -> None:
        self._now_ns += round(ms * MS)


class MovingCarriage:
    """Where it is follows from the time alone. place: of milliseconds."""

    rate = 1.0

    def __init__(
        self, place: Callable[[float], Point], light: Callable[[float], float] = lambda at_ms: 1.0
    ) -> None:
        self._place, self._light = place, light

    def true_position(self, at_ns: int) -> Point:
        return self._place(at_ns / MS)

    def light_at(self, at_ns: int) -> float:
        return self._light(at_ns / MS)


def braking(stop_ms: float, at: Point, braking_um_s2: float = 500_000.0) -> Callable[[float], Point]:
    """A carriage that comes along x and has come to rest at a place at a time, braking evenly."""

    def place(at_ms: float) -> Point:
        left_s = max(0.0, stop_ms - at_ms) / 1000
        return Point(at.x_um - braking_um_s2 * left_s**2 / 2, at.y_um, at.z_um)

    return place


MIDDLE = Point(9_996.0 + PITCH_UM / 2, 5_004.0 - PITCH_UM / 2)
"""Where one of the dots lies in the middle of the picture."""


def flat(z_um: float = 0.0) -> Mount:
    return Mount(z_um=z_um)


def microscope(mount: Mount | None = None, seed: int = 1, sensor: Sensor | None = None) -> Microscope:
    return Microscope(DottedSlide(), mount or flat(), sensor, seed)


def blank_microscope(mount: Mount | None = None, sensor: Sensor | None = None) -> Microscope:
    return Microscope(BlankSlide(), mount or flat(), sensor)


def view(
    place: Point = MIDDLE,
    objective: str = "100x",
    *,
    trail: Trail | None = None,
    size: tuple[int, int] = (WIDTH_PX, HEIGHT_PX),
    exposure_us: int = 10_000,
    gain: float = 1.0,
    colour_gains: tuple[float, float] = (1.60, 1.35),
    light: float = 1.0,
    oil: float = 1.0,
    index: int = 0,
) -> View:
    went = trail or Trail.still(place, light)
    return View(objective, went, *size, exposure_us, gain, colour_gains, oil, index)


def above(height_um: float) -> Point:
    """The middle, so far above focus."""
    return Point(MIDDLE.x_um, MIDDLE.y_um, MIDDLE.z_um + height_um)


def detail(pixels: NDArray[np.uint8]) -> float:
    """How much finer detail the green of a picture holds than its noise: the variance of its small differences."""
    soft = cv2.GaussianBlur(pixels[..., 1].astype(np.float32), (0, 0), 1.5)
    return float(np.square(np.diff(soft, axis=1)).mean() + np.square(np.diff(soft, axis=0)).mean())


def centre_of_dot(
    pixels: NDArray[np.uint8], near: tuple[float, float], colour: int = 1
) -> tuple[float, float]:
    """The centre of what is dark within a pitch of a place, px."""
    reach = 55
    left, top = round(near[0]) - reach, round(near[1]) - reach
    window = pixels[top : top + 2 * reach, left : left + 2 * reach, colour].astype(np.float32)
    soft = cv2.GaussianBlur(window, (0, 0), 2.0)
    bright, deep = np.percentile(soft, [90, 10])
    dark = np.clip((bright + deep) / 2 - soft, 0, (bright - deep) / 4)
    y, x = np.mgrid[: window.shape[0], : window.shape[1]]
    return left + float((x * dark).sum() / dark.sum()) + 0.5, top + float((y * dark).sum() / dark.sum()) + 0.5


def camera(
    place: Callable[[float], Point] | Point = MIDDLE,
    clock: HandClock | None = None,
    light: Callable[[float], float] = lambda at_ms: 1.0,
    configured: bool = True,
    **options: object,
) -> tuple[MicroscopeCamera, HandClock]:
    """A camera over the dotted slide, configured, and its clock."""
    clock = clock or HandClock()
    carriage = MovingCarriage(place if callable(place) else lambda at_ms: place, light)
    made = MicroscopeCamera(microscope(), carriage, clock=clock, **options)  # type: ignore[arg-type]
    if configured:
        made.configure(WISH)
    return made, clock
