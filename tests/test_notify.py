"""What a service says to systemd, on a real socket, and that it stays silent where nobody asked."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from builders_commands import at_home
from builders_instrument import blood_field, ended, folder, instrument, plan, until
from builders_web import hemadiff_serve, instrument_pid

from appliance.channel_client import InstrumentClient
from appliance.config import load_config
from appliance.notify import Notifier
from appliance.progress import LOADING_WITHIN_S, WITHIN_S, Progress, Pulse, Watch
from appliance.run import State
from web.heartbeat import Heartbeat


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and its address as $NOTIFY_SOCKET has it."""
    name = f"hemadiff-test-{secrets.token_hex(8)}"
    address = str(tmp_path / "notify") if request.param == "path" else f"@{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.settimeout(120)
        yield listener, address


@contextmanager
def a_manager(tmp_path: Path, watchdog_s: float = 30.0) -> Iterator[tuple[socket.socket, Notifier]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(120)
        yield listener, Notifier(str(tmp_path / "n"), watchdog_s)


def heard(listener: socket.socket) -> list[str]:
    return listener.recv(4096).decode().split("\n")


def test_a_service_says_that_it_is_ready_and_what_it_does(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    Notifier.from_environment({"NOTIFY_SOCKET": address}).ready("It serves.")
    assert heard(listener) == ["READY=1", "STATUS=It serves."]


def test_a_sentence_cannot_smuggle_in_a_second_line(tmp_path: Path) -> None:
    with a_manager(tmp_path) as (listener, notifier):
        notifier.status("one\nWATCHDOG=trigger")
        assert heard(listener) == ["STATUS=one WATCHDOG=trigger"]


def test_the_manager_s_variables_are_taken_out_so_that_no_child_speaks_for_us(tmp_path: Path) -> None:
    env = {
        "NOTIFY_SOCKET": str(tmp_path / "n"),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    assert Notifier.from_environment(env).watchdog_s == 30.0
    assert env == {}


def test_a_watchdog_that_was_asked_of_the_parent_is_not_ours() -> None:
    env = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}
    assert Notifier.from_environment(env).watchdog_s is None


def test_where_nobody_listens_nothing_is_said_and_nothing_fails(tmp_path: Path) -> None:
    Notifier().ready("It serves.")
    Notifier(str(tmp_path / "nobody")).ready("It serves.")
    assert not Notifier.from_environment({}).wanted


COUNTING = Pulse("1", State.COUNTING, "Counting.", 7)


def judged(*pulses: Pulse, after_s: float) -> str | None:
    """What is said of the last of some pulses, that far from one another."""
    progress = Progress()
    said = [progress.missed(pulse, n * after_s) for n, pulse in enumerate(pulses)]
    return said[-1]


TOO_LONG_S = WITHIN_S[State.COUNTING] + 1


def test_a_count_that_brings_no_field_any_more_makes_no_progress() -> None:
    said = judged(COUNTING, COUNTING, after_s=TOO_LONG_S)
    assert said is not None
    assert "run 1" in said
    assert "7 fields" in said


@pytest.mark.parametrize(
    "then",
    [
        Pulse("1", State.COUNTING, "Counting.", 8),
        Pulse("1", State.PAUSED, "The stage lost its position.", 7),
        Pulse("1", State.COUNTING, "Going on to 400.", 7),
    ],
)
def test_a_field_or_a_stated_reason_is_progress(then: Pulse) -> None:
    assert judged(COUNTING, then, after_s=TOO_LONG_S) is None


@pytest.mark.parametrize("state", [State.IDLE, State.PAUSED, State.COMPLETED, State.FAILED])
def test_an_instrument_that_does_not_count_may_rest_for_ever(state: State) -> None:
    resting = Pulse("1", state, "", 7)
    assert judged(resting, resting, after_s=1e6) is None


def test_a_step_of_the_preparations_has_a_limit_of_its_own() -> None:
    homing = Pulse("1", State.PREPARING, "Homing the stage.")
    assert judged(homing, homing, after_s=TOO_LONG_S) is None
    assert judged(homing, homing, after_s=WITHIN_S[State.PREPARING] + 1) is not None


def test_the_watchdog_is_fed_while_fields_come_and_told_why_it_is_not(tmp_path: Path) -> None:
    with a_manager(tmp_path) as (listener, notifier):
        watch = Watch(notifier, lambda: COUNTING)
        assert watch.look(0.0)
        assert heard(listener) == ["WATCHDOG=1"]
        assert heard(listener) == ["STATUS=Run 1 is counting, 7 fields. Counting."]
        assert not watch.look(TOO_LONG_S)
        assert "without a field" in heard(listener)[0]


def test_nothing_is_fed_while_the_writer_thread_does_not_answer(tmp_path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def hangs() -> Pulse:
        asked.set()
        assert answer.wait(30)
        return Pulse()

    with a_manager(tmp_path, watchdog_s=0.01) as (listener, notifier), Watch(notifier, hangs):
        assert asked.wait(30)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.recv(4096)
        listener.settimeout(120)
        answer.set()
        assert heard(listener) == ["WATCHDOG=1"]


def test_loading_the_networks_may_keep_the_writer_thread_busy_but_not_for_ever(tmp_path: Path) -> None:
    def busy() -> Pulse:
        raise AssertionError("asked")

    with a_manager(tmp_path) as (listener, notifier):
        watch = Watch(notifier, busy)
        with watch.loading():
            assert watch.look(0.0)
            with pytest.raises(AssertionError, match="asked"):
                watch.look(watch.until_s + LOADING_WITHIN_S)
        assert heard(listener) == ["WATCHDOG=1"]


def test_the_instrument_says_where_its_run_stands(tmp_path: Path) -> None:
    smear = folder(tmp_path / "smear", (blood_field(n) for n in range(6)))
    with instrument(tmp_path / "s.sqlite") as made:
        assert made.pulse() == Pulse()
        run = made.start(plan(smear))
        counted = until(made, ended)
        pulse = made.pulse()
    assert (pulse.run, pulse.fields) == (run, counted["fields"]["counted"])
    assert pulse.state is State.INSUFFICIENT


class Answers(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_page_is_ready_once_it_answers_and_alive_while_it_does(tmp_path: Path) -> None:
    with (
        a_manager(tmp_path, watchdog_s=0.03) as (listener, notifier),
        ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Heartbeat(notifier, "0.0.0.0", server.server_address[1]):
            assert heard(listener)[0] == "READY=1"
            assert heard(listener) == ["WATCHDOG=1"]
        server.shutdown()
        while (said := heard(listener)) == ["WATCHDOG=1"]:
            pass
        assert said[0] == "STOPPING=1"


INSTRUMENT = """
import sys
from builders_instrument import PixelAnalyser
from appliance import instrument_process, network_analyser
network_analyser.load_analyser = lambda *_: PixelAnalyser()
sys.exit(instrument_process.run([]))
"""


def until_said(listener: socket.socket, line: str) -> None:
    """Wait until a service says this line, whatever it says before."""
    while line not in heard(listener):
        pass


def test_an_instrument_answers_once_it_is_ready_is_alive_and_says_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home(tmp_path, monkeypatch)
    monkeypatch.setenv("HEMADIFF_CAMERA__SOURCE", "simulated")
    with a_manager(tmp_path) as (listener, _):
        watched = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "60000"}
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        with subprocess.Popen(
            [sys.executable, "-c", INSTRUMENT], env={**os.environ, **watched, "PYTHONPATH": path}
        ) as running:
            try:
                until_said(listener, "READY=1")
                assert InstrumentClient(load_config().socket_path).status()["event"] == "snapshot"
                until_said(listener, "WATCHDOG=1")
                running.terminate()
                until_said(listener, "STOPPING=1")
                assert running.wait(30) == 0
            finally:
                running.kill()


def test_a_page_without_an_instrument_of_its_own_starts_none_and_is_ready(tmp_path: Path) -> None:
    with (
        a_manager(tmp_path) as (listener, _),
        hemadiff_serve(tmp_path, "--no-instrument", NOTIFY_SOCKET=str(tmp_path / "n")),
    ):
        until_said(listener, "READY=1")
        assert instrument_pid(tmp_path) is None
