"""What every camera promises: a setting that is really in use, and exposures that began when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CameraSetting:
    """What is wished of a sensor. Everything in it is locked: nothing is left to an automatic.

    gain: the sensor's analogue gain, as a factor; 1.0 is its least.
    colour_gains: the factors of red and blue against green; None leaves the sensor's own.
    """

    width_px: int
    height_px: int
    exposure_us: int
    gain: float = 1.0
    colour_gains: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class CameraInUse:
    """What the sensor really uses, read back from it.

    model: what the sensor or the device calls itself.  pixel_format: the driver's word for what travels
    from the sensor ("BGR888", "YUYV", "MJPG"), whatever it was converted to afterwards.
    gain: a factor, or the device's own number where it gives no factor.
    colour_gains: red and blue; None where the sensor does not say.
    """

    model: str
    width_px: int
    height_px: int
    pixel_format: str
    exposure_us: int
    gain: float
    colour_gains: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """One exposure as the sensor gave it.

    pixels: uint8, H×W×3, RGB.
    start_ns: monotonic, of this machine: the first row's exposure began then or later, never earlier.
    exposure_us, gain: of this very exposure.
    """

    pixels: NDArray[np.uint8]
    start_ns: int
    exposure_us: int
    gain: float
    in_use: CameraInUse


class Camera(Protocol):
    """A sensor in the hands of one owner, who calls it from one thread at a time."""

    @property
    def name(self) -> str:
        """What status and results call it."""

    @property
    def simulated(self) -> bool:
        """Whether no light ever fell on its sensor."""

    def configure(self, wish: CameraSetting) -> CameraInUse:
        """Lock the sensor to a setting and return what it really uses.

        Raises ApplianceRefused where the sensor cannot, and ApplianceError when the camera is lost.
        """

    def capture(self, not_before_ns: int) -> Exposure:
        """Return the next exposure that began at not_before_ns (monotonic) or later.

        Raises NotFresh (an ApplianceError with a short reason) where no usable exposure could be had,
        any other ApplianceError when the camera is lost, and ApplianceRefused before `configure`.
        """

    def close(self) -> None:
        """Let go of the sensor. May be called twice."""
