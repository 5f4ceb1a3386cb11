"""The instrument's end of the local socket: JSON lines over a Unix socket.

A client writes one request a line, ``{"ask": "status" | "start" | "pause" | "resume" | "stop", ...}``, and
reads one reply a line, ``{"ok": true, ...}`` or ``{"ok": false, "error": sentence, "refused": bool}``.
After ``{"ask": "follow"}`` the connection carries only the instrument's messages: a snapshot, then changes.
Why not pyzmq: docs/decisions/unix-socket-instead-of-pyzmq.md.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from appliance.broadcast import Broadcast, BroadcastClosed
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.socket_path import checked_socket_path
from calibration import CalibrationRefused
from calibration.record_json import MAX_BYTES
from models import ModelRefused

log = logging.getLogger(__name__)

LONGEST_REQUEST = 2 * MAX_BYTES  # a calibration with its pictures, and what JSON writes around it
LOOK_FOR_HANGUP_S = 1.0
LAST_WORDS_S = 2.0
REFUSALS = (ApplianceRefused, CalibrationRefused, ModelRefused)

TOO_LONG = {
    "ok": False,
    "error": f"A request is at most {LONGEST_REQUEST // 1_000_000} MB long, and this one was longer. "
    "A calibration needs fewer or smaller pictures.",
    "refused": True,
}

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Answers one request: what is asked and its arguments in, what the reply carries out; raises to refuse."""


class ChannelServer:
    """Serves one socket, which only its owner may open. A thread per connection; none holds up another."""

    def __init__(self, path: Path) -> None:
        """Bind the socket: from now on clients may connect, and wait until it is served.

        Raises ApplianceRefused where the path cannot hold a socket or another instrument answers there.
        """
        self._path = path
        self._listener = _listen(path)
        self._identity = _identity(path)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._streams: set[threading.Thread] = set()
        self._closed = False

    def serve(self, broadcast: Broadcast, answer: Answer) -> None:
        """Answer clients from now on, in threads of its own."""
        self._broadcast = broadcast
        self._answer = answer
        threading.Thread(target=self._accept, name="channel", daemon=True).start()

    def close(self) -> None:
        """Hang up on everybody and remove the socket.

        Close the broadcast first: whoever follows then hears its last message, unless it does not read.
        """
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        deadline = time.monotonic() + LAST_WORDS_S
        for stream in streams:
            stream.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            connections = list(self._connections)
        for each in [self._listener, *connections]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._attend, args=[connection], name="client", daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as requests, contextlib.suppress(OSError):
                while line := requests.readline(LONGEST_REQUEST):
                    if len(line) == LONGEST_REQUEST and not line.endswith(b"\n"):
                        _rest_of_the_line(requests)
                        connection.sendall(_line(TOO_LONG))
                        continue
                    ask, arguments = _parse(line)
                    if ask == "follow":
                        return self._stream(connection)
                    connection.sendall(_line(self._reply(ask, arguments)))
        finally:
            with self._lock:
                self._connections.discard(connection)
                self._streams.discard(threading.current_thread())

    def _reply(self, ask: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            if ask is None:
                raise ApplianceRefused('A request is one line of JSON with a word under "ask".')
            return {"ok": True, **self._answer(ask, arguments)}
        except REFUSALS as refusal:
            return {"ok": False, "error": str(refusal), "refused": True}
        except ApplianceError as failure:  # foreseen: its sentence says it all
            log.error("%s", failure, exc_info=log.isEnabledFor(logging.DEBUG))
            return {"ok": False, "error": str(failure), "refused": False}
        except Exception as failure:
            log.exception("the request %r failed", ask)
            return {"ok": False, "error": str(failure) or type(failure).__name__, "refused": False}

    def _stream(self, connection: socket.socket) -> None:
        with self._lock:
            self._streams.add(threading.current_thread())
        with self._broadcast.follow() as follower, contextlib.suppress(BroadcastClosed):
            while True:
                message = follower.next(LOOK_FOR_HANGUP_S)
                if message is not None:
                    connection.sendall(_line(message))
                elif _hung_up(connection):
                    return


def _listen(path: Path) -> socket.socket:
    try:
        _make_room(checked_socket_path(path))
    except OSError as error:
        raise _not_made(path, error) from error
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        path.chmod(0o600)  # before listen(): until then nobody can connect
        listener.listen(32)
    except OSError as error:
        listener.close()
        raise _not_made(path, error) from error
    return listener


def _not_made(path: Path, error: OSError) -> ApplianceRefused:
    return ApplianceRefused(
        f"The instrument's socket cannot be made at {path}: {error.strerror}. "
        'Give another path under [instrument] "socket".'
    )


def _make_room(path: Path) -> None:
    """Remove the socket that a killed instrument left behind; refuse to remove anything else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ApplianceRefused(f'{path} is not a socket. Give another path under [instrument] "socket".')
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.connect(os.fspath(path))
        raise ApplianceRefused(
            f"Another instrument answers at {path}. Stop it, or give this one its own socket with [instrument] socket."
        )
    path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _hung_up(connection: socket.socket) -> bool:
    """Whether the other end has closed; a follower says nothing more, so anything readable is that."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(4096)


def _parse(line: bytes) -> tuple[str | None, dict[str, Any]]:
    try:
        request = json.loads(line)
    except ValueError:
        return None, {}
    if not isinstance(request, dict) or not isinstance(request.get("ask"), str):
        return None, {}
    ask = request.pop("ask")
    return ask, request


def _rest_of_the_line(requests: BinaryIO) -> None:
    """Read it and forget it: whoever sends must not be hung up on in the middle of a line."""
    while (more := requests.readline(1 << 20)) and not more.endswith(b"\n"):
        pass


def _line(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
