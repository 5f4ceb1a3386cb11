"""A stand-in for cv2.VideoCapture on a UVC camera, with its habits, on a clock that a test holds.

Source: github.com/opencv/opencv, `modules/videoio/src/cap_v4l.cpp`; for the camera and the kernel below it,
`drivers/media/usb/uvc/uvc_video.c`. Beside each habit stands the function it comes from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from builders_cameras import MS, Clock, smear
from numpy.typing import NDArray

CONTROLS = {
    cv2.CAP_PROP_AUTO_EXPOSURE: 3.0,
    cv2.CAP_PROP_EXPOSURE: 156.0,
    cv2.CAP_PROP_GAIN: 16.0,
    cv2.CAP_PROP_AUTO_WB: 1.0,
    cv2.CAP_PROP_WB_TEMPERATURE: 4600.0,
}


@dataclass
class UsbCamera:
    """What is plugged in, and what the kernel does with it."""

    clock: Clock = field(default_factory=lambda: Clock(50_000))
    opens: bool = True
    fps: float = 50.0
    held_frames: int = 1
    transfer_ms: float = 8.0
    stamps: Literal["arrival", "none", "wall clock"] = "arrival"
    formats: tuple[str, ...] = ("YUYV", "MJPG")
    sizes: tuple[tuple[int, int], ...] = ((160, 120), (320, 240))
    controls: dict[int, float] = field(default_factory=lambda: dict(CONTROLS))
    limits: dict[int, tuple[float, float]] = field(default_factory=dict)
    deaf: tuple[int, ...] = ()
    forgets_after: int | None = None
    unplugged: bool = False
    damage: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]] | None = None
    scene: Callable[[int, int], NDArray[np.uint8]] = lambda begin_ns, end_ns: smear(end_ns // MS)
    frames_sent: int = 0


class Capture:
    def __init__(self, camera: UsbCamera) -> None:
        self._camera = camera
        self._fourcc = "YUYV"
        self._size = camera.sizes[0]
        self._width_wished: int | None = None
        self._buffers = 4  # DEFAULT_V4L_BUFFERS
        self._convert = True
        self.released = False
        self._current: NDArray[np.uint8] | None = None
        self._streaming = False
        self._restart()

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._camera.opens and not self.released

    def release(self) -> None:
        self.released = True

    def set(self, prop: int, value: float) -> bool:
        # `setProperty`
        if prop == cv2.CAP_PROP_FOURCC:
            wished = int(value).to_bytes(4, "little").decode("latin-1")
            # Where the driver does not offer it, `autosetup_capture_mode` tries others until one is taken.
            self._fourcc = wished if wished in self._camera.formats else self._camera.formats[0]
            self._restart()
            return True
        if prop == cv2.CAP_PROP_FRAME_WIDTH:
            # `icvSetFrameSize`: nothing happens until both are set.
            self._width_wished = int(value)
            return True
        if prop == cv2.CAP_PROP_FRAME_HEIGHT:
            if self._width_wished is not None:
                wish = (self._width_wished, int(value))
                # VIDIOC_S_FMT takes the nearest size that there is, and says nothing.
                self._size = min(self._camera.sizes, key=lambda s: abs(s[0] - wish[0]) + abs(s[1] - wish[1]))
                self._width_wished = None
                self._restart()
            return True
        if prop == cv2.CAP_PROP_BUFFERSIZE:
            self._buffers = int(value)
            self._restart()
            return True
        if prop == cv2.CAP_PROP_CONVERT_RGB:
            self._convert = bool(value)
            return True
        # `controlInfo`, `icvControl`: absent ones are False; the driver may clamp, and that is not told.
        if prop not in self._camera.controls:
            return False
        if prop not in self._camera.deaf:
            least, most = self._camera.limits.get(prop, (-np.inf, np.inf))
            self._camera.controls[prop] = float(min(max(round(value), least), most))
        return True

    def get(self, prop: int) -> float:
        # `getProperty`
        if prop == cv2.CAP_PROP_FOURCC:
            return float(int.from_bytes(self._fourcc.encode("latin-1"), "little"))
        if prop == cv2.CAP_PROP_FRAME_WIDTH:
            return float(self._size[0])
        if prop == cv2.CAP_PROP_FRAME_HEIGHT:
            return float(self._size[1])
        if prop == cv2.CAP_PROP_BUFFERSIZE:
            return float(self._buffers)
        if prop == cv2.CAP_PROP_CONVERT_RGB:
            return float(self._convert)
        if prop == cv2.CAP_PROP_FPS:
            return self._camera.fps
        if prop == cv2.CAP_PROP_POS_MSEC:
            # Zero before the first frame; then the buffer's time stamp.
            return self._stamp_ns / MS
        return self._camera.controls.get(prop, -1.0)

    def grab(self) -> bool:
        # `grabFrame`, `read_frame_v4l2`: the oldest filled buffer; waits for one up to 10 s (`tryIoctl`).
        if not self._streaming:
            self._streaming = True
            self._next_ns = self._camera.clock()
        if self._current is not None:  # a frame that was grabbed and not retrieved goes back to the driver
            self._current = None
        self._fill()
        while not self._queue:
            if self._camera.unplugged:
                self._camera.clock.wait(10_000)
                return False
            self._camera.clock.now_ns = max(self._camera.clock.now_ns, self._arrives_ns())
            self._fill()
        self._stamp_ns, self._current = self._queue.popleft()
        return True

    def retrieve(self) -> tuple[bool, Any]:
        # `retrieveFrame`: with CONVERT_RGB off, the bytes as they came, in one row. It is True whatever happens.
        raw, self._current = self._current, None
        assert raw is not None
        assert not self._convert, "the stand-in gives bytes alone"
        return True, raw.reshape(1, -1)

    def _restart(self) -> None:
        # `v4l2_reset`: the stream stops, and what was in the buffers is gone.
        self._queue: deque[tuple[int, NDArray[np.uint8]]] = deque()
        self._current = None
        self._streaming = False
        self._stamp_ns = 0
        self._next_ns = 0

    def _arrives_ns(self) -> int:
        """When the frame that begins next is whole in a buffer."""
        held_ms = self._camera.held_frames * 1000 / self._camera.fps
        return self._next_ns + self._exposure_ns() + round((held_ms + self._camera.transfer_ms) * MS)

    def _exposure_ns(self) -> int:
        return round(self._camera.controls.get(cv2.CAP_PROP_EXPOSURE, 100.0) * 100_000)

    def _fill(self) -> None:
        """Frames that have come by now. `uvc_queue_next_buffer`: where no buffer is free, the new one is lost."""
        while not self._camera.unplugged and self._arrives_ns() <= self._camera.clock():
            arrived_ns = self._arrives_ns()
            if len(self._queue) < self._buffers:
                begin_ns, end_ns = self._next_ns, self._next_ns + self._exposure_ns()
                raw = _bytes(self._camera.scene(begin_ns, end_ns), self._fourcc)
                if self._camera.damage is not None:
                    raw = self._camera.damage(raw, self._camera.frames_sent)
                # `uvc_video_decode_start`: stamped when the first packet came, after exposure and holding.
                first_packet_ns = arrived_ns - round(self._camera.transfer_ms * MS)
                stamp_ns = {"arrival": first_packet_ns, "none": 0, "wall clock": first_packet_ns + 10**18}
                self._queue.append((stamp_ns[self._camera.stamps], raw))
            self._camera.frames_sent += 1
            if self._camera.frames_sent == self._camera.forgets_after:
                self._camera.controls[cv2.CAP_PROP_AUTO_EXPOSURE] = 3.0
            self._next_ns += max(round(1e9 / self._camera.fps), self._exposure_ns())


def _bytes(rgb: NDArray[np.uint8], fourcc: str) -> NDArray[np.uint8]:
    """What the camera sends for a picture."""
    if fourcc == "MJPG":
        return np.asarray(cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]).reshape(-1)
    # BT.601 with headroom, as cvtColor undoes it.
    red, green, blue = (rgb[:, :, channel].astype(np.float32) for channel in range(3))
    y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = (128 - 0.148 * red - 0.291 * green + 0.439 * blue)[:, ::2]
    v = (128 + 0.439 * red - 0.368 * green - 0.071 * blue)[:, ::2]
    packed = np.stack([y[:, ::2], u, y[:, 1::2], v], axis=2)
    return np.asarray(np.clip(packed.round(), 0, 255), dtype=np.uint8).reshape(-1)
