"""A viewer's stream of server-sent events: a snapshot, then changes, and a sign of life in between."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from appliance.broadcast import BroadcastClosed, Follower

BEAT_EVERY = 5  # looks without news; the page takes 12 s of silence for a lost stream
LOOK_EVERY_S = 1.0  # so long may a viewer that has left keep its thread
RECENT = 4  # messages that some viewers have had and others still wait for


class Encoded:
    """Messages as bytes: what many viewers are told is put together once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._recent: deque[tuple[Mapping[str, Any], bytes]] = deque(maxlen=RECENT)

    def event(self, message: Mapping[str, Any]) -> bytes:
        """Return a message as an event. It must not change afterwards."""
        with self._lock:
            for known, told in self._recent:
                if known is message:
                    return told
            told = _event(message["event"], message)
            self._recent.append((message, told))
            return told


def events(
    follower: Follower,
    gone: Callable[[], bool],
    digest: str,
    look_every_s: float = LOOK_EVERY_S,
    seen: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda message: message,
    encoded: Encoded | None = None,
) -> Iterator[bytes]:
    """Yield a viewer's events until it has gone or the hub closes.

    gone: whether the viewer has hung up.  digest: of the page's files, so that an old page loads itself anew.
    seen: what the viewer may see of a message.  encoded: shared by all who watch the same hub.
    """
    encoded = encoded or Encoded()
    yield _event("beat", {"page": digest})
    quiet = 0
    while not gone():
        try:
            message = follower.next(look_every_s)
        except BroadcastClosed:
            return
        if message is not None and gone():  # what came may be another patient's, to a link of the one before
            return
        if message is not None:
            quiet = 0
            yield encoded.event(seen(message))
        elif (quiet := quiet + 1) >= BEAT_EVERY:
            quiet = 0
            yield _event("beat", {})


def _event(kind: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data, separators=(',', ':'), allow_nan=False)}\n\n".encode()
