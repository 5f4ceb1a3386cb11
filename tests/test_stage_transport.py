"""The line to a stage: what it tells apart, and that nobody waits for a port that is gone."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders_stage import CENTRE, Beside, board, settings, until

from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.errors import PortGarbled, PortSilent, PortVanished, PositionLost, StageRefused
from firmware_bridge.port_lock import PortLock, lock_path
from firmware_bridge.settings import StageSettings
from firmware_bridge.transport import LONGEST_LINE, Transport


@contextlib.contextmanager
def bare_port() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal without a board: its other end, and its name."""
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        yield master, os.ttyname(slave)
    finally:
        for end in (master, slave):
            with contextlib.suppress(OSError):
                os.close(end)


def impatient(port: str) -> StageSettings:
    return StageSettings(f"grbl:{port}", start_within_s=0.2, reply_within_s=0.2)


def test_a_port_that_answers_nothing_is_silent() -> None:
    with bare_port() as (_, name), pytest.raises(PortSilent, match="Check its power and cable"):
        open_stage(impatient(name))


def test_a_port_that_answers_noise_is_garbled() -> None:
    with bare_port() as (master, name):
        opening = Beside(lambda: open_stage(impatient(name)))
        while not opening.over:
            with contextlib.suppress(BlockingIOError):
                os.write(master, b"\xf0\x0f~~\r\n")
            threading.Event().wait(0.01)
        error = opening.ended()
    assert isinstance(error, PortGarbled)
    assert "baud rate" in str(error)


def test_noise_without_line_ends_is_garbled_too() -> None:
    with bare_port() as (master, name):
        opening = Beside(lambda: open_stage(impatient(name)))
        until(lambda: bool(os.read(master, 1)))
        os.write(master, b"\xff" * 100)
        assert isinstance(opening.ended(), PortGarbled)


def test_a_port_that_is_not_there_has_vanished(tmp_path: Path) -> None:
    with pytest.raises(PortVanished, match="Plug it in"):
        open_stage(impatient(str(tmp_path / "ttyUSB9")))


def test_a_port_that_vanishes_ends_every_waiting_call_at_once() -> None:
    with bare_port() as (master, name):
        transport = Transport(name, 115_200)
        waiting = [Beside(lambda: transport.line(60.0)) for _ in range(5)]
        os.close(master)
        assert all(isinstance(one.ended(), PortVanished) for one in waiting)
        with pytest.raises(PortVanished):
            transport.send(b"?")


def test_an_unplugged_stage_ends_a_move_at_once_and_has_lost_its_position() -> None:
    with board(rate=0.5) as of:
        of.rate = 200.0
        with open_stage(settings(of)) as stage:
            stage.home()
            of.rate = 0.5
            move = Beside(lambda: stage.move_to(CENTRE))
            until(lambda: any("G1" in order for order in of.heard))
            of.unplug()
            error = move.ended()
            assert isinstance(error, PositionLost)
            assert isinstance(error.__cause__, PortVanished)
            assert not stage.position_known


def test_a_stage_that_was_plugged_in_again_moves_only_after_homing() -> None:
    with board() as of, open_stage(settings(of)) as stage:
        stage.home()
        of.unplug()
        until(lambda: stage._wire.gone)
        of.plug_in()
        with pytest.raises(PositionLost, match="home"):
            stage.move_to(CENTRE)
        stage.home()
        assert stage.move_to(CENTRE) == CENTRE


def test_a_port_in_use_is_refused_and_the_holder_named() -> None:
    with bare_port() as (_, name):
        first = Transport(name, 115_200)
        with pytest.raises(StageRefused, match=f"process {os.getpid()}"):
            Transport(name, 115_200)
        first.close()


def test_a_closed_port_can_be_opened_again() -> None:
    with bare_port() as (_, name):
        for _ in range(3):
            Transport(name, 115_200).close()


def test_every_name_of_a_device_leads_to_one_lock(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to("/dev/null")
    assert lock_path(str(tmp_path / "by-id")) == lock_path("/dev/null")


def test_a_lock_that_was_let_go_can_be_taken(tmp_path: Path) -> None:
    url = f"socket://{tmp_path.name}:1"
    lock = PortLock(url)
    lock.release()
    lock.release()
    PortLock(url).release()


def test_lines_of_noise_do_not_grow_for_ever() -> None:
    with bare_port() as (master, name):
        transport = Transport(name, 115_200)
        os.write(master, b"x" * (LONGEST_LINE + 1))
        assert len(transport.line(10.0) or "") > LONGEST_LINE - 1
        transport.close()


def test_what_several_threads_send_stays_whole() -> None:
    with bare_port() as (master, name):
        transport = Transport(name, 115_200)
        senders = [Beside(lambda c=c: transport.send(c * 50 + b"\n")) for c in (b"a", b"b", b"c", b"d")]  # type: ignore[misc]
        assert [one.ended() for one in senders] == [None] * 4
        heard = b""
        while heard.count(b"\n") < 4:
            heard += os.read(master, 4096)
        assert sorted(heard.split()) == [c * 50 for c in (b"a", b"b", b"c", b"d")]
        transport.close()


@contextlib.contextmanager
def served(of: EmulatedBoard) -> Iterator[tuple[str, list[socket.socket]]]:
    """A board's port as a TCP server; gives the URL and the server's end of the connection, once there is one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = os.open(of.port, os.O_RDWR | os.O_NOCTTY)
        taken: list[socket.socket] = []

        def pump() -> None:
            with contextlib.suppress(OSError):
                there = server.accept()[0]
                taken.append(there)
                threading.Thread(target=outwards, args=(there,), daemon=True).start()
                while data := there.recv(4096):
                    os.write(port, data)

        def outwards(there: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := os.read(port, 4096):
                    there.sendall(data)

        threading.Thread(target=pump, daemon=True).start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}", taken
        os.close(port)


def test_a_stage_may_be_at_the_other_end_of_a_network() -> None:
    with board() as of, served(of) as (url, _), open_stage(settings(of, port=f"grbl:{url}")) as stage:
        stage.home()
        assert stage.move_to(CENTRE) == CENTRE


def test_a_network_that_goes_loses_the_position() -> None:
    with board() as of, served(of) as (url, taken), open_stage(settings(of, port=f"grbl:{url}")) as stage:
        stage.home()
        taken[0].shutdown(socket.SHUT_RDWR)
        until(lambda: stage._wire.gone)
        with pytest.raises(PositionLost):
            stage.position()
