"""One that tells, many that follow, and none of them can hold it up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

Message = Mapping[str, Any]

DEPTH = 64


class BroadcastClosed(Exception):
    """There is nothing more to follow."""


class Broadcast:
    """The latest state, and everyone who follows how it changes.

    Every message carries ``seq``, which grows by one with each change; a snapshot carries that of the last
    change it contains. A follower's queue is bounded: one that falls behind gets a fresh snapshot instead
    of the changes it missed, and ``publish`` never waits for anybody.
    """

    def __init__(self, snapshot: Message, depth: int = DEPTH) -> None:
        self._lock = threading.Lock()
        self._seq = 0
        self._snapshot: Message = {**snapshot, "seq": 0}
        self._depth = depth
        self._followers: set[Follower] = set()
        self._closed = False

    def publish(self, change: Message, snapshot: Message) -> None:
        """Tell every follower of a change; ``snapshot`` is the whole state after it."""
        with self._lock:
            self._seq += 1
            self._snapshot = {**snapshot, "seq": self._seq}
            message = {**change, "seq": self._seq}
            for follower in self._followers:
                follower._offer(message)

    def snapshot(self) -> Message:
        """Return the whole state as it was last published."""
        with self._lock:
            return self._snapshot

    def follow(self) -> Follower:
        """Return a new follower, whose first message is a snapshot."""
        follower = Follower(self, self._lock, self._depth)
        with self._lock:
            self._followers.add(follower)
            follower._closed = self._closed
        return follower

    def close(self) -> None:
        """End every follower, once it has taken what waits for it."""
        with self._lock:
            self._closed = True
            for follower in self._followers:
                follower._close()

    def _latest(self) -> Message:
        return self._snapshot

    def _leave(self, follower: Follower) -> None:
        with self._lock:
            self._followers.discard(follower)


class Follower:
    """One bounded queue of messages. Use it as a context manager, from one thread."""

    def __init__(self, broadcast: Broadcast, lock: threading.Lock, depth: int) -> None:
        self._broadcast = broadcast
        self._changed = threading.Condition(lock)
        self._waiting: deque[Message] = deque()
        self._depth = depth
        self._behind = True  # so that the first message is a snapshot
        self._closed = False

    def next(self, timeout_s: float | None = None) -> Message | None:
        """Return the next message; None when nothing came within ``timeout_s``.

        Raises BroadcastClosed after the last message.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._behind or self._waiting or self._closed, timeout_s)
            if self._behind:
                self._behind = False
                return self._broadcast._latest()
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                raise BroadcastClosed
            return None

    def _offer(self, message: Message) -> None:
        if self._behind:
            return  # the snapshot that it will get contains this change
        if len(self._waiting) < self._depth:
            self._waiting.append(message)
        else:
            self._waiting.clear()
            self._behind = True
        self._changed.notify()

    def _close(self) -> None:
        self._closed = True
        self._changed.notify()

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._broadcast._leave(self)
