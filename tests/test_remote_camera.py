"""A camera on another machine, over real sockets: fresh by one clock, whole, and for nobody without the key."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from builders_cameras import IN_USE, MS, WISH, Clock, ScriptedCamera, exposure, smear

from appliance.cameras.camera import Camera, CameraInUse, CameraSetting, Exposure
from appliance.cameras.freshness import FreshCamera, NotFresh
from appliance.cameras.key import make_key, read_key
from appliance.cameras.remote import RemoteCamera
from appliance.cameras.server import CameraServer
from appliance.errors import ApplianceError, ApplianceRefused

KEY = bytes(range(32))


def waits(event: threading.Event) -> None:
    event.wait(30)


class PiSensor:
    """A sensor on a machine with a clock of its own: every frame begins `lag_ms` after it may."""

    simulated = False
    name = "picamera2:0 (imx477)"

    def __init__(self, clock: Clock, lag_ms: float = 20.0) -> None:
        self.clock = clock
        self.lag_ms = lag_ms
        self.asked: list[int] = []
        self.closed = threading.Event()

    def configure(self, wish: CameraSetting) -> CameraInUse:
        if wish.exposure_us > 1_000_000:
            raise ApplianceRefused("The camera cannot have an exposure of so many µs.")
        return IN_USE

    def capture(self, not_before_ns: int) -> Exposure:
        self.asked.append(not_before_ns)
        self.clock.wait(self.lag_ms + 5)
        return exposure(not_before_ns / MS + self.lag_ms, seed=len(self.asked))

    def close(self) -> None:
        self.closed.set()


@contextmanager
def served(
    open_camera: Callable[[], Camera], clock: Clock | None = None, owner_goes_within_s: float = 30.0
) -> Iterator[int]:
    """Serve a camera; give the port."""
    server = CameraServer(open_camera, KEY, "127.0.0.1", 0, clock or Clock(1), owner_goes_within_s)
    server.start()
    try:
        yield server.address[1]
    finally:
        server.close()


@contextmanager
def connected(port: int, here: Clock | None = None, answer_within_s: float = 30.0) -> Iterator[RemoteCamera]:
    """An instrument whose clock is `here`."""
    here = here or Clock(1)
    camera = RemoteCamera(
        "127.0.0.1", KEY, port, answer_within_s, here, sleep=lambda seconds: here.wait(seconds * 1000)
    )
    try:
        yield camera
    finally:
        camera.close()


@contextmanager
def remote(
    sensor: Camera, there: Clock | None = None, here: Clock | None = None, answer_within_s: float = 30.0
) -> Iterator[RemoteCamera]:
    with served(lambda: sensor, there) as port, connected(port, here, answer_within_s) as camera:
        yield camera


def test_pixels_arrive_as_they_were() -> None:
    sensor = PiSensor(Clock(1))
    with remote(sensor, sensor.clock) as camera:
        assert camera.configure(WISH) == IN_USE
        frame = camera.capture(0)
    assert np.array_equal(frame.pixels, smear(seed=1))
    assert (frame.exposure_us, frame.gain, frame.in_use) == (5000, 1.0, IN_USE)


def test_it_says_which_camera_is_served_where() -> None:
    sensor = PiSensor(Clock(1))
    with served(lambda: sensor) as port, connected(port) as camera:
        assert camera.name == f"remote:127.0.0.1:{port} (picamera2:0 (imx477))"
        assert not camera.simulated


@pytest.mark.parametrize("there_ms", [5.0, 1e9])
def test_freshness_does_not_depend_on_the_two_clocks_agreeing(there_ms: float) -> None:
    here, there = Clock(1e6), Clock(there_ms)
    sensor = PiSensor(there)
    with remote(sensor, there, here) as camera:
        camera.configure(WISH)
        for _ in range(3):
            settled_ns = here()
            frame = camera.capture(settled_ns)
            assert settled_ns <= frame.start_ns <= settled_ns + 20 * MS
            here.wait(40)


def test_nothing_is_asked_before_everything_has_settled() -> None:
    here, there = Clock(100), Clock(7000)
    asked_at = []
    sensor = PiSensor(there)
    capture = sensor.capture
    sensor.capture = lambda not_before_ns: asked_at.append(here()) or capture(not_before_ns)  # type: ignore[func-returns-value, method-assign]
    with remote(sensor, there, here) as camera:
        camera.configure(WISH)
        frame = camera.capture(350 * MS)
    assert asked_at == [350 * MS]
    assert frame.start_ns >= 350 * MS


def test_the_server_begins_no_exposure_before_the_question_arrived() -> None:
    there = Clock(7000)
    sensor = PiSensor(there)
    with remote(sensor, there) as camera:
        camera.configure(WISH)
        camera.capture(0)
        there.wait(500)
        camera.capture(0)
    assert sensor.asked == [7000 * MS, 7525 * MS]


def test_a_sensor_that_gives_an_older_frame_is_stale_by_the_servers_own_clock() -> None:
    there = Clock(7000)
    old = ScriptedCamera([exposure(start_ms=6999)])
    with remote(old, there) as camera:
        camera.configure(WISH)
        with pytest.raises(NotFresh) as stale:
            camera.capture(0)
    assert stale.value.reason == "stale"


def test_it_stands_behind_the_same_gate_as_every_camera() -> None:
    there = Clock(7000)
    night = np.zeros((120, 160, 3), dtype=np.uint8)
    with remote(ScriptedCamera([exposure(start_ms=7001, pixels=night)]), there) as camera:
        fresh = FreshCamera(camera, clock_ns=Clock(1000))
        fresh.configure(WISH)
        with pytest.raises(NotFresh) as dark:
            fresh.capture(0)
    assert dark.value.reason == "dark"


def test_what_the_sensor_refuses_is_refused_here_and_the_connection_stays() -> None:
    sensor = PiSensor(Clock(1))
    with remote(sensor, sensor.clock) as camera:
        with pytest.raises(ApplianceRefused, match="cannot have an exposure"):
            camera.configure(CameraSetting(160, 120, exposure_us=2_000_000))
        assert camera.configure(WISH) == IN_USE


def test_a_frame_that_is_not_fresh_keeps_its_reason_and_the_connection() -> None:
    script = ScriptedCamera([NotFresh("torn", "A part is missing."), exposure(start_ms=10)])
    with remote(script, Clock(1)) as camera:
        camera.configure(WISH)
        with pytest.raises(NotFresh) as torn:
            camera.capture(0)
        assert (torn.value.reason, str(torn.value)) == ("torn", "A part is missing.")
        assert camera.capture(0).pixels.shape == (120, 160, 3)


def test_a_lost_sensor_is_lost_here_and_opened_anew_for_the_next_client() -> None:
    opened: list[Camera] = []

    def open_camera() -> Camera:
        opened.append(ScriptedCamera([] if not opened else [exposure(start_ms=10)]))
        return opened[-1]

    with served(open_camera) as port:
        with connected(port) as camera:
            camera.configure(WISH)
            with pytest.raises(ApplianceError, match="The camera scripted is gone"):
                camera.capture(0)
            with pytest.raises(ApplianceError, match="is closed"):
                camera.capture(0)
        with connected(port) as camera:
            camera.configure(WISH)
            assert camera.capture(0).exposure_us == 5000
    assert len(opened) == 2


def test_a_sensor_that_cannot_be_opened_is_told_in_its_own_words() -> None:
    def missing() -> Camera:
        raise ApplianceError("There is no camera 0 on this Raspberry Pi.")

    with served(missing) as port, pytest.raises(ApplianceError, match="There is no camera 0"):
        RemoteCamera("127.0.0.1", KEY, port)


def test_a_camera_that_is_refused_to_one_instrument_is_free_for_the_next() -> None:
    tries: list[int] = []

    def open_camera() -> Camera:
        tries.append(1)
        if len(tries) == 1:
            raise ApplianceRefused("picamera2 is not installed.")
        return PiSensor(Clock(1))

    with served(open_camera) as port:
        with pytest.raises(ApplianceRefused, match="not installed") as kept:
            RemoteCamera("127.0.0.1", KEY, port)
        with connected(port) as camera:
            assert camera.configure(WISH) == IN_USE
        del kept


class Stumbling:
    """A listening socket whose first connection breaks while it is taken."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._stumbled = False

    def accept(self) -> object:
        if not self._stumbled:
            self._stumbled = True
            raise ConnectionAbortedError
        return self._listener.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._listener, name)


