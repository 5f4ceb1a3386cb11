"""The instrument's socket, with real sockets at both ends."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import builders_instrument
import pytest
from builders_instrument import Gate, PixelAnalyser, blood_field, ended, folder, instrument, plan, until

from appliance.broadcast import Broadcast, BroadcastClosed
from appliance.channel import ChannelServer
from appliance.channel_client import InstrumentClient, InstrumentGone
from appliance.errors import ApplianceError, ApplianceRefused


@contextmanager
def served(path: Path, broadcast: Broadcast | None = None, answer: Any = None) -> Iterator[ChannelServer]:
    broadcast = broadcast or Broadcast({"event": "snapshot", "run": None})
    server = ChannelServer(path)
    try:
        server.serve(broadcast, answer or (lambda *_: {}))
        yield server
    finally:
        broadcast.close()
        server.close()


NO_RUN: Any = {"fields": {"counted": 0}}


def change(n: int) -> dict[str, Any]:
    return {"event": "run", "run": n}


def state(n: int) -> dict[str, Any]:
    return {"event": "snapshot", "run": n}


@contextmanager
def dying(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens, the process does not outlive the test."""
    try:
        yield
    finally:
        child.kill()


def lines(path: Path, *requests: bytes) -> list[Any]:
    """What the socket replies to these lines."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as replies:
        connection.settimeout(60)
        connection.connect(str(path))
        for request in requests:
            connection.sendall(request + b"\n")
        return [json.loads(replies.readline()) for _ in requests]


def test_a_request_that_is_too_long_is_refused_by_its_length_and_the_next_one_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.channel.LONGEST_REQUEST", 1000)
    with served(tmp_path / "i.sock", answer=lambda ask, _: {"said": ask}):
        long, short = lines(tmp_path / "i.sock", b'{"ask": "' + b"x" * 5000 + b'"}', b'{"ask": "status"}')
    assert (long["refused"], "A request is at most" in long["error"]) == (True, True)
    assert short == {"ok": True, "said": "status"}


def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    with served(tmp_path / "i.sock"):
        assert stat.S_IMODE((tmp_path / "i.sock").stat().st_mode) == 0o600


def test_the_socket_is_gone_when_the_instrument_ends(tmp_path: Path) -> None:
    with served(tmp_path / "i.sock"):
        pass
    assert not (tmp_path / "i.sock").exists()
    with pytest.raises(InstrumentGone, match="hemadiff serve"):
        InstrumentClient(tmp_path / "i.sock").status()


def test_a_socket_that_a_killed_instrument_left_behind_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "i.sock"))
    left.close()
    with served(tmp_path / "i.sock", answer=lambda ask, _: {"said": ask}):
        assert lines(tmp_path / "i.sock", b'{"ask": "status"}') == [{"ok": True, "said": "status"}]


def test_a_socket_that_somebody_answers_is_refused(tmp_path: Path) -> None:
    with (
        served(tmp_path / "i.sock"),
        pytest.raises(ApplianceRefused, match="Another instrument answers"),
        served(tmp_path / "i.sock"),
    ):
        pass


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "i.sock").write_text("a letter")
    with pytest.raises(ApplianceRefused, match="not a socket"):
        ChannelServer(tmp_path / "i.sock")
    assert (tmp_path / "i.sock").read_text() == "a letter"


def test_a_path_that_no_socket_can_have_is_refused_plainly(tmp_path: Path) -> None:
    with pytest.raises(ApplianceRefused, match="107 bytes"):
        ChannelServer(tmp_path / ("x" * 120))


def test_a_refusal_reaches_the_client_as_a_refusal_and_a_failure_as_a_failure(tmp_path: Path) -> None:
    def answer(ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if ask == "stop":
            raise ApplianceRefused("There is no run.")
        raise ApplianceError("The disk is full.")

    client = InstrumentClient(tmp_path / "i.sock")
    with served(tmp_path / "i.sock", answer=answer):
        with pytest.raises(ApplianceRefused, match="There is no run"):
            client.stop()
        with pytest.raises(ApplianceError, match="The disk is full"):
            client.pause()


def test_a_foreseen_failure_is_one_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def answer(ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raise ApplianceError("There is no camera at /dev/video0.")

    with served(tmp_path / "i.sock", answer=answer), pytest.raises(ApplianceError):
        InstrumentClient(tmp_path / "i.sock").start(None)
    (line,) = caplog.records
    assert (line.getMessage(), line.exc_info or None) == ("There is no camera at /dev/video0.", None)


@pytest.mark.parametrize("request_", [b"hello", b"[]", b"{}", b'{"ask": 5}', b"\xff\xfe"])
def test_what_is_no_request_is_refused_and_the_connection_goes_on(tmp_path: Path, request_: bytes) -> None:
    with served(tmp_path / "i.sock", answer=lambda *_: {"said": "yes"}):
        refused, answered = lines(tmp_path / "i.sock", request_, b'{"ask": "status"}')
    assert (refused["ok"], refused["refused"]) == (False, True)
    assert answered == {"ok": True, "said": "yes"}


def test_a_follower_gets_a_snapshot_and_then_every_change_in_order(tmp_path: Path) -> None:
    broadcast = Broadcast(state(0))
    broadcast.publish(change(1), state(1))
    with served(tmp_path / "i.sock", broadcast), InstrumentClient(tmp_path / "i.sock").follow() as messages:
        assert next(messages) == {"event": "snapshot", "run": 1, "seq": 1}
        for n in (2, 3, 4):
            broadcast.publish(change(n), state(n))
        assert [next(messages) for _ in range(3)] == [{**change(n), "seq": n} for n in (2, 3, 4)]


def test_a_follower_that_falls_behind_gets_a_fresh_snapshot_instead_of_a_gap() -> None:
    broadcast = Broadcast(state(0), depth=4)
    with broadcast.follow() as slow, broadcast.follow() as quick:
        assert slow.next() == quick.next() == {**state(0), "seq": 0}
        for n in range(1, 11):
            broadcast.publish(change(n), state(n))
            assert quick.next() == {**change(n), "seq": n}
        assert slow.next() == {**state(10), "seq": 10}
        broadcast.publish(change(11), state(11))
        assert slow.next() == {**change(11), "seq": 11}


def test_a_follower_hears_the_last_message_before_the_end() -> None:
    broadcast = Broadcast(state(0))
    with broadcast.follow() as follower:
        follower.next()
        broadcast.publish(change(1), state(1))
        broadcast.close()
        assert follower.next() == {**change(1), "seq": 1}
        with pytest.raises(BroadcastClosed):
            follower.next()


def test_publishing_never_waits_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    """Far more than a socket's buffer and a queue hold; the client catches up with one snapshot."""
    broadcast = Broadcast(state(0))
    with served(tmp_path / "i.sock", broadcast), InstrumentClient(tmp_path / "i.sock").follow() as messages:
        seen = [next(messages)]
        ballast = "x" * 20_000
        for n in range(1, 301):
            broadcast.publish({**change(n), "ballast": ballast}, {**state(n), "ballast": ballast})
        while seen[-1]["seq"] < 300:
            seen.append(next(messages))
        numbers = [message["seq"] for message in seen]
        assert numbers == sorted(set(numbers))
        assert len(seen) < 300, "some changes were replaced"
        jumps = [b for a, b in pairwise(seen) if b["seq"] != a["seq"] + 1]
        assert jumps
        assert all(message["event"] == "snapshot" for message in jumps)


