"""One order at a time, and a way to stop it from any thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

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
                    self.moves, self._in_flight = False, None
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
        """Start a motion, unless a stop was asked for; return whether it started."""
        with self._gate:
            if self.stop_asked.is_set():
                return False
            self.moves = self._disturbed = True
            start()
            return True

    def stand(self) -> bool:
        """Say that the motion is over; return False, and leave it in flight, where a stop came before."""
        with self._gate:
            self.moves = self.stop_asked.is_set()
            return not self.moves

    def stop(self, halt: Callable[[], None], within_s: float) -> None:
        """Ask the order in flight to end, halt what moves, and wait until it is over."""
        with self._gate:
            if self._in_flight is None:
                return
            self.stop_asked.set()
            if self.moves:
                halt()
            if self._in_flight is not threading.current_thread():
                self._over.wait_for(lambda: self._in_flight is None, within_s)