def test_a_connection_that_breaks_while_it_is_taken_does_not_end_the_server() -> None:
    server = CameraServer(lambda: PiSensor(Clock(1)), KEY, "127.0.0.1", 0)
    server._listener = Stumbling(server._listener)  # type: ignore[assignment]
    server.start()
    try:
        with connected(server.address[1]) as camera:
            assert camera.configure(WISH) == IN_USE
    finally:
        server.close()


def test_closing_the_camera_ends_a_capture_in_another_thread() -> None:
    answer, asked = threading.Event(), threading.Event()
    slow = ScriptedCamera([exposure(start_ms=10)], before_each=lambda: asked.set() or waits(answer))  # type: ignore[func-returns-value]
    ended: list[BaseException] = []

    def take(camera: RemoteCamera) -> None:
        try:
            camera.capture(0)
        except ApplianceError as error:
            ended.append(error)

    with remote(slow) as camera:
        camera.configure(WISH)
        taking = threading.Thread(target=take, args=[camera], daemon=True)
        taking.start()
        asked.wait(30)
        camera.close()
        taking.join(30)
        answer.set()
    assert len(ended) == 1


def test_a_failure_that_nobody_foresaw_is_told_too() -> None:
    with remote(ScriptedCamera([ZeroDivisionError("of light")])) as camera:
        camera.configure(WISH)
        with pytest.raises(ApplianceError, match="did not foresee: ZeroDivisionError: of light"):
            camera.capture(0)


