"""Rows that are only added: how the tables of review are written and read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_failure import said
from appliance.store_records import RunRecord

LONGEST_NAME = 100


def add(store: Store, table: str, row: dict[str, Any]) -> int:
    """Add a row and return its id; inside a transaction that is open it belongs to that."""
    with said(store.path), store.db.atomic():
        return int(store.db.table(table).insert(row).last_rowid or 0)


def rows(store: Store, sql: str, *values: object) -> list[dict[str, Any]]:
    """Return what a question to the store gives."""
    with said(store.path):
        return list(store.db.query(sql, values))


def iso(at: datetime) -> str:
    """Return a time as the store keeps it: UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def person(by: object) -> str:
    """Return who does something. Raises ApplianceRefused where nobody is named."""
    name = written(by, "name", LONGEST_NAME)
    if not name:
        raise ApplianceRefused("Nobody is named who does this. Sign in first.")
    return name


def run_named(store: Store, run: object) -> RunRecord:
    """Return the run of that id, or of an unambiguous beginning of one. Raises ApplianceRefused otherwise."""
    return store.run(written(run, "id of the run", LONGEST_NAME))


def written(text: object, what: str, longest: int) -> str:
    """Return what a person wrote, without the space around it.

    what: its name in a refusal ("note").  longest: in characters.
    Raises ApplianceRefused for what is no text, or too long.
    """
    if not isinstance(text, str) or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ApplianceRefused(f"The {what} is no text. Write it anew.")
    text = text.strip()
    if len(text) > longest:
        raise ApplianceRefused(f"The {what} has {len(text)} characters. Shorten it to {longest}.")
    return text
