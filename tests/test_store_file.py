"""A store is opened whole, by its owner, in its own version, or refused in a sentence."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from builders_store import (
    counted_run,
    create,
    rows,
)

from appliance.errors import ApplianceRefused
from appliance.migrations import migrations
from appliance.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "hemadiff.sqlite"


def test_a_power_cut_loses_nothing_that_was_committed(path: Path) -> None:
    with Store(path) as store:
        assert store.db.journal_mode == "wal"
        assert store.db.execute("PRAGMA synchronous").fetchone()[0] == 2, "FULL"


def test_only_its_owner_may_read_the_store(path: Path) -> None:
    with Store(path):
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_store_belongs_to_the_thread_that_opened_it(path: Path) -> None:
    failures: list[BaseException] = []

    def use() -> None:
        try:
            create(store)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    with Store(path) as store:
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert failures, "another thread's write is refused"


def test_opening_a_store_again_changes_nothing(path: Path) -> None:
    run = counted_run(path)
    before = rows(path)
    with Store(path) as store:
        assert store.run(run).id == run
        assert not migrations.pending(store.db)
    assert rows(path) == before


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    with Store(path) as store:
        store.db.table("_sqlite_migrations").insert(
            {"migration_set": "hemadiff", "name": "of_the_future", "applied_at": "2030"}
        )
    for open_it in (Store, Store.read_only):
        with pytest.raises(ApplianceRefused, match="newer hemadiff"):
            open_it(path)


def test_a_store_of_an_older_version_is_not_read_before_it_is_updated(path: Path) -> None:
    path.parent.mkdir()
    sqlite3.connect(path).close()
    with pytest.raises(ApplianceRefused, match="older version"):
        Store.read_only(path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("Not a database at all. " * 100)
    for open_it in (Store, Store.read_only):
        with pytest.raises(ApplianceRefused, match="is no store"):
            open_it(text)
    with pytest.raises(ApplianceRefused, match=r"no store .* yet"):
        Store.read_only(tmp_path / "gone.sqlite")
    with pytest.raises(ApplianceRefused, match="cannot be made"):
        Store(text / "below.sqlite")
    assert text.read_text().startswith("Not a database")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ApplianceRefused, match="cannot be made"):
        Store(tmp_path / "hemadiff.sqlite")


def test_a_store_on_read_only_media_is_read_without_making_a_file_beside_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_run(path)
    may = os.access
    monkeypatch.setattr(os, "access", lambda what, mode: mode != os.W_OK and may(what, mode))
    with Store.read_only(path) as store:
        assert len(store.runs()) == 1
        assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_store_with_a_writers_log_is_read_with_it_even_where_it_may_not_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(path) as writer:
        monkeypatch.setattr(os, "access", lambda _what, mode: mode != os.W_OK)
        create(writer, "aa01")
        with Store.read_only(path) as store:
            assert [run.id for run in store.runs()] == ["aa01"]


def test_an_existing_store_that_may_not_be_written_is_not_said_to_be_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_run(path)

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ApplianceRefused, match=f"{path} cannot be opened for writing: Permission denied"):
        Store(path)
