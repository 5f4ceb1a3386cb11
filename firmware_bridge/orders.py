"""One order at a time, and a way to stop it from any thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from firmware_bridge.errors import Recoverable

NEVER_NS = 2**63 - 1


class Orders:
    """The order in flight, whether it moves the stage now, and since when everything has settled.

    Between "may it still begin?" and "stop" stands one lock: an order either begins before the stop, and is halted, or
    it does not begin.
    """

    def __init__(self) -> None:
        self.stop_asked = threading.Event()
        self.moves = False
        self.settled_ns = time.monotonic_ns()
        self._one = threading.RLock()
        self._gate = threading.RLock()
        self._over = threading.Condition(self._gate)
        self._in_flight: threading.Thread | None = None
        self._count = 0
        self._disturbed = False

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Wait for the order before this one; `settled_ns` is NEVER_NS while it lasts."""
        with self._one:
            with self._gate:
                self.stop_asked.clear()
                self._in_flight = threading.current_thread()
                self._disturbed, settled_ns, self.settled_ns = False, self.settled_ns, NEVER_NS
            try:
                yield
            finally:
                with self._gate:
                    self.moves, self._in_flight, self._count = False, None, self._count + 1
                    self.settled_ns = time.monotonic_ns() if self._disturbed else settled_ns
                    self._over.notify_all()

    @contextlib.contextmanager
    def between(self) -> Iterator[bool]:
        """Whether no order is in flight; if so, none begins meanwhile."""
        free = self._one.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._one.release()

    def disturb(self) -> None:
        """Say that light or place are about to change: what was settled no longer is."""
        self._disturbed = True

    def begin(self, start: Callable[[], None]) -> bool:
        """Start a motion, unless a stop was asked for; return whether it started. A refused one does not move."""
        with self._gate:
            if self.stop_asked.is_set():
                return False
            self.moves = self._disturbed = True
            try:
                start()
            except Recoverable:
                self.moves = False
                raise
            return True

    def stand(self) -> bool:
        """Say that the motion is over; return False, and leave it in flight, where a stop came before."""
        with self._gate:
            self.moves = self.stop_asked.is_set()
            return not self.moves

    def await_halt(self) -> None:
        """Return when the halt of the stop that was asked for has been sent: no look before it counts."""
        with self._gate:
            return

    def stop(self, halt: Callable[[], None], within_s: float) -> bool:
        """Ask the order in flight to end, halt what moves, and wait; return whether it is over."""
        with self._gate:
            if self._in_flight is None:
                return True
            self.stop_asked.set()
            if self.moves:
                halt()
            if self._in_flight is threading.current_thread():
                return True
            stopped = self._count  # the next order may begin before this thread wakes
            return self._over.wait_for(lambda: self._count > stopped, within_s)
