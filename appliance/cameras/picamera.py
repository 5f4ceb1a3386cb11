"""Raspberry Pi sensors (HQ, global shutter, …) through picamera2.

Sources: picamera2's `picamera2.py`, `request.py` and `controls.py` (github.com/raspberrypi/picamera2, 0.3.x);
for what a sensor's time stamp means, libcamera's `control_ids_core.yaml` and the kernel's `bcm2835-unicam.c` and
`rp1-cfe/cfe.c`.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.errors import ApplianceError, ApplianceRefused

log = logging.getLogger(__name__)

MISSING = (
    "picamera2 is not installed. On Raspberry Pi OS run `sudo apt install python3-picamera2`, and make the "
    "environment of Hemadiff with `python3 -m venv --system-site-packages`, so that it sees Debian's packages."
)
BUFFERS = 3
SETTLING_FRAMES = 20  # buffers + 3 or 4 are usual (raspberrypi/picamera2 issue 1278)
ANSWER_WITHIN_S = 5.0
# The stamp is taken in an interrupt as the first row arrives, which was exposed a row's time (well under
# 0.1 ms) before; a busy machine answers interrupts later, never earlier.
STAMP_IS_LATE_BY_US = 1000
STAMP_AGE_S = 10.0
NO_NOISE_REDUCTION = 0  # libcamera.controls.draft.NoiseReductionModeEnum.Off
EXPOSURE_NEAR_US, NEAR = 60, 0.03  # exposure comes in whole rows, gain in steps of up to 0.1 dB

# libcamera names formats as DRM does, from the last byte to the first: BGR888 lies in memory as R, G, B.
AS_RGB: Mapping[str, slice] = {
    "BGR888": slice(0, 3),
    "RGB888": slice(None, None, -1),
    "XBGR8888": slice(0, 3),
    "XRGB8888": slice(2, None, -1),
}


@dataclass(frozen=True, slots=True)
class Clocks:
    """The machine's two clocks since it was switched on: with (boot) and without (monotonic) time asleep."""

    monotonic_ns: Callable[[], int] = time.monotonic_ns
    boot_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class PiCamera:
    """A sensor on the ribbon cable of this Raspberry Pi. number: as `rpicam-hello --list-cameras` counts.

    Raises ApplianceRefused where picamera2 is missing, and ApplianceError where there is no such camera or
    another program holds it.
    """

    simulated = False

    def __init__(self, number: int = 0, clocks: Clocks | None = None) -> None:
        self._clocks = clocks or Clocks()
        self._device = _opened(_library(), number)
        self._model = str(self._device.camera_properties.get("Model", "unknown sensor"))
        self._number = number
        self._in_use: CameraInUse | None = None
        self._asleep_ns = 0
        self._open = True

    @property
    def name(self) -> str:
        """``picamera2:`` and its number, with the sensor's model."""
        return f"picamera2:{self._number} ({self._model})"

    def configure(self, wish: CameraSetting) -> CameraInUse:
        """Lock the sensor to a setting and return what it really uses, read back from it and from its frames.

        Raises ApplianceRefused where the sensor cannot, and ApplianceError when it is lost.
        """
        self._refuse_if_closed()
        self._in_use = None
        try:
            self._device.stop()
            self._device.configure(self._configuration(wish))
            pixel_format = self._refuse_unless_adopted(wish)
            controls = self._controls(wish)
            self._device.set_controls(controls)  # before start: the very first frame has them
            self._device.start()
        except RuntimeError as error:
            raise self._lost(str(error)) from error
        self._in_use = self._settled(wish, pixel_format)
        return self._in_use

    def capture(self, not_before_ns: int) -> Exposure:
        """Return the next exposure that began at not_before_ns or later.

        Requests queued before are in flight already and are passed over by their own times.
        Raises ApplianceError when the camera gives no frame, and ApplianceRefused before `configure`.
        """
        self._refuse_if_closed()
        if self._in_use is None:
            raise ApplianceRefused(f"The camera {self.name} is not configured. Configure it first.")
        patience_s = ANSWER_WITHIN_S + (BUFFERS + 3) * self._in_use.exposure_us / 1e6
        deadline_ns = max(not_before_ns, self._clocks.monotonic_ns()) + round(patience_s * 1e9)
        while True:
            with self._request(deadline_ns) as request:
                metadata = request.get_metadata()
                start_ns = self._start_ns(metadata)
                if start_ns >= not_before_ns:
                    return Exposure(
                        pixels=_rgb(request.make_array("main"), self._in_use.pixel_format),
                        start_ns=start_ns,
                        exposure_us=int(metadata["ExposureTime"]),
                        gain=_gain(metadata),
                        in_use=self._in_use,
                    )

    def close(self) -> None:
        """Let go of the sensor. May be called twice."""
        if self._open:
            self._open = False
            try:
                self._device.close()
            except RuntimeError:
                log.exception("the camera %s did not close", self.name)

    def _configuration(self, wish: CameraSetting) -> dict[str, Any]:
        # queue=False: a finished request is never kept for the next who asks.  raw=None: one stream is enough.
        configuration: dict[str, Any] = self._device.create_still_configuration(
            main={"size": (wish.width_px, wish.height_px), "format": "BGR888"},
            raw=None,
            buffer_count=BUFFERS,
            queue=False,
        )
        return configuration

    def _refuse_unless_adopted(self, wish: CameraSetting) -> str:
        """libcamera adjusts what it cannot do and only logs it, so what it made of the wish is read back."""
        stream = self._device.camera_configuration()["main"]
        width_px, height_px = stream["size"]
        if (width_px, height_px) != (wish.width_px, wish.height_px):
            raise ApplianceRefused(
                f"The camera {self.name} gives {width_px}×{height_px} px, not {wish.width_px}×{wish.height_px}. "
                f"Set it to {width_px}×{height_px}."
            )
        if stream["format"] not in AS_RGB:
            raise ApplianceRefused(
                f"The camera {self.name} gives {stream['format']} at {width_px}×{height_px} px, whose colours are not "
                "whole. Choose another size."
            )
        return str(stream["format"])

    def _controls(self, wish: CameraSetting) -> dict[str, Any]:
        """What locks the sensor; a control that it does not advertise would raise."""
        offered = self._device.camera_controls
        self._refuse_beyond(offered, "ExposureTime", wish.exposure_us, "an exposure of {:g} µs")
        self._refuse_beyond(offered, "AnalogueGain", wish.gain, "a gain of {:g}")
        controls: dict[str, Any] = {"ExposureTime": wish.exposure_us, "AnalogueGain": wish.gain}
        # Noise reduction over time would mix a field with the ones before it.
        for name, off in (
            ("AeEnable", False),
            ("AwbEnable", False),
            ("NoiseReductionMode", NO_NOISE_REDUCTION),
        ):
            if name in offered:
                controls[name] = off
        if wish.colour_gains is not None:
            if "ColourGains" not in offered:
                raise ApplianceRefused(f"The camera {self.name} has no colour gains: it sees no colours.")
            controls["ColourGains"] = wish.colour_gains
        return controls

    def _refuse_beyond(self, offered: Mapping[str, Any], control: str, value: float, what: str) -> None:
        if control not in offered:
            raise ApplianceRefused(
                f"The camera {self.name} lets nobody set {control}. Use a Raspberry Pi sensor."
            )
        least, most, _ = offered[control]
        if value < (least or 0) or (most and value > most):
            raise ApplianceRefused(
                f"The camera {self.name} cannot have {what.format(value)}: it takes {least:g} to {most:g}."
            )

    def _settled(self, wish: CameraSetting, pixel_format: str) -> CameraInUse:
        """Wait until frames have the setting, by their own word, and return it."""
        deadline_ns = self._clocks.monotonic_ns() + round(
            (ANSWER_WITHIN_S + SETTLING_FRAMES * wish.exposure_us / 1e6) * 1e9
        )
        metadata: Mapping[str, Any] = {}
        for _ in range(SETTLING_FRAMES):
            with self._request(deadline_ns) as request:
                metadata = request.get_metadata()
            self._refuse_without_times(metadata)
            self._asleep_ns = self._time_asleep_ns(int(metadata["SensorTimestamp"]))
            if _has(metadata, wish):
                gains = metadata.get("ColourGains")
                return CameraInUse(
                    model=self._model,
                    width_px=wish.width_px,
                    height_px=wish.height_px,
                    pixel_format=pixel_format,
                    exposure_us=int(metadata["ExposureTime"]),
                    gain=_gain(metadata),
                    colour_gains=None if gains is None else (float(gains[0]), float(gains[1])),
                )
        raise ApplianceRefused(
            f"The camera {self.name} uses {metadata['ExposureTime']} µs at gain {_gain(metadata):.3g} (colours "
            f"{metadata.get('ColourGains')}), not {wish.exposure_us} µs at gain {wish.gain:g} ({wish.colour_gains}). "
            "Set it to what it uses."
        )

    def _refuse_without_times(self, metadata: Mapping[str, Any]) -> None:
        missing = [key for key in ("SensorTimestamp", "ExposureTime", "AnalogueGain") if key not in metadata]
        if missing:
            raise ApplianceRefused(
                f"The camera {self.name} does not tell the {' and '.join(missing)} of its frames. Use a sensor on the "
                "ribbon cable; for a USB camera write v4l2:DEVICE."
            )

    def _time_asleep_ns(self, stamp_ns: int) -> int:
        """How far a sensor's time stamp is ahead of the monotonic clock.

        libcamera documents CLOCK_BOOTTIME for SensorTimestamp, but passes on the time stamp of the kernel's buffer,
        which bcm2835-unicam (Pi 4) and rp1-cfe (Pi 5) take with ktime_get_ns, CLOCK_MONOTONIC. The two differ
        only on a machine that has slept. A frame that was just waited for is seconds old at the most: that decides.
        """
        now_ns, now_boot_ns = self._clocks.monotonic_ns(), self._clocks.boot_ns()
        if 0 <= now_ns - stamp_ns <= STAMP_AGE_S * 1e9:
            return 0
        if 0 <= now_boot_ns - stamp_ns <= STAMP_AGE_S * 1e9:
            return now_boot_ns - now_ns
        raise self._lost(
            f"its time stamps ({stamp_ns} ns) are those of no clock of this machine ({now_ns} ns monotonic)"
        )

    def _start_ns(self, metadata: Mapping[str, Any]) -> int:
        """When the first row's exposure began, at the latest; monotonic.

        The stamp is the start of the frame on the wire: the first row's exposure had ended by then. (picamera2
        reckons alike, in `wait_for_timestamp_`.)
        """
        exposed_us = int(metadata["ExposureTime"]) + STAMP_IS_LATE_BY_US
        return int(metadata["SensorTimestamp"]) - self._asleep_ns - 1000 * exposed_us

    @contextlib.contextmanager
    def _request(self, deadline_ns: int) -> Iterator[Any]:
        """The next finished request, given back at the end: a camera whose requests are all held stands still."""
        left_s = max(0.0, (deadline_ns - self._clocks.monotonic_ns()) / 1e9)
        try:
            request = self._device.wait(self._device.capture_request(wait=False), timeout=left_s)
        except TimeoutError as error:
            # The job would stay queued, and the next frame would go to it and never come back.
            self._device.cancel_all_and_flush()
            raise self._lost("it gives no frame") from error
        except RuntimeError as error:
            raise self._lost(str(error)) from error
        try:
            yield request
        finally:
            request.release()

    def _refuse_if_closed(self) -> None:
        if not self._open:
            raise ApplianceError(f"The camera {self.name} is closed. Open it again.")

    def _lost(self, why: str) -> ApplianceError:
        self.close()
        return ApplianceError(
            f"The camera {self.name} is lost: {why.rstrip('.')}. Check its ribbon cable, then resume."
        )


