"""USB microscope cameras: Video4Linux 2, through OpenCV.

Sources: OpenCV's `modules/videoio/src/cap_v4l.cpp` (what `set` and `get` do, and how many buffers lie between),
the kernel's `uvc_video.c` and `uvc_queue.c` (what a frame's time stamp means), and V4L2's camera control reference.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.cameras.freshness import NotFresh
from appliance.cameras.v4l2_locks import UsbLocks
from appliance.errors import ApplianceError, ApplianceRefused

PixelFormat = Literal["YUYV", "MJPG"]
BUFFERS = 2
MOST_BUFFERS = 10  # MAX_V4L_BUFFERS
HELD_FRAMES = 2
SETTLING_FRAMES = 10
ANSWER_WITHIN_S = 10.0
STAMP_AGE_S = 10.0
SLOWEST_FPS = 5.0


class V4l2Camera:
    """A camera at a device such as ``/dev/v4l/by-id/usb-…-video-index0``, driven as OpenCV drives it.

    pixel_format: YUYV is what the sensor saw; MJPG has been compressed, and is for cameras too slow without.
    white_balance_k: locks the white balance there; None locks it where it is.
    held_frames: how many frames the camera itself may hold back. V4L2 does not tell when an exposure began:
    its time stamp is when the first packet of a frame reached this machine. The exposure had ended by then,
    and a camera that buffers or compresses may have kept it for some frames more. So a frame's start is
    reckoned from the stamp, less the exposure and this many frames' time.

    Raises ApplianceError where the device is missing, not readable, or in the hands of another program.
    """

    simulated = False

    def __init__(
        self,
        device: str = "/dev/video0",
        pixel_format: PixelFormat = "YUYV",
        white_balance_k: int | None = None,
        held_frames: int = HELD_FRAMES,
        open_device: Callable[[str], Any] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = f"v4l2:{device}"
        self._pixel_format = pixel_format
        self._white_balance_k = white_balance_k
        self._held_frames = held_frames
        self._clock_ns = clock_ns
        self._capture = (open_device or _opened)(device)
        self._open = True
        if not self._capture.isOpened():
            self.close()
            raise ApplianceError(_why_not_opened(device))
        self._locks = UsbLocks(self._capture, self.name)
        self._model = _model(device)
        self._in_use: CameraInUse | None = None
        self._stamped = False
        self._held_ns = 0

    @property
    def tells_times(self) -> bool:
        """Whether its frames' time stamps are this machine's monotonic clock. Else frames are counted instead."""
        return self._stamped

    def configure(self, wish: CameraSetting) -> CameraInUse:
        """Lock format, exposure, gain and white balance, and return what the camera says that it uses.

        Raises ApplianceRefused where the camera cannot, or does not let anybody check; ApplianceError when it is lost.
        """
        self._refuse_if_closed()
        self._in_use = None
        self._set_format(wish)
        self._grab()  # some cameras take controls only while they stream
        exposure_us = self._locks.lock_exposure(wish.exposure_us)
        gain = self._locks.lock_gain(wish.gain)
        colour_gains = self._locks.lock_colours(wish.colour_gains, self._white_balance_k)
        for _ in range(SETTLING_FRAMES):
            self._grab()
        self._locks.refuse_unless_kept(exposure_us)
        self._learn_times(exposure_us)
        self._in_use = CameraInUse(
            model=self._model,
            width_px=wish.width_px,
            height_px=wish.height_px,
            pixel_format=self._pixel_format,
            exposure_us=exposure_us,
            gain=gain,
            colour_gains=colour_gains,
        )
        return self._in_use

    def capture(self, not_before_ns: int) -> Exposure:
        """Return the next exposure that began at not_before_ns or later, as far as V4L2 lets anybody know.

        Raises NotFresh ("torn") for a frame cut short on its way, ApplianceError when the camera is lost, and
        ApplianceRefused before `configure`.
        """
        self._refuse_if_closed()
        if self._in_use is None:
            raise ApplianceRefused(f"The camera {self.name} is not configured. Configure it first.")
        reach = self._reach_by_stamp if self._stamped else self._reach_by_count
        start_ns = reach(not_before_ns)
        taken, raw = self._capture.retrieve()
        if not taken or raw is None:
            raise self._lost("a frame could not be read")
        return Exposure(
            pixels=self._decoded(np.asarray(raw, dtype=np.uint8).reshape(-1), self._in_use),
            start_ns=start_ns,
            exposure_us=self._locks.exposure_us(),
            gain=self._locks.gain(),
            in_use=self._in_use,
        )

    def close(self) -> None:
        """Let go of the device. May be called twice."""
        if self._open:
            self._open = False
            self._capture.release()

    # Formats

    def _set_format(self, wish: CameraSetting) -> None:
        """OpenCV takes the nearest that the driver offers without a word, so everything is read back."""
        code = cv2.VideoWriter.fourcc(*self._pixel_format)
        self._capture.set(cv2.CAP_PROP_FOURCC, code)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, wish.width_px)  # waits for the height
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, wish.height_px)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)
        self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)  # as the bytes came: cut-short frames show
        got = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        if got != code:
            raise ApplianceRefused(
                f"The camera {self.name} gives {_letters(got)}, not {self._pixel_format}, at {wish.width_px}×"
                f"{wish.height_px}. Choose another size or format (`v4l2-ctl --list-formats-ext` lists them)."
            )
        width_px = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height_px = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if (width_px, height_px) != (wish.width_px, wish.height_px):
            raise ApplianceRefused(
                f"The camera {self.name} gives {width_px}×{height_px} px, not {wish.width_px}×{wish.height_px}. "
                f"Set it to {width_px}×{height_px}."
            )
        if self._capture.get(cv2.CAP_PROP_CONVERT_RGB):
            raise ApplianceRefused(
                f"The camera {self.name} does not give its frames as they came. Use another OpenCV."
            )

    def _decoded(self, raw: NDArray[np.uint8], in_use: CameraInUse) -> NDArray[np.uint8]:
        shape = (in_use.height_px, in_use.width_px)
        if self._pixel_format == "YUYV":
            if raw.size != shape[0] * shape[1] * 2:
                raise self._torn(f"{raw.size} of {shape[0] * shape[1] * 2} bytes came")
            return np.asarray(cv2.cvtColor(raw.reshape(*shape, 2), cv2.COLOR_YUV2RGB_YUYV), dtype=np.uint8)
        if bytes(raw[:2]) != b"\xff\xd8" or b"\xff\xd9" not in bytes(raw[-64:]):  # some cameras pad the end
            raise self._torn("its JPEG has no beginning or no end")
        pixels = cv2.imdecode(raw, cv2.IMREAD_COLOR)
        if pixels is None or pixels.shape[:2] != shape:
            raise self._torn("its JPEG cannot be decoded")
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    def _torn(self, why: str) -> NotFresh:
        return NotFresh(
            "torn", f"The camera {self.name} gave a frame that is not whole: {why}. Check the USB cable."
        )

    # Times

    def _learn_times(self, exposure_us: int) -> None:
        """How long a frame is held, and whether stamps can be believed: one of a frame just grabbed is young."""
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        frame_us = max(1e6 / (fps if fps > 0 else SLOWEST_FPS), exposure_us)
        self._held_ns = round(1000 * (exposure_us + self._held_frames * frame_us))
        age_ns = self._clock_ns() - self._stamp_ns()
        self._stamped = 0 <= age_ns <= STAMP_AGE_S * 1e9

    def _stamp_ns(self) -> int:
        return int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)

    def _reach_by_stamp(self, not_before_ns: int) -> int:
        """Pass over frames that lay in buffers, by their stamps; return when the next began at the earliest."""
        deadline_ns = max(not_before_ns, self._clock_ns()) + round(ANSWER_WITHIN_S * 1e9)
        while self._clock_ns() <= deadline_ns:
            self._grab()
            start_ns = self._stamp_ns() - self._held_ns
            if start_ns >= not_before_ns:
                return start_ns
        raise self._lost(f"no frame began within {ANSWER_WITHIN_S:g} s")

    def _reach_by_count(self, not_before_ns: int) -> int:
        """Without stamps: pass over as many frames as can have begun before now, all told.

        Those are every buffer's, those that the camera holds, the one on its way and the one in exposure.
        """
        while self._clock_ns() < not_before_ns:
            self._grab()
        began_ns = self._clock_ns()
        buffers = int(self._capture.get(cv2.CAP_PROP_BUFFERSIZE))
        older = (buffers if 1 <= buffers <= MOST_BUFFERS else MOST_BUFFERS) + self._held_frames + 2
        for _ in range(older + 1):
            self._grab()
        return began_ns

    def _grab(self) -> None:
        if not self._capture.grab():
            raise self._lost("it gives no frame")

    def _refuse_if_closed(self) -> None:
        if not self._open:
            raise ApplianceError(f"The camera {self.name} is closed. Open it again.")

    def _lost(self, why: str) -> ApplianceError:
        self.close()
        return ApplianceError(f"The camera {self.name} is lost: {why}. Check its USB cable, then resume.")


def _opened(device: str) -> Any:
    if not Path(device).exists():  # OpenCV would print a warning of its own
        raise ApplianceError(_why_not_opened(device))
    return cv2.VideoCapture(device, cv2.CAP_V4L2)


def _why_not_opened(device: str) -> str:
    if not Path(device).exists():
        return f"There is no camera at {device}. Plug it in, and see `ls -l /dev/v4l/by-id`."
    if not os.access(device, os.R_OK | os.W_OK):
        return (
            f"The camera at {device} may not be used by this user. Add the user to the group video, and log "
            "in again."
        )
    return (
        f"The camera at {device} cannot be opened. Stop the other program that uses it, or unplug it and plug "
        "it in again."
    )


def _model(device: str) -> str:
    """What the camera calls itself, as the kernel knows it."""
    try:
        told = Path("/sys/class/video4linux", Path(device).resolve().name, "name").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "USB camera"
    return told.strip() or "USB camera"


def _letters(fourcc: int) -> str:
    return fourcc.to_bytes(4, "little", signed=False).decode("latin-1") if fourcc > 0 else "no format"
