"""The page keeps the store open for the next request, and notices when it is another."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from builders_store import counted_run

from appliance.errors import ApplianceRefused
from appliance.store import Store
from web.readers import MOST_KEPT, Readers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "s.sqlite"
    counted_run(place)
    return place


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which stores were opened to be read."""
    found: list[Path] = []
    real = Store.read_only.__func__  # type: ignore[attr-defined]

    def counted(cls: type[Store], path: Path, /, **how: bool) -> Store:
        found.append(path)
        return real(cls, path, **how)  # type: ignore[no-any-return]

    monkeypatch.setattr(Store, "read_only", classmethod(counted))
    return found


def runs(readers: Readers) -> int:
    with readers.store() as store:
        return len(store.rows("SELECT 1 FROM runs"))


def test_one_request_after_the_other_reads_the_same_open_store(path: Path, opened: list[Path]) -> None:
    readers = Readers(path)
    assert [runs(readers) for _ in range(5)] == [1] * 5
    assert len(opened) == 1


def test_what_the_instrument_writes_meanwhile_is_read(path: Path, opened: list[Path]) -> None:
    readers = Readers(path)
    runs(readers)
    counted_run(path, "fedcba987654")
    assert (runs(readers), len(opened)) == (2, 1)


def test_two_requests_at_once_have_a_store_each(path: Path) -> None:
    readers = Readers(path)
    with readers.store() as one, readers.store() as two:
        assert one is not two


def test_a_store_goes_from_thread_to_thread(path: Path, opened: list[Path]) -> None:
    readers, found = Readers(path), list[int]()
    runs(readers)
    thread = threading.Thread(target=lambda: found.append(runs(readers)))
    thread.start()
    thread.join()
    assert (found, len(opened)) == ([1], 1)


def test_a_store_that_was_put_back_from_a_backup_is_the_one_that_is_read(path: Path, tmp_path: Path) -> None:
    readers, backup = Readers(path), tmp_path / "backup.sqlite"
    shutil.copy(path, backup)
    counted_run(path, "fedcba987654")
    assert runs(readers) == 2
    backup.replace(path)
    for leftover in ("-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    assert runs(readers) == 1


def test_a_store_that_is_put_back_while_it_is_opened_is_the_one_that_is_read(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup.sqlite"
    shutil.copy(path, backup)
    counted_run(path, "fedcba987654")
    real = Store.read_only.__func__  # type: ignore[attr-defined]

    def replaced_meanwhile(cls: type[Store], path: Path, /, **how: bool) -> Store:
        store: Store = real(cls, path, **how)
        if backup.exists():
            backup.replace(path)
        return store

    monkeypatch.setattr(Store, "read_only", classmethod(replaced_meanwhile))
    readers = Readers(path)
    assert (runs(readers), runs(readers)) == (1, 1)


def test_a_kept_store_that_is_damaged_is_opened_anew(
    path: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    readers, real = Readers(path), Store.rows
    with readers.store() as damaged:
        pass

    def rows(store: Store, sql: str, *values: object) -> list[dict[str, Any]]:
        if store is damaged:
            raise ApplianceRefused("It is damaged.")
        return real(store, sql, *values)

    monkeypatch.setattr(Store, "rows", rows)
    assert (runs(readers), len(opened)) == (1, 2)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        damaged.db.execute("SELECT 1")


def test_a_store_that_was_opened_as_one_that_nobody_writes_is_not_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers, nobody_writes = Readers(path), True
    for module in ("web.readers", "appliance.store_file"):
        monkeypatch.setattr(f"{module}.cannot_change", lambda _: nobody_writes)
    runs(readers)
    nobody_writes = False
    counted_run(path, "fedcba987654")
    assert runs(readers) == 2


def test_a_store_whose_tables_changed_is_looked_at_again(path: Path) -> None:
    readers = Readers(path)
    runs(readers)
    with Store(path) as store:
        store.db.conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('hemadiff', 'later', '2030')"
        )
        store.db.conn.execute("CREATE TABLE later (id INTEGER)")
        store.db.conn.commit()
    with pytest.raises(ApplianceRefused, match="newer hemadiff"):
        runs(readers)


def test_a_store_that_is_not_there_yet_is_said_and_found_once_it_is(tmp_path: Path) -> None:
    readers = Readers(tmp_path / "s.sqlite")
    with pytest.raises(ApplianceRefused, match="no store"):
        runs(readers)
    counted_run(tmp_path / "s.sqlite")
    assert runs(readers) == 1


def test_after_an_error_the_next_request_has_a_fresh_one(path: Path, opened: list[Path]) -> None:
    readers = Readers(path)
    with pytest.raises(ZeroDivisionError), readers.store():
        raise ZeroDivisionError
    assert (runs(readers), len(opened)) == (1, 2)


def test_no_more_are_kept_than_a_browser_asks_for_at_once(path: Path, opened: list[Path]) -> None:
    readers = Readers(path)
    lent = [readers.store() for _ in range(MOST_KEPT + 3)]
    for each in lent:
        each.__enter__()
    for each in lent:
        each.__exit__(None, None, None)
    assert len(readers._kept) == MOST_KEPT
