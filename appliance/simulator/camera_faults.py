"""What can go wrong with the simulated camera, scheduled by whoever tests what the instrument makes of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum


class CameraFault(StrEnum):
    """A fault of one capture; a lost camera stays lost until it is plugged in again."""

    STALE = "stale"
    """The exposure before the one that was asked for: it began too early."""
    REPEATED = "repeated"
    """The last exposure once more."""
    DARK = "dark"
    """No light reached the sensor."""
    TORN = "torn"
    """The lower part is the last exposure's; where there was none, it is empty."""
    LATE = "late"
    """It is delivered long after it was taken."""
    LOST = "lost"
    """The camera is gone."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A fault and the capture that it strikes.

    captures_before: how many captures go well first, from when it was scheduled.  by_s: how late a late frame is.
    """

    fault: CameraFault
    captures_before: int = 0
    by_s: float = 15.0


class FaultSchedule:
    """Faults to come. Safe to add to from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captures = 0
        self._due: list[tuple[int, Scheduled]] = []

    def add(self, *faults: Scheduled) -> None:
        """Let these go wrong."""
        with self._lock:
            self._due += [(self._captures + fault.captures_before, fault) for fault in faults]

    @property
    def left(self) -> int:
        """How many have not struck yet."""
        with self._lock:
            return len(self._due)

    def next(self) -> Scheduled | None:
        """Count a capture and return what strikes it; of several the one that was scheduled first."""
        with self._lock:
            number, self._captures = self._captures, self._captures + 1
            struck = next(((at, fault) for at, fault in self._due if at <= number), None)
            if struck is None:
                return None
            self._due.remove(struck)
            return struck[1]
