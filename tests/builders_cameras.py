"""Cameras that do what a test says, and pictures as a sensor gives them: every one with its own noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.errors import ApplianceError

MS = 1_000_000
WISH = CameraSetting(width_px=160, height_px=120, exposure_us=5000)
IN_USE = CameraInUse("stand-in", 160, 120, "BGR888", 5000, 1.0, (2.0, 1.5))


def smear(seed: int = 1, scene: int = 1, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    """A field as a lens gives it (soft), with the noise of one exposure: RGB uint8.

    scene: what lies under the lens.  seed: which exposure of it.
    """
    noise = np.random.default_rng(seed).standard_normal((height, width, 3), dtype=np.float32)
    return np.asarray(np.clip(_scene(scene, width, height) + 1.2 * noise, 0, 250), dtype=np.uint8)


@lru_cache
def _scene(number: int, width: int, height: int) -> NDArray[np.float32]:
    import cv2

    cells = np.random.default_rng(1000 + number).standard_normal((height, width, 3), dtype=np.float32)
    soft = cv2.GaussianBlur(cells, (0, 0), 6.0)
    return np.asarray(190 + soft * (25 / soft.std()), dtype=np.float32)


def exposure(
    start_ms: float = 0.0,
    pixels: NDArray[np.uint8] | None = None,
    seed: int = 1,
    in_use: CameraInUse = IN_USE,
) -> Exposure:
    """A good exposure that began at a time."""
    height_px, width_px = in_use.height_px, in_use.width_px
    return Exposure(
        pixels=smear(seed, width=width_px, height=height_px) if pixels is None else pixels,
        start_ns=round(start_ms * MS),
        exposure_us=in_use.exposure_us,
        gain=in_use.gain,
        in_use=in_use,
    )


class Clock:
    """A clock that moves when it is told."""

    def __init__(self, now_ms: float = 0.0) -> None:
        self.now_ns = round(now_ms * MS)

    def __call__(self) -> int:
        return self.now_ns

    def wait(self, ms: float) -> None:
        self.now_ns += round(ms * MS)


class ScriptedCamera:
    """Gives what the script says, one after the other; an error in it is raised."""

    simulated = True

    def __init__(
        self,
        script: Iterable[Exposure | Exception],
        before_each: Callable[[], None] | None = None,
        in_use: CameraInUse = IN_USE,
    ) -> None:
        self.name = "scripted"
        self.asked: list[int] = []
        self.closed = False
        self._script = iter(script)
        self._before_each = before_each
        self._in_use = in_use

    def configure(self, wish: CameraSetting) -> CameraInUse:
        self._in_use = replace(self._in_use, width_px=wish.width_px, height_px=wish.height_px)
        return self._in_use

    def capture(self, not_before_ns: int) -> Exposure:
        self.asked.append(not_before_ns)
        if self._before_each:
            self._before_each()
        item = next(self._script, None)
        if item is None:
            raise ApplianceError("The camera scripted is gone.")
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed = True
