"""`hemadiff camera`: trying, serving and locking cameras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders_cameras import IN_USE, MS, exposure, smear
from click.testing import CliRunner, Result
from PIL import Image

from appliance.cameras.camera import Camera, CameraInUse, CameraSetting, Exposure
from appliance.cameras.key import make_key, read_key
from appliance.cameras.open_driver import (
    DriverOptions,
    PiSensor,
    RemoteSensor,
    Sensor,
    UsbSensor,
    open_driver,
    parse_sensor,
)
from appliance.commands.camera import camera
from appliance.errors import ApplianceError, ApplianceRefused

SETTING = ("--width", "160", "--height", "120", "--exposure-us", "5000")


class Bench:
    """A camera under a hand: every frame is of its own, and bright as it is told."""

    name, simulated = "bench", True

    def __init__(self, light: float = 1.0) -> None:
        self.light = light
        self.taken = 0
        self.closed = 0

    def configure(self, wish: CameraSetting) -> CameraInUse:
        return IN_USE

    def capture(self, not_before_ns: int) -> Exposure:
        self.taken += 1
        pixels = (smear(self.taken) * self.light).astype(np.uint8)
        return exposure(not_before_ns / MS, pixels=pixels)

    def close(self) -> None:
        self.closed += 1


def hemadiff_camera(*words: object) -> Result:
    return CliRunner().invoke(camera, [str(word) for word in words])


def with_driver(monkeypatch: pytest.MonkeyPatch, driver: Camera) -> None:
    monkeypatch.setattr("appliance.cameras.open_driver.open_driver", lambda sensor, options=None: driver)


def test_trying_says_what_is_in_use_and_what_came(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bench = Bench()
    with_driver(monkeypatch, bench)
    result = hemadiff_camera("try", "picamera2", *SETTING, "--frames", 3, "--save", tmp_path / "last.png")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "bench: stand-in, 160×120 BGR888, 5000 µs, gain 1, colour gains (2.0, 1.5)"
    assert lines[3].startswith("3: began ")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "last.png")), smear(3))
    assert bench.closed == 1


def test_trying_a_camera_in_the_dark_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, Bench(light=0.05))
    result = hemadiff_camera("try", "picamera2", *SETTING, "--frames", 2)
    assert isinstance(result.exception, ApplianceError)
    assert str(result.exception) == "2 of 2 frames were not fresh."
    assert "1: dark. " in result.output


def test_a_served_camera_can_be_tried_from_the_other_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_key(tmp_path / "key")
    seen: list[Result] = []
    real = open_driver

    def drivers(sensor: Sensor, options: DriverOptions | None = None) -> Camera:
        return real(sensor, options) if isinstance(sensor, RemoteSensor) else Bench()

    def visit(address: tuple[str, int]) -> Callable[[], None]:
        return lambda: seen.append(
            hemadiff_camera("try", f"remote:127.0.0.1:{address[1]}", *SETTING, "--key", tmp_path / "key")
        )

    from appliance.cameras.server import CameraServer

    start = CameraServer.start

    def started(server: CameraServer) -> None:
        start(server)
        monkeypatch.setattr("appliance.commands.camera.wait_until_told_to_stop", visit(server.address))

    monkeypatch.setattr("appliance.cameras.open_driver.open_driver", drivers)
    monkeypatch.setattr(CameraServer, "start", started)
    result = hemadiff_camera("serve", "picamera2", "--port", 0, "--key", tmp_path / "key")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Serving picamera2 at 127.0.0.1:")
    assert seen[0].exit_code == 0, seen[0].output
    assert seen[0].output.count("began ") == 5


def test_a_camera_that_is_not_there_is_told_before_anybody_comes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_key(tmp_path / "key")
    result = hemadiff_camera("serve", "v4l2:/dev/video-none", "--port", 0, "--key", tmp_path / "key")
    assert isinstance(result.exception, ApplianceError)
    assert "There is no camera at /dev/video-none" in str(result.exception)


def test_serving_what_another_machine_serves_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    result = hemadiff_camera("serve", "remote:192.168.7.2", "--key", tmp_path / "key")
    assert isinstance(result.exception, ApplianceRefused)


def test_a_key_is_made(tmp_path: Path) -> None:
    assert hemadiff_camera("key", tmp_path / "key").exit_code == 0
    assert len(read_key(tmp_path / "key")) == 32


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("picamera2", PiSensor(0)),
        ("picamera2:1", PiSensor(1)),
        ("v4l2:/dev/v4l/by-id/usb-Scope-video-index0", UsbSensor("/dev/v4l/by-id/usb-Scope-video-index0")),
        ("remote:scope-pi.local", RemoteSensor("scope-pi.local", 7415)),
        ("remote:192.168.7.2:8000", RemoteSensor("192.168.7.2", 8000)),
        ("remote:[fd00::2]:8000", RemoteSensor("fd00::2", 8000)),
        ("remote:[fd00::2]", RemoteSensor("fd00::2", 7415)),
    ],
)
def test_a_camera_is_named_by_its_text(text: str, named: Sensor) -> None:
    assert parse_sensor(text) == named


@pytest.mark.parametrize(
    "text",
    [
        "",
        "picamera",
        "picamera2:",
        "picamera2:x",
        "picamera2:99",
        "v4l2",
        "v4l2:0",
        "remote:",
        "remote:x:0",
        "remote::1",
    ],
)
def test_what_names_no_camera_is_refused(text: str) -> None:
    with pytest.raises(ApplianceRefused, match="There is no camera"):
        parse_sensor(text)


def test_a_remote_camera_without_a_key_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="hemadiff camera key"):
        open_driver(RemoteSensor("192.168.7.2"))


def test_no_drivers_library_is_imported_before_its_camera_is_named() -> None:
    import subprocess
    import sys

    code = (
        "import sys, appliance.cameras, appliance.cameras.open_driver, appliance.commands.camera as _;"
        "print([m for m in ('cv2', 'picamera2', 'appliance.cameras.picamera', 'appliance.cameras.v4l2') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