def _library() -> Any:
    try:
        return importlib.import_module("picamera2")
    except (ImportError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "picamera2":
            raise ApplianceRefused(MISSING) from error
        # libcamera's own library is missing, or made for another Python
        raise ApplianceRefused(f"picamera2 is installed but does not load: {error}. {MISSING}") from error


def _opened(library: Any, number: int) -> Any:
    try:
        return library.Picamera2(number)
    except IndexError as error:
        raise ApplianceError(
            f"There is no camera {number} on this Raspberry Pi. Check the ribbon cable, and see "
            "`rpicam-hello --list-cameras`."
        ) from error
    except RuntimeError as error:
        raise ApplianceError(
            f"The camera picamera2:{number} cannot be opened ({error}). Stop the other program that uses it, or "
            "restart the Raspberry Pi."
        ) from error


def _rgb(array: NDArray[np.uint8], pixel_format: str) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array[:, :, AS_RGB[pixel_format]])


def _gain(metadata: Mapping[str, Any]) -> float:
    return float(metadata["AnalogueGain"]) * float(metadata.get("DigitalGain", 1.0))


def _has(metadata: Mapping[str, Any], wish: CameraSetting) -> bool:
    """Whether a frame was taken with the setting, as nearly as a sensor can."""
    exposure_off_us = abs(metadata["ExposureTime"] - wish.exposure_us)
    if exposure_off_us > max(EXPOSURE_NEAR_US, NEAR * wish.exposure_us):
        return False
    if abs(_gain(metadata) - wish.gain) > NEAR * wish.gain:
        return False
    gains = metadata.get("ColourGains")
    return wish.colour_gains is None or (
        gains is not None
        and all(abs(got - want) <= NEAR * want for got, want in zip(gains, wish.colour_gains, strict=True))
    )