def test_another_key_is_refused_with_what_to_do() -> None:
    with (
        served(lambda: PiSensor(Clock(1))) as port,
        pytest.raises(ApplianceRefused, match="Copy the same key to both machines"),
    ):
        RemoteCamera("127.0.0.1", b"x" * 32, port)


def test_a_second_instrument_is_refused_and_the_first_goes_on() -> None:
    sensor = PiSensor(Clock(1))
    with served(lambda: sensor, sensor.clock, owner_goes_within_s=0.05) as port, connected(port) as camera:
        camera.configure(WISH)
        with pytest.raises(ApplianceRefused, match=r"in use by 127\.0\.0\.1"):
            RemoteCamera("127.0.0.1", KEY, port)
        assert camera.capture(0).exposure_us == 5000


def test_a_stranger_does_not_disturb_the_instrument() -> None:
    sensor = PiSensor(Clock(1))
    with served(lambda: sensor, sensor.clock) as port, connected(port) as camera:
        camera.configure(WISH)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 64)
            with contextlib.suppress(ConnectionResetError):
                while stranger.recv(1024):
                    pass
        assert camera.capture(0).exposure_us == 5000


def test_the_sensor_is_let_go_when_the_instrument_hangs_up() -> None:
    sensor = PiSensor(Clock(1))
    with served(lambda: sensor) as port:
        with connected(port) as camera:
            camera.configure(WISH)
        assert sensor.closed.wait(30)


def test_a_server_that_stops_is_a_lost_camera() -> None:
    sensor = PiSensor(Clock(1))
    with served(lambda: sensor) as port:
        camera = RemoteCamera("127.0.0.1", KEY, port)
        camera.configure(WISH)
    with pytest.raises(ApplianceError, match="is lost"):
        camera.capture(0)
    with pytest.raises(ApplianceError, match="is closed"):
        camera.configure(WISH)


def test_a_server_that_keeps_silent_is_a_lost_camera() -> None:
    answer = threading.Event()
    slow = ScriptedCamera([exposure(start_ms=10)], before_each=lambda: waits(answer))
    with remote(slow, answer_within_s=0.05) as camera:
        camera.configure(WISH)
        with pytest.raises(ApplianceError, match="No answer came in time"):
            camera.capture(0)
        answer.set()


def test_nobody_there_says_what_to_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ApplianceError, match="hemadiff camera serve"):
        RemoteCamera("127.0.0.1", KEY, port)


def test_an_address_in_use_is_refused() -> None:
    with (
        served(lambda: PiSensor(Clock(1))) as port,
        pytest.raises(ApplianceRefused, match="cannot be served"),
    ):
        CameraServer(lambda: PiSensor(Clock(1)), KEY, "127.0.0.1", port)


def test_an_exposure_before_configuring_is_refused() -> None:
    with remote(PiSensor(Clock(1))) as camera, pytest.raises(ApplianceRefused, match="not configured"):
        camera.capture(0)


def test_a_new_key_is_read_back_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    make_key(tmp_path / "a")
    make_key(tmp_path / "b")
    assert len(read_key(tmp_path / "a")) == 32
    assert read_key(tmp_path / "a") != read_key(tmp_path / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    with pytest.raises(ApplianceRefused, match="not overwritten"):
        make_key(tmp_path / "key")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(ApplianceRefused, match="chmod 600"):
        read_key(tmp_path / "key")


@pytest.mark.parametrize("text", ["", "secret", "ab" * 31])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(ApplianceRefused, match="is not a key"):
        read_key(tmp_path / "key")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ApplianceRefused, match="hemadiff camera key"):
        read_key(tmp_path / "key")
