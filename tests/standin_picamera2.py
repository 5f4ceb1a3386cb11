"""A stand-in for picamera2, written from its own source, with its habits, on a clock that a test holds.

Source: github.com/raspberrypi/picamera2, `picamera2/picamera2.py` at commit ec9ab36d, unless another file is
named. Beside each habit stands the function it comes from. Time passes only where the real library waits
(`wait`) or where a test lets it; the sensor exposes all the while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from builders_cameras import MS, Clock, smear
from numpy.typing import NDArray

Scene = Callable[[int, int], NDArray[np.uint8]]
"""What the sensor sees between two times (ns): RGB."""


@dataclass
class Rig:
    """What lies outside the library: the sensor, the cable, the clocks, and other programs."""

    clock: Clock = field(default_factory=lambda: Clock(50_000))
    asleep_ms: float = 0.0
    stamps_with_boot_time: bool = False
    frame_ms: float = 20.0
    latency_ms: float = 30.0
    cameras: int = 1
    in_use_elsewhere: bool = False
    unplugged: bool = False
    adjusted_format: str | None = None
    adjusted_size: tuple[int, int] | None = None
    padding: int = 0
    row_us: float = 25.0
    without: tuple[str, ...] = ()
    without_metadata: tuple[str, ...] = ()
    stuck_exposure_us: int | None = None
    scene: Scene | None = None
    held: set[int] = field(default_factory=set)
    made: list[Picamera2] = field(default_factory=list)

    def see(self, begin_ns: int, end_ns: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        if self.scene is not None:
            return self.scene(begin_ns, end_ns)
        return smear(begin_ns // MS, width=size[0], height=size[1])


class Module:
    """`import picamera2` gives this."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def Picamera2(self, camera_num: int = 0) -> Picamera2:  # noqa: N802 - the library's name
        return Picamera2(self._rig, camera_num)


