"""Notes on a run. They are only added: who corrects one adds another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.errors import ApplianceRefused
from appliance.review.who_says import written
from appliance.store import Store
from appliance.store_file import iso

LONGEST_NOTE = 4000


@dataclass(frozen=True, slots=True)
class Note:
    """One note. at: UTC."""

    id: int
    who: str
    at: datetime
    text: str


def notes(store: Store, run: str) -> list[Note]:
    """Return a run's notes, the oldest first. run: the whole id."""
    found = store.rows("SELECT * FROM notes WHERE run = ? ORDER BY id", run)
    return [Note(row["id"], row["who"], datetime.fromisoformat(row["at"]), row["text"]) for row in found]


def write_note(store: Store, run: str, by: str, text: object, at: datetime) -> int:
    """Put a note on record and return its id. Raises ApplianceRefused for an empty one, or one too long."""
    kept = written(text, "note", LONGEST_NOTE)
    if not kept:
        raise ApplianceRefused("The note is empty. Write one.")
    return store.insert("notes", {"run": run, "who": by, "at": iso(at), "text": kept})