def test_a_slow_follower_never_stalls_a_count(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", (blood_field(n) for n in range(200)))
    with (
        instrument(tmp_path / "s.sqlite") as made,
        served(tmp_path / "i.sock", made.broadcast, made.answer),
        InstrumentClient(tmp_path / "i.sock").follow() as messages,
    ):
        client = InstrumentClient(tmp_path / "i.sock")
        run_id = client.start(plan(where, min_cells=500, max_cells=500))
        counted = until(made, ended)
        assert counted["state"] == "completed"
        last: Any = next(messages)
        while not (last["run"] and last["run"]["ended"]):
            last = next(messages)
        assert last["run"]["run"] == run_id
        assert last["run"]["counted"] == counted["counted"] == client.status()["run"]["counted"]  # type: ignore[index]


def test_a_closed_socket_means_that_the_instrument_is_gone(tmp_path: Path) -> None:
    broadcast = Broadcast(state(0))
    with served(tmp_path / "i.sock", broadcast) as server:
        messages = InstrumentClient(tmp_path / "i.sock").follow()
        next(messages)
        broadcast.close()
        server.close()
        with pytest.raises(InstrumentGone):
            next(messages)


def test_a_killed_instrument_is_noticed_at_once(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", (blood_field(n) for n in range(60)))
    script = (
        "import sys; from builders_instrument import *; from appliance.channel import ChannelServer\n"
        "made = Instrument(Path(sys.argv[1]), no_plan, lambda *_: PixelAnalyser(Gate(at=9)))\n"
        "ChannelServer(Path(sys.argv[2])).serve(made.broadcast, made.answer)\n"
        "print('ready', flush=True); threading.Event().wait()"
    )
    here = str(Path(builders_instrument.__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "s.sqlite"), str(tmp_path / "i.sock")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path])},
    )
    assert child.stdout is not None
    client = InstrumentClient(tmp_path / "i.sock")
    with child, child.stdout as said, dying(child):
        assert said.readline() == b"ready\n"
        client.start(plan(where))
        with client.follow() as messages:
            while (next(messages)["run"] or NO_RUN)["fields"]["counted"] < 9:
                pass
            child.kill()
            with pytest.raises(InstrumentGone):
                next(messages)


def test_following_ends_quietly_when_another_thread_closes_it(tmp_path: Path) -> None:
    with served(tmp_path / "i.sock"):
        messages = InstrumentClient(tmp_path / "i.sock").follow()
        next(messages)
        waiting = threading.Thread(target=lambda: heard.extend(messages))
        heard: list[Any] = []
        waiting.start()
        messages.close()
        waiting.join(60)
        assert not waiting.is_alive()
        assert heard == []


def test_start_pause_resume_and_stop_over_the_socket(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", (blood_field(n) for n in range(60)))
    gate = Gate(at=3)
    client = InstrumentClient(tmp_path / "i.sock")
    with (
        instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made,
        served(tmp_path / "i.sock", made.broadcast, made.answer),
    ):
        assert client.status()["run"] is None
        with pytest.raises(ApplianceRefused, match="There is no run"):
            client.stop()
        run_id = client.start(plan(where))
        assert gate.reached.wait(60)
        client.pause()
        assert client.status()["run"]["state"] == "paused"  # type: ignore[index]
        gate.opened.set()
        gate.at = 8
        gate.reached.clear()
        gate.opened.clear()
        assert client.resume() == run_id
        assert gate.reached.wait(60)
        client.stop()
        gate.opened.set()
        assert client.status()["run"]["state"] == "stopped"  # type: ignore[index]
        with pytest.raises(ApplianceRefused, match="ended"):
            client.pause()
        with pytest.raises(ApplianceRefused, match='"dance"'):
            client._ask("dance")
        with pytest.raises(ApplianceRefused, match='no key "wings"'):
            client._ask("start", plan={"camera": "simulated", "wings": 3})