class Picamera2:
    def __init__(self, rig: Rig, camera_num: int) -> None:
        # `__init__`: global_camera_info()[camera_num] is indexed before anything is tried: IndexError.
        [*range(rig.cameras)][camera_num]
        # `__init__`: whatever goes wrong in `_open_camera` (camera.acquire()) becomes this one RuntimeError, and
        # libcamera gives a camera to one owner only, in this process or another.
        if rig.in_use_elsewhere or camera_num in rig.held:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        rig.held.add(camera_num)
        rig.made.append(self)
        self._rig = rig
        self._number = camera_num
        self.started = False
        self.is_open = True
        self.cancelled = 0
        self.camera_config: dict[str, Any] | None = None
        self._pending: dict[str, Any] = {}
        self._jobs: list[Job] = []
        self._completed: list[Request] = []

    # What is known of the sensor

    @property
    def camera_properties(self) -> dict[str, Any]:
        return {"Model": "imx477", "ColorFilterArrangement": 0}

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        # `camera_controls`: name to (least, most, default).
        offered = {
            "AeEnable": (False, True, None),
            "AwbEnable": (False, True, None),
            "ColourGains": (0.0, 32.0, None),
            "ExposureTime": (114, 694_422_939, 20_000),
            "AnalogueGain": (1.0, 22.26, None),
            "NoiseReductionMode": (0, 4, 0),
            "FrameDurationLimits": (19_989, 694_434_742, None),
        }
        return {name: limits for name, limits in offered.items() if name not in self._rig.without}

    # Configuring

    def create_still_configuration(
        self,
        main: dict[str, Any],
        raw: dict[str, Any] | None,
        buffer_count: int = 1,
        queue: bool = True,
    ) -> dict[str, Any]:
        # `_make_initial_stream_config`: any other key of a stream is a ValueError.
        for key in main:
            if key not in ("format", "size", "stride", "preserve_ar"):
                raise ValueError(f"Bad key {key!r}")
        stream: dict[str, Any] = {"format": "BGR888", "preserve_ar": True} | main
        # `align_stream(main, optimal=False)`: odd sizes silently become even ones.
        width, height = stream["size"]
        stream["size"] = (width - width % 2, height - height % 2)
        # `create_still_configuration`: noise reduction is set to its strongest where the sensor has it.
        controls: dict[str, Any] = {"FrameDurationLimits": (100, 1_000_000_000)}
        if "NoiseReductionMode" in self.camera_controls:
            controls["NoiseReductionMode"] = 2
        return {
            "main": stream,
            "raw": raw,
            "buffer_count": buffer_count,
            "queue": queue,
            "controls": controls,
        }

    def configure(self, camera_config: dict[str, Any]) -> None:
        # `configure_`: "Camera must be stopped before configuring".
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        config = dict(camera_config, main=dict(camera_config["main"]))
        # `configure_`: validate() may come back Adjusted; that is logged at level info and nothing else, and
        # `_update_stream_config` writes format, size and stride as libcamera made them.
        if self._rig.adjusted_format:
            config["main"]["format"] = self._rig.adjusted_format
        if self._rig.adjusted_size:
            config["main"]["size"] = self._rig.adjusted_size
        deep = 4 if config["main"]["format"].startswith("X") else 3
        config["main"]["stride"] = config["main"]["size"][0] * deep + self._rig.padding
        # `configure_`: a finished request is kept for the next who asks only with queue and more than one buffer.
        self._kept = 1 if config["queue"] and config["buffer_count"] > 1 else 0
        self._free = config["buffer_count"]
        # `configure_`: the controls of the configuration replace whatever was set before.
        self._pending = {}
        self.set_controls(config["controls"])
        self.camera_config = config

    def camera_configuration(self) -> dict[str, Any] | None:
        return self.camera_config

    def set_controls(self, controls: dict[str, Any]) -> None:
        # controls.py, `Controls.__setattr__`: one that the sensor does not advertise is a RuntimeError.
        for name in controls:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        # `set_controls`: they go out with the next request that is queued, or with the start.
        self._pending |= controls

    # Running

    def start(self) -> None:
        # `start_`: pending controls go to camera.start(), so the very first frame has them.
        if self.camera_config is None:
            raise RuntimeError("Camera has not been configured")
        if self.started:
            return
        self._controls = dict(self._pending)
        self._pending = {}
        self._next_stamp_ns = self._rig.clock() + round(self._frame_ms() * MS)
        self.started = True

    def stop(self) -> None:
        # `stop_`: everything finished and not fetched is thrown away.
        self.started = False
        while self._completed:
            self._completed.pop().release()

    def close(self) -> None:
        # `close`: nothing happens the second time.
        if self.is_open:
            self.stop()
            self._rig.held.discard(self._number)
            self.is_open = False

    def capture_request(self, wait: bool | None = None) -> Job:
        # `capture_request` → `dispatch_functions`: with wait=False a job comes back at once; it is served in turn.
        assert wait is False
        job = Job()
        self._jobs.append(job)
        self._serve()
        return job

    def wait(self, job: Job, timeout: float | None = None) -> Request:
        # `wait` → job.py, `get_result`: a Future's; TimeoutError when time is up, and the job stays in the list.
        assert timeout is not None
        deadline_ns = self._rig.clock() + round(timeout * 1e9)
        while job.result is None:
            due_ns = self._due_ns()
            if not self._can_expose() or due_ns > deadline_ns:
                self._rig.clock.now_ns = deadline_ns
                raise TimeoutError
            self._rig.clock.now_ns = max(self._rig.clock.now_ns, due_ns)
            self._run()
        return job.result

    def cancel_all_and_flush(self) -> None:
        # `cancel_all_and_flush`: the jobs are cancelled and forgotten.
        self.cancelled += len(self._jobs)
        self._jobs = []

    # The sensor and the event loop

    def _frame_ms(self) -> float:
        return max(self._rig.frame_ms, self._exposure_us() / 1000)

    def _exposure_us(self) -> int:
        if self._rig.stuck_exposure_us is not None:
            return self._rig.stuck_exposure_us
        # Exposure comes in whole rows.
        return int(self._controls["ExposureTime"] // self._rig.row_us * self._rig.row_us)

    def _due_ns(self) -> int:
        return self._next_stamp_ns + round(self._rig.latency_ms * MS)

    def _can_expose(self) -> bool:
        # No request queued, no frame: `release` is what queues a request again (request.py).
        return self.started and not self._rig.unplugged and self._free > 0

    def _run(self) -> None:
        """Let the sensor have exposed whatever it has by now (`process_requests`)."""
        while self._can_expose() and self._due_ns() <= self._rig.clock():
            self._free -= 1
            self._completed.append(Request(self, self._next_stamp_ns))
            self._next_stamp_ns += round(self._frame_ms() * MS)
            self._serve()
            # `process_requests`: beyond what is kept, finished requests go back, the oldest first.
            while len(self._completed) > self._kept:
                self._completed.pop(0).release()

    def _serve(self) -> None:
        self._run_before_jobs()
        while self._jobs and self._completed:
            # `capture_request_`: the oldest finished request, whenever it was exposed.
            self._jobs.pop(0).result = self._completed.pop(0)

    def _run_before_jobs(self) -> None:
        """Frames that finished while nobody asked are finished, and gone or kept, before a new job sees any."""
        if len(self._jobs) == 1 and self._due_ns() <= self._rig.clock():
            job, self._jobs = self._jobs, []
            self._run()
            self._jobs = job

    def given_back(self) -> None:
        self._free += 1


class Job:
    def __init__(self) -> None:
        self.result: Request | None = None


class Request:
    """request.py, `CompletedRequest`."""

    def __init__(self, device: Picamera2, stamp_ns: int) -> None:
        assert device.camera_config is not None
        rig = device._rig
        self._device = device
        self._config = device.camera_config["main"]
        self._exposure_us = device._exposure_us()
        self._controls = device._controls
        self._stamp_ns = stamp_ns
        self._seen = rig.see(stamp_ns - 1000 * self._exposure_us, stamp_ns, self._config["size"])
        self.released = False

    def get_metadata(self) -> dict[str, Any]:
        # `get_metadata`: what libcamera says of this very frame. SensorTimestamp is the start of the frame on
        # the wire (kernel: unicam_isr at UNICAM_FSI, cfe_sof_isr), the end of the first row's exposure.
        assert not self.released
        rig = self._device._rig
        metadata = {
            "SensorTimestamp": self._stamp_ns
            + (round(rig.asleep_ms * MS) if rig.stamps_with_boot_time else 0),
            "ExposureTime": self._exposure_us,
            "AnalogueGain": round(self._controls["AnalogueGain"] * 1024) / 1024,
            "DigitalGain": 1.0001798868179321,
            "ColourGains": self._controls.get("ColourGains", (2.5, 1.9)),
        }
        return {key: value for key, value in metadata.items() if key not in rig.without_metadata}

    def make_array(self, name: str) -> NDArray[np.uint8]:
        # `Helpers.make_array`: rows are cut to the width where the stride is longer; H×W×3, or ×4 for X formats.
        assert not self.released
        assert name == "main"
        width, height = self._config["size"]
        red, green, blue = (self._seen[:, :, channel] for channel in range(3))
        filler = np.full_like(red, 255)
        # `Helpers.make_image`, mode_lookup: RGB888 is "BGR" to Pillow, BGR888 "RGB", XBGR8888 "RGBX", XRGB8888 "BGRX".
        planes = {
            "BGR888": (red, green, blue),
            "RGB888": (blue, green, red),
            "XBGR8888": (red, green, blue, filler),
            "XRGB8888": (blue, green, red, filler),
        }[self._config["format"]]
        buffer = np.zeros((height, self._config["stride"]), dtype=np.uint8)
        buffer[:, : width * len(planes)] = np.stack(planes, axis=2).reshape(height, -1)
        return np.asarray(buffer[:, : width * len(planes)], order="C").reshape(height, width, len(planes))

    def release(self) -> None:
        # `release`: queued again only where the camera still runs.
        assert not self.released, "CompletedRequest: lock now has negative ref_count"
        self.released = True
        self._device.given_back()
