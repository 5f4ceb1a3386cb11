"""One follower of the instrument, and everyone who looks at the page.

The instrument is followed over one connection, however many watch. Each viewer has a bounded queue
(`appliance.broadcast`): whoever is slow gets a fresh snapshot instead of a gap.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from appliance.broadcast import Broadcast, Follower
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.view import with_new_cells

log = logging.getLogger(__name__)

Message = Mapping[str, Any]

AGAIN_AFTER_S = 0.5  # between two attempts to reach the instrument
PROBE_EVERY_S = 10.0  # a process that hangs keeps its sockets open: silence alone proves nothing
NOT_YET = "The instrument is starting."
LOST = "The instrument does not answer."
GARBLED = "The instrument says what this page does not understand. Restart both with the same version."


class Following(Protocol):
    """The instrument's messages, one by one; ``close`` may come from another thread and ends them."""

    def __iter__(self) -> Iterator[Any]:
        """Return itself."""

    def __next__(self) -> Any:
        """Wait for the next message."""

    def close(self) -> None:
        """Stop following."""


class TooManyViewers(ApplianceRefused):
    """Every stream is taken; the page asks every few seconds instead."""


class Hub:
    """What the instrument last said, and whether it can still be heard.

    Snapshots are the instrument's own (its run, its engine) with a ``link`` beside them:
    ``{"up": bool, "since": when that changed, "why": a sentence when it is not up}``, and a ``note``:
    what is to be said while there is no run yet, ``{"title", "text"}`` or null. When the instrument
    is lost its last run stays in the snapshot, so that a page can show it as old, never as live.

    follow: connects and follows.  probe: asks the instrument anything, and raises ApplianceError when
    there is no answer in time.  most_viewers: how many streams there may be at once.
    """

    def __init__(
        self,
        follow: Callable[[], Following],
        probe: Callable[[], object] = lambda: None,
        most_viewers: int = 80,
        probe_every_s: float = PROBE_EVERY_S,
    ) -> None:
        self._follow = follow
        self._probe = probe
        self._probe_every_s = probe_every_s
        self._most_viewers = most_viewers
        self._seats = threading.BoundedSemaphore(most_viewers)
        self._state: dict[str, Any] = {"event": "snapshot", "instrument": None, "run": None}
        self._link = _link(up=False, why=NOT_YET)
        self._note: dict[str, str] | None = None
        self._lock = threading.Lock()
        self._broadcast = Broadcast(self._snapshot())
        self._closing = threading.Event()
        self._following: Following | None = None
        self._threads = [
            threading.Thread(target=work, name=f"hub: {work.__name__.strip('_')}", daemon=True)
            for work in (self._listen, self._watch)
        ]

    def start(self) -> None:
        """Follow the instrument from now on, in threads of its own."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop following, and end every viewer's stream."""
        self._closing.set()
        self._hang_up()
        self._broadcast.close()

    def snapshot(self) -> Message:
        """Return the whole state as the page should show it now."""
        return self._broadcast.snapshot()

    def say(self, why: str) -> None:
        """Say why the instrument is not there, while it is not; whoever starts it knows best."""
        with self._lock:
            if not self._link["up"] and self._link["why"] != why:
                self._tell({**self._link, "why": why})

    def note(self, title: str, text: str) -> None:
        """Say this to everyone while there is no run: a start that was refused, or one that comes by itself."""
        with self._lock:
            if self._state["run"] is None:
                self._note = {"title": title, "text": text}
                self._tell(self._link)

    @contextlib.contextmanager
    def viewer(self) -> Iterator[Follower]:
        """Take a seat among those who watch; it is free again when the block is left.

        Raises TooManyViewers when all are taken.
        """
        if not self._seats.acquire(blocking=False):
            raise TooManyViewers(f"{self._most_viewers} viewers are watching, which is as many as can.")
        try:
            with self._broadcast.follow() as follower:
                yield follower
        finally:
            self._seats.release()

    def _listen(self) -> None:
        while not self._closing.is_set():
            why = LOST
            try:
                self._follow_once()
            except ApplianceError:
                pass
            except Exception:  # whatever it is, old numbers must not look live
                log.exception("the instrument's messages are not understood")
                why = GARBLED
            self._lost(why)
            self._closing.wait(AGAIN_AFTER_S)

    def _follow_once(self) -> None:
        following = self._follow()
        try:
            with self._lock:
                self._following = following
            if not self._closing.is_set():
                for message in following:
                    self._heard(message)
        finally:
            following.close()

    def _watch(self) -> None:
        while not self._closing.wait(self._probe_every_s):
            try:
                self._probe()
            except ApplianceError:
                self._hang_up()

    def _hang_up(self) -> None:
        with self._lock:
            following = self._following
        if following is not None:
            following.close()

    def _heard(self, message: Message) -> None:
        with self._lock:
            if message["run"] is not None:
                self._note = None
            if message["event"] == "snapshot":
                self._state = dict(message)
                self._tell(_link(up=True, why=None))
            else:
                run = _with_news(self._state["run"], message)
                self._state = {**self._state, "instrument": message["instrument"], "run": run}
                self._broadcast.publish(message, self._snapshot())

    def _lost(self, why: str) -> None:
        with self._lock:
            self._following = None
            if self._link["up"] and not self._closing.is_set():
                self._note = None
                self._tell(_link(up=False, why=why))

    def _tell(self, link: dict[str, Any]) -> None:
        """Give every viewer the whole state: more than the run has changed."""
        self._link = link
        snapshot = self._snapshot()
        self._broadcast.publish(snapshot, snapshot)

    def _snapshot(self) -> Message:
        return {**self._state, "link": self._link, "note": self._note}


def _with_news(before: Message | None, message: Message) -> Message:
    """Return the run after a change, with the latest cells that a snapshot carries."""
    known = before["latest"] if before is not None and before["run"] == message["run"]["run"] else []
    return {**message["run"], "latest": with_new_cells(known, message["cells"])}


def _link(up: bool, why: str | None) -> dict[str, Any]:
    return {"up": up, "since": datetime.now(UTC).isoformat(timespec="seconds"), "why": why}
