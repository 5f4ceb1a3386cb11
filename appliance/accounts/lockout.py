"""Wrong tries to sign in: counted by name and way, each way shut for a while by its own wrong tries alone.

Whoever guesses passwords from afar must not keep the staff from their own touchscreen, nor from signing where they are
signed in: there a wrong secret has a count of its own. A name that is nobody's waits as long as one that is somebody's,
so that waiting tells nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_file import from_iso

FREE_FAILURES = 4
FIRST_DELAY_S, LONGEST_DELAY_S = 30.0, 3600.0
MOST_STRANGERS, LONGEST_KEPT = 4096, 40


class Way(StrEnum):
    """How somebody says who they are; the words stand on the trail."""

    PIN = "pin"
    PASSWORD = "password"  # at the instrument
    FROM_AFAR = "password from afar"


class Wanted(StrEnum):
    """What somebody says for who they are; the words stand on the trail."""

    SIGN_IN = "sign-in"
    SIGNATURE = "signature"
    CHANGE = "change"  # of one's own password or PIN


def checked_way(how: str) -> Way:
    """Return the way of that name. Raises ApplianceRefused for a name that none has."""
    if how not in list(Way):
        raise ApplianceRefused(f"Say how it was proved who asks: {', '.join(Way)}.")
    return Way(how)


def counted_as(way: Way, wanted: Wanted) -> str:
    """Return under which name a wrong try is counted: at the door, or of a session that is signed in."""
    return str(way) if wanted is Wanted.SIGN_IN else f"{way}, signed in"


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong tries since the last that was right. latest: when the last one was."""

    count: int = 0
    latest: datetime | None = None

    @property
    def locked_until(self) -> datetime | None:
        """Until when nobody may try again: twice as long after every failure from the fifth on."""
        if self.latest is None or self.count <= FREE_FAILURES:
            return None
        doublings = min(self.count - FREE_FAILURES - 1, 30)
        return self.latest + timedelta(seconds=min(FIRST_DELAY_S * 2.0**doublings, LONGEST_DELAY_S))

    def after(self, at: datetime) -> Failures:
        """Return them with one more."""
        return Failures(self.count + 1, at)

    def refuse_locked(self, now: datetime) -> None:
        """Raise ApplianceRefused while nobody may try; it says nothing of whether there is such a person."""
        until = self.locked_until
        if until is None or now >= until:
            return
        wait_s = int((until - now).total_seconds()) + 1
        wait = f"{wait_s} seconds" if wait_s < 90 else f"{-(-wait_s // 60)} minutes"
        raise ApplianceRefused(f"Too many wrong tries. Wait {wait}, or ask an administrator.")


class Lockout:
    """The wrong tries at the accounts of a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store

    def failures(self, name: str, way: str) -> Failures:
        """Return the wrong tries of a name in one way."""
        rows = self._store.rows("SELECT * FROM sign_in_failures WHERE name = ? AND way = ?", name, way)
        return Failures(rows[0]["count"], from_iso(rows[0]["latest"])) if rows else Failures()

    def locked(self, now: datetime) -> frozenset[str]:
        """Return the names that are shut in one way or another."""
        found = self._store.rows("SELECT * FROM sign_in_failures")
        locked = (
            (row["name"], Failures(row["count"], from_iso(row["latest"])).locked_until) for row in found
        )
        return frozenset(name for name, until in locked if until is not None and now < until)

    def failed(self, name: str, way: str, at: datetime) -> None:
        """Count one more."""
        count = self.failures(name, way).count + 1
        with self._store.atomic():
            self._store.db.conn.execute(
                "INSERT INTO sign_in_failures (name, way, count, latest) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name, way) DO UPDATE SET count = excluded.count, latest = excluded.latest",
                (name, way, count, at.isoformat()),
            )

    def forget(self, name: str, way: str | None = None) -> None:
        """Forget those of a name in one way; None: in every way."""
        with self._store.atomic():
            self._store.db.conn.execute(
                "DELETE FROM sign_in_failures WHERE name = ? AND (way = ? OR ? IS NULL)", (name, way, way)
            )


class Strangers:
    """Wrong tries at names that are nobody's, in memory alone: such a name may be a password in the wrong box.

    They are forgotten where the page starts anew. Of a name its beginning is kept, which is longer than any account's.
    Safe to use from several threads.
    """

    def __init__(self) -> None:
        """Nobody has tried yet."""
        self._tries: dict[tuple[str, str], Failures] = {}
        self._lock = threading.Lock()

    def failures(self, name: str, way: str) -> Failures:
        """Return the wrong tries of a name in one way."""
        with self._lock:
            return self._tries.get((name[:LONGEST_KEPT], way), Failures())

    def failed(self, name: str, way: str, at: datetime) -> None:
        """Count one more; the name that was tried least lately is forgotten where there are too many."""
        name = name[:LONGEST_KEPT]
        with self._lock:
            before = self._tries.pop((name, way), Failures())
            if len(self._tries) >= MOST_STRANGERS:
                del self._tries[next(iter(self._tries))]
            self._tries[name, way] = before.after(at)
