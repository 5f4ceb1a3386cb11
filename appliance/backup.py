"""Backups of the store: whole copies of it, made while it is in use, checked, and put back.

Source: "SQLite Backup API" (sqlite.org/backup.html) and "How To Corrupt An SQLite Database File", 1.2 to 1.4: a copy of
the file alone may lack what is still in its log, and a log of another database destroys one.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils.db import Database

from appliance.audit import AuditTrail
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.instrument_on_trail import RESTORED
from appliance.migrations import migrations
from appliance.store import Store
from appliance.store_failure import said
from appliance.store_lock import StoreLock, lock_path
from appliance.store_place import cannot_be_written, cannot_change, is_there, refuse_foreign

NAME = "hemadiff-{at:%Y%m%dT%H%M%SZ}.sqlite"
NAMED = re.compile(r"hemadiff-(\d{8}T\d{6}Z)\.sqlite")
KEEP = 14
SPARE = 1.1
"""So many times its own size a copy needs on the disk."""

BUSY_S = 10.0


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup. at: when it was made, UTC.  runs: how many counts are in it."""

    path: Path
    at: datetime
    size: int
    runs: int


def back_up(
    store: Path, folder: Path, keep: int = KEEP, now: datetime | None = None, *, secrets: bool = True
) -> Backup:
    """Copy a store into a folder while it may be in use, check the copy, and keep the newest of them.

    keep: how many, this one among them.  now: UTC; None asks the clock.
    secrets: whether what is kept of passwords and PINs is in the copy. In one that leaves the instrument it is not:
    a PIN has a million values, which whoever has the copy tries in a day.
    Raises ApplianceRefused where there is no store or no room, and ApplianceError where the copy is not whole: then no
    older one is removed.
    """
    if not is_there(store):
        raise ApplianceRefused(f"There is no store {store} yet, and nothing to back up.")
    refuse_foreign(store)
    now = now or datetime.now(UTC)
    path = folder / NAME.format(at=now)
    with _written_whole(path) as partial:
        _refuse_without_room(store, folder)
        with said(store), closing(_read_only(store)) as source:
            if secrets:
                _copy(source, partial)
            else:
                _copy_without_secrets(source, partial)
        runs = check(partial)
    _remove_older(folder, keep)
    return Backup(path, now, path.stat().st_size, runs)


def backups(folder: Path) -> list[Path]:
    """Return the backups in a folder, the newest first, by their names."""
    with contextlib.suppress(OSError):
        return sorted((each for each in folder.iterdir() if NAMED.fullmatch(each.name)), reverse=True)
    return []


def made_at(path: Path) -> datetime:
    """Return when a backup was made, UTC, by its name."""
    found = NAMED.fullmatch(path.name)
    assert found is not None
    return datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def check(path: Path, thorough: bool = True) -> int:
    """Go over a whole store, page by page; return how many counts are in it.

    thorough: whether the indexes are held against their tables too, which takes long.
    Raises ApplianceError where it is damaged, and ApplianceRefused where it is none of ours or of a newer version.
    """
    refuse_foreign(path)
    how = "integrity_check" if thorough else "quick_check"
    with said(path), closing(_read_only(path)) as connection:
        found = [row[0] for row in connection.execute(f"PRAGMA {how}(3)")]
        if found != ["ok"]:
            raise ApplianceError(f"{path} is damaged: {'; '.join(found)}. Use another backup.")
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise ApplianceError(f"{path} is damaged: rows lack what they belong to. Use another backup.")
        _refuse_not_ours(path, connection)
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def restore(backup: Path, store: Path, by: str, now: datetime | None = None) -> Path | None:
    """Put a backup in place of a store; return where the replaced one is kept, None where there was none.

    by: who wants that, for the audit trail of the restored store.  At every instant a whole store is in its place.
    Raises ApplianceRefused while an instrument works with it and for what is no backup, ApplianceError for a damaged
    one.
    """
    if not is_there(backup):
        raise ApplianceRefused(f"There is no backup {backup}. Give the path of one.")
    if backup.resolve() == store.resolve():
        raise ApplianceRefused(f"{backup} is the store itself. Give the path of a backup.")
    check(backup)
    _refuse_as_another(store)
    now = now or datetime.now(UTC)
    with StoreLock(lock_path(store)):
        partial = store.with_name(f"{store.name}.restoring")
        _refuse_without_room(backup, store.parent)
        with _removed_after(partial, store):
            with said(backup), closing(_read_only(backup)) as source, closing(_fresh(partial)) as copy:
                source.backup(copy)
            with Store(partial) as restored:  # brings an older one up to date
                AuditTrail(restored).add(by, RESTORED, backup.name, at=now)
            check(partial)
            _synced(partial)
            kept = _set_aside(store, now) if is_there(store) else None
            partial.replace(store)
            _synced(store.parent)
    return kept


