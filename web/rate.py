"""How often one address may ask for something."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable

MOST_ADDRESSES = 4096


class Rate:
    """So many at once, and so many a minute. Safe to use from several threads."""

    def __init__(self, at_once: int, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._per_s = float(at_once), per_minute / 60
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def allows(self, address: str) -> bool:
        """Whether one more is allowed now; it counts."""
        now, address = self._clock(), _network(address)
        with self._lock:
            left, at = self._left.pop(address, (self._at_once, now))
            left = min(self._at_once, left + (now - at) * self._per_s)
            if len(self._left) >= MOST_ADDRESSES:
                self._left.pop(next(iter(self._left)))
            allowed = left >= 1
            self._left[address] = (left - 1 if allowed else left, now)
        return allowed


def _network(address: str) -> str:
    """Return whose it is: with version 6 everybody has 2^64 addresses, and one network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
