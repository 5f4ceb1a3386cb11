"""The other end of the instrument's socket: ask it for a change, or follow what it does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from appliance.errors import ApplianceError, ApplianceRefused

if TYPE_CHECKING:
    from appliance.plan import Plan
    from appliance.view import Change, Snapshot

REPLY_WITHIN_S = 60.0  # loading an engine for the first run is the longest that an answer takes


class InstrumentGone(ApplianceError):
    """Nobody serves the socket, or whoever did has stopped."""


class NoAnswer(ApplianceError):
    """Whoever serves the socket gave no answer in time."""


class InstrumentClient:
    """Asks the instrument that serves the socket at ``path``. Safe to use from several threads.

    Every method raises InstrumentGone when nobody answers, ApplianceRefused with the instrument's sentence
    when it refuses, and ApplianceError when it failed.
    """

    def __init__(self, path: Path, reply_within_s: float = REPLY_WITHIN_S) -> None:
        self._path = path
        self._reply_within_s = reply_within_s

    def status(self) -> Snapshot:
        """Return the instrument and its current run, as a snapshot."""
        reply = self._ask("status")
        del reply["ok"]
        return cast("Snapshot", reply)

    def start(self, plan: Plan | None = None, by: str | None = None, record_number: str | None = None) -> str:
        """Start a run of the plan, or of the configured one; return the run's id. by: the login name of who asks."""
        said = None if plan is None else json.loads(plan.to_json())
        return str(self._ask("start", plan=said, **_given(by=by, record_number=record_number))["run"])

    def pause(self, by: str | None = None, run: str | None = None) -> None:
        """Pause the run that counts. run: the one that is meant; another is refused."""
        self._ask("pause", **_given(by=by, run=run))

    def resume(self, run: str | None = None, at_reference: bool = False, by: str | None = None) -> str:
        """Resume the instrument's paused run; return its id.

        run: the one that is meant; another is refused.  at_reference: as in `Plan`.
        """
        said = {"at_reference": True} if at_reference else {}
        return str(self._ask("resume", run=run, **said, **_given(by=by))["run"])

    def stop(self, by: str | None = None, run: str | None = None) -> None:
        """End the current run as ``stopped``; what was counted is kept. run: as for `pause`."""
        self._ask("stop", **_given(by=by, run=run))

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Have something put on record (`appliance.service_desk.DESK`, by name); return what the instrument says."""
        return self._ask(what, **arguments)

    def follow(self) -> Following:
        """Return the instrument's messages from now on: a snapshot, then changes."""
        connection = self._connect()
        try:
            connection.sendall(b'{"ask":"follow"}\n')
        except OSError as error:
            connection.close()
            raise self._gone() from error
        connection.settimeout(None)
        return Following(connection, self._gone())

    def _ask(self, ask: str, **arguments: Any) -> dict[str, Any]:
        try:
            with self._connect() as connection, connection.makefile("rb") as replies:
                connection.sendall(json.dumps({"ask": ask, **arguments}).encode() + b"\n")
                line = replies.readline()
        except TimeoutError as error:
            raise NoAnswer(
                f"The instrument gave no answer within {self._reply_within_s:g} s. Restart it."
            ) from error
        except OSError as error:
            raise self._gone() from error
        if not line.endswith(b"\n"):
            raise self._gone()
        reply: dict[str, Any] = json.loads(line)
        if reply["ok"]:
            return reply
        raise (ApplianceRefused if reply["refused"] else ApplianceError)(reply["error"])

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._reply_within_s)
        try:
            connection.connect(os.fspath(self._path))
        except OSError as error:
            connection.close()
            raise self._gone() from error
        return connection

    def _gone(self) -> InstrumentGone:
        return InstrumentGone(f"No instrument answers at {self._path}. Start one with `hemadiff serve`.")


class Following(Iterator["Snapshot | Change"]):
    """The instrument's messages, one by one. ``close`` may come from another thread and ends the iteration.

    Raises InstrumentGone when the instrument stops or dies: a closed socket means that it is gone.
    """

    def __init__(self, connection: socket.socket, gone: InstrumentGone) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._gone = gone
        self._closed = False

    def __next__(self) -> Snapshot | Change:
        """Wait for the next message."""
        line = b""
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed in the meantime
            line = self._lines.readline()
        if self._closed:
            raise StopIteration
        if not line.endswith(b"\n"):
            raise self._gone
        return cast("Snapshot | Change", json.loads(line))

    def close(self) -> None:
        """Stop following."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def __enter__(self) -> Following:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _given(**arguments: str | None) -> dict[str, str]:
    """Return what was said."""
    return {name: value for name, value in arguments.items() if value is not None}
