"""The file of a store: opened or refused, written whole or not at all, and read.

A table has its migration in `migrations`, and a class of its own that is given the store and uses `rows`, `atomic` and
`insert` (as `calibrations.Calibrations` is).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlite_utils.db import Database

from appliance.errors import ApplianceRefused
from appliance.migrations import migrations
from appliance.store_failure import said
from appliance.store_place import cannot_change, is_there

BUSY_S = 10.0


class StoreFile:
    """The database of one instrument. Open it in the thread that uses it; one thread of one process writes.

    Raises ApplianceRefused for a file that is no store, and ApplianceError where the disk fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with said(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Before SQLite makes it, because its own files (the log of a WAL) get the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self.db = _opened(sqlite3.connect(path, timeout=BUSY_S))
            self._refuse_newer()
            self.db.enable_wal()
            self.db.conn.execute("PRAGMA synchronous = FULL")
            migrations.apply(self.db)

    @classmethod
    def read_only(cls, path: Path, *, any_thread: bool = False) -> Self:
        """Open a store that another process may be writing. Every method that writes fails.

        any_thread: it goes from thread to thread, one at a time.
        Raises ApplianceRefused where there is none yet or can be none, or where it is older or newer than this version.
        """
        if not is_there(path):
            raise ApplianceRefused(f"There is no store {path} yet. The first count makes it.")
        store = cls.__new__(cls)
        store.path = path
        with said(path):
            still = "&immutable=1" if cannot_change(path) else ""
            uri = f"{path.resolve().as_uri()}?mode=ro{still}"
            store.db = _opened(
                sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=not any_thread)
            )
            store._refuse_newer()
            if migrations.pending(store.db):
                raise ApplianceRefused(
                    f"The store {path} is of an older version. Start the instrument once to update it."
                )
        return store

    def close(self) -> None:
        """Close the database. May be called twice."""
        self.db.conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Put what is written inside on record whole, or not at all."""
        with said(self.path), self.db.atomic():
            yield

    def insert(self, table: str, row: dict[str, Any]) -> int:
        """Insert one row, inside `atomic`; return its rowid."""
        return int(self.db.table(table).insert(row).last_rowid or 0)

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Return the rows of a query. values: of its question marks."""
        with said(self.path):
            return list(self.db.query(sql, values))

    def _refuse_newer(self) -> None:
        nothing = Database(memory=True, execute_plugins=False)
        known = {migration.name for migration in migrations.pending(nothing)}
        newer = [done.name for done in migrations.applied(self.db) if done.name not in known]
        if newer:
            raise ApplianceRefused(
                f"The store {self.path} was written by a newer hemadiff ({newer[-1]}). Update this one."
            )


def iso(at: datetime) -> str:
    """Return a time as every table keeps it: ISO 8601, UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def from_iso(written: str) -> datetime:
    """Return a time that a table kept, UTC."""
    return datetime.fromisoformat(written).astimezone(UTC)


def _opened(connection: sqlite3.Connection) -> Database:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(
        "PRAGMA recursive_triggers = ON"
    )  # a row that is replaced is deleted: its trigger is asked
    connection.create_function(
        "casefold", 1, str.casefold, deterministic=True
    )  # SQLite's lower() leaves Ä as it is
    return Database(connection, execute_plugins=False)
