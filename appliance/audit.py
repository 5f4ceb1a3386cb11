"""Who did what, and when: rows that are only added, each bound to the one before by its digest.

A row that is changed, taken out or put in between breaks the chain there. What a chain cannot show is that its newest
rows were cut off: whoever keeps the newest digest elsewhere (it is printed by the check) can.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from appliance.store import Store
from appliance.store_file import iso

FIRST = "0" * 64
HERE = "command line"  # who asks without an account: whoever has this machine's user
INSTRUMENT = "instrument"  # itself: no account has that name
COLUMNS = "seq, at, who, what, subject, details, before, digest"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the trail.

    at: UTC.  who: a login name, or who a command was run by.  what: one of a few words ("start", "sign", "export").
    subject: a run, a calibration, an account; never a patient.  before, digest: of the line before and of this one.
    """

    seq: int
    at: datetime
    who: str
    what: str
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)
    before: str = FIRST
    digest: str = ""

    @property
    def digest_due(self) -> str:
        """The digest that it must have: SHA-256 of its contents and of the digest before."""
        said = [self.seq, iso(self.at), self.who, self.what, self.subject, dict(self.details), self.before]
        whole = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(whole.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Among:
    """Which lines are wanted: of a kind, of a person, of a run (its whole id). Empty: any."""

    what: str = ""
    who: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the trail found. entries: how many.  last: the newest digest.  broken: the first line that is not
    as it was written; None where all are."""

    entries: int
    last: str
    broken: int | None

    def __str__(self) -> str:
        """In a sentence."""
        if self.broken is None:
            return f"The audit trail is whole: {self.entries} entries, the newest {self.last}."
        return (
            f"The audit trail is broken at entry {self.broken}: it, or one before it, was changed or taken out. "
            "Compare with a backup, and find out who had access to the file."
        )


class AuditTrail:
    """The trail of a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store

    def add(
        self,
        who: str,
        what: str,
        subject: str = "",
        details: Mapping[str, Any] | None = None,
        *,
        at: datetime,
    ) -> Entry:
        """Put a line on the trail; inside a transaction that is open it belongs to that."""
        with self._store.atomic():
            rows = self._store.rows("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1")
            seq, before = (rows[0]["seq"] + 1, rows[0]["digest"]) if rows else (1, FIRST)
            kept = json.loads(json.dumps(dict(details or {}), ensure_ascii=False))
            line = Entry(seq, _to_ms(at), who, what, subject, kept, before)
            self._store.db.conn.execute(
                f"INSERT INTO audit ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    seq,
                    iso(at),
                    who,
                    what,
                    subject,
                    json.dumps(kept, ensure_ascii=False),
                    before,
                    line.digest_due,
                ),
            )
        return line

    def entries(
        self, newest: int | None = None, before_seq: int | None = None, among: Among = Among()
    ) -> list[Entry]:
        """Return entries, the newest first. newest: how many at most.  before_seq: only older ones.  among: which."""
        wanted = [(column, value) for column, value in _wanted(among) if value]
        rows = self._store.rows(
            f"SELECT {COLUMNS} FROM audit WHERE seq < ? {''.join(f'AND {column} = ? ' for column, _ in wanted)}"
            "ORDER BY seq DESC LIMIT ?",
            2**62 if before_seq is None else before_seq,
            *(value for _, value in wanted),
            -1 if newest is None else newest,
        )
        return [_entry(row) for row in rows]

    def kinds(self) -> list[str]:
        """Return every "what" there is, in the order of the alphabet."""
        return [row["what"] for row in self._store.rows("SELECT DISTINCT what FROM audit ORDER BY what")]

    def people(self) -> list[str]:
        """Return every "who" there is, in the order of the alphabet."""
        return [row["who"] for row in self._store.rows("SELECT DISTINCT who FROM audit ORDER BY who")]

    def verify(self) -> Checked:
        """Go along the whole chain."""
        before, count, broken = FIRST, 0, None
        for row in self._store.rows(f"SELECT {COLUMNS} FROM audit ORDER BY seq"):
            count += 1
            try:
                line = _entry(row)
                fits = line.seq == count and line.before == before and line.digest == line.digest_due
            except ValueError:
                fits = False
            if not fits and broken is None:
                broken = int(row["seq"])
            before = row["digest"]
        return Checked(count, before, broken)


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        row["seq"], datetime.fromisoformat(row["at"]), row["who"], row["what"], row["subject"],
        json.loads(row["details"]), row["before"], row["digest"],
    )  # fmt: skip


def _wanted(among: Among) -> tuple[tuple[str, str], ...]:
    return ("what", among.what), ("who", among.who), ("subject", among.subject)


def _to_ms(at: datetime) -> datetime:
    return datetime.fromisoformat(iso(at))