def record_backup(store: Store, at: datetime, *, by: str, name: str, runs: int) -> dict[str, Any]:
    """Put on the audit trail that a backup was made."""
    AuditTrail(store).add(by, "backup", name, {"runs": runs}, at=at)
    return {}


ASKS: Mapping[str, Callable[..., dict[str, Any]]] = {"record_backup": record_backup}


def _copy(source: sqlite3.Connection, partial: Path) -> None:
    with closing(sqlite3.connect(partial)) as copy:
        source.backup(copy)  # in one step: a reader's snapshot, which holds up no writer
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it


def _copy_without_secrets(source: sqlite3.Connection, partial: Path) -> None:
    """Copy row by row, not page by page: what was deleted in the source still lies in its pages."""
    source.execute("VACUUM INTO ?", (str(partial),))
    with closing(sqlite3.connect(partial)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute("PRAGMA secure_delete = ON")
        if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'accounts'").fetchone():
            copy.execute("UPDATE accounts SET password = NULL, pin = NULL")
        copy.commit()


def _refuse_as_another(store: Path) -> None:
    """What root makes, the instrument cannot open."""
    try:
        owner = store.parent.stat().st_uid
    except OSError:
        return  # whoever makes the lock says why it cannot
    if owner != os.geteuid():
        raise ApplianceRefused(
            f"{store.parent} belongs to {_user(owner)}. Restore as that user: sudo -u {_user(owner)} hemadiff restore …"
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"


def _set_aside(store: Path, now: datetime) -> Path:
    """Keep a store under another name too, with everything that its log still held, and remove the log."""
    with said(store), closing(sqlite3.connect(store, timeout=BUSY_S)) as connection:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise ApplianceRefused(f"Somebody is reading {store}. Stop the page first (hemadiff-web).")
    kept = store.with_name(f"{store.stem}.replaced-{now:%Y%m%dT%H%M%SZ}{store.suffix}")
    with said(store):
        try:
            os.link(store, kept)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            shutil.copy2(store, kept)
        for log in ("-wal", "-shm"):  # the log of one database would destroy another
            store.with_name(store.name + log).unlink(missing_ok=True)
    return kept


def _read_only(path: Path) -> sqlite3.Connection:
    still = "&immutable=1" if cannot_change(path) else ""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{still}", uri=True, timeout=BUSY_S)


def _fresh(path: Path) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return sqlite3.connect(path)


def _refuse_not_ours(path: Path, connection: sqlite3.Connection) -> None:
    database = Database(connection, execute_plugins=False)
    if "runs" not in database.table_names():
        raise ApplianceRefused(f"{path} is no store of Hemadiff: it holds no counts.")
    known = {each.name for each in migrations.pending(Database(memory=True, execute_plugins=False))}
    newer = [each.name for each in migrations.applied(database) if each.name not in known]
    if newer:
        raise ApplianceRefused(f"{path} was written by a newer hemadiff ({newer[-1]}). Update this one.")


def _refuse_without_room(store: Path, folder: Path) -> None:
    needed = int(SPARE * sum(_size(store.with_name(store.name + log)) for log in ("", "-wal")))
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ApplianceRefused(
            f"{folder} has room for {free / 1e6:.0f} MB and the copy needs {needed / 1e6:.0f} MB. Make room there."
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[Path]:
    """Give a place to write to, which becomes `path` once all of it is on the disk, or goes away."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _fresh(partial).close()
    except OSError as error:
        raise cannot_be_written(path, error) from error
    with _removed_after(partial, path):
        yield partial
        _synced(partial)
        partial.replace(path)
        _synced(path.parent)


@contextlib.contextmanager
def _removed_after(partial: Path, meant: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_be_written(meant, error) from error
    finally:
        for log in ("", "-wal", "-shm", "-journal"):
            partial.with_name(partial.name + log).unlink(missing_ok=True)


def _synced(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _remove_older(folder: Path, keep: int) -> None:
    for old in backups(folder)[max(keep, 1) :]:
        old.unlink(missing_ok=True)
