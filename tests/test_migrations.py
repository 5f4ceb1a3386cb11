"""Stores of every version that was released are opened by this one, as they would be made anew."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils.db import Database
from sqlite_utils.migrations import Migrations

from appliance.labelling.sets import LabelSets
from appliance.migrations import migrations
from appliance.store import Store

Whole = set[tuple[str, str, frozenset[str]]]

COUNTING = "first_tables surveys"
CALIBRATED = f"{COUNTING} calibrations quality_controls marks"
CHECKED = f"{CALIBRATED} red_cell_checks"
WITH_PEOPLE = f"{CHECKED} audit accounts"
REVIEWED = f"{WITH_PEOPLE} review"
LABELLED = f"{REVIEWED} qc_reviews never_replaced field_pictures labelling"
RELEASED = (
    "first_tables",
    COUNTING,
    CALIBRATED,
    CHECKED,
    f"{CHECKED} qc_reviews",
    f"{CHECKED} qc_reviews never_replaced",
    WITH_PEOPLE,
    REVIEWED,
    f"{REVIEWED} qc_reviews",
    f"{REVIEWED} qc_reviews never_replaced",
    LABELLED,
    f"{LABELLED} people_are_never_replaced",
    f"{LABELLED} nothing_only_added_is_replaced",
    f"{LABELLED} nothing_only_added_is_replaced causes",
    f"{LABELLED} nothing_only_added_is_replaced sessions_and_wrong_tries causes withdrawn_from_labelling",
    f"{LABELLED} people_are_never_replaced nothing_only_added_is_replaced sessions_and_wrong_tries causes "
    "withdrawn_from_labelling smears_of_sets",
)
"""What the stores of each released version have behind them. A new release adds a line; none is ever changed."""


def test_every_migration_that_was_released_is_still_there_by_its_name() -> None:
    there = {each.name for each in migrations.pending(Database(memory=True, execute_plugins=False))}
    assert {name for released in RELEASED for name in released.split()} <= there


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """What a store holds that this version made."""
    path = tmp_path_factory.mktemp("new") / "s.sqlite"
    made = Database(path, execute_plugins=False)
    Migrations.apply(migrations, made)  # as outside of tests, which copy what this makes (conftest)
    made.close()
    return everything(path)


def test_the_tables_that_tests_copy_are_those_that_are_made(tmp_path: Path, anew: Whole) -> None:
    Store(tmp_path / "s.sqlite").close()
    assert everything(tmp_path / "s.sqlite") == anew


@pytest.mark.parametrize("released", RELEASED, ids=lambda names: names.split()[-1])
def test_a_store_of_an_earlier_version_is_opened_and_has_everything(
    tmp_path: Path, released: str, anew: Whole
) -> None:
    path = tmp_path / "s.sqlite"
    made_by_earlier(path, released.split())
    Store(path).close()
    assert everything(path) == anew


@pytest.mark.parametrize("column", ["what", "who", "subject"])
def test_the_trail_of_one_kind_person_or_run_is_found_by_an_index(tmp_path: Path, column: str) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        (plan,) = store.rows(
            f"EXPLAIN QUERY PLAN SELECT * FROM audit WHERE seq < 9 AND {column} = 'x' ORDER BY seq DESC LIMIT 1"
        )
        assert f"USING INDEX audit_{column} ({column}=? AND seq<?)" in plan["detail"]


def test_the_smears_of_a_set_of_an_earlier_version_stay_in_their_splits(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    made_by_earlier(path, next(each for each in RELEASED[::-1] if "smears_of_sets" not in each).split())
    database = Database(sqlite3.connect(path), execute_plugins=False)
    who = {"who": "anna", "at": "2026-01-01"}
    of = {"id": "a", "name": "A", "panel": "smear-13", "specimen": "blood", "labels": "[]", "wanted": 2}
    database.table("label_sets").insert({**of, **who})
    single = {"label_set": "a", "crop": b"", "label": "blast", **who}
    field = {"label_set": "a", "picture": b"", "width": 1, "height": 1, "um_per_px": 0.1, "calibration": ""}
    for smear in ("1", "4", "2"):
        database.table("label_singles").insert({**single, "smear": smear})
    for smear in ("3", "2"):
        row = {**field, "smear": smear, "labelled": 0, "digest": smear, **who, "at": "2026-02-02"}
        database.table("label_fields").insert(row)
    database.conn.close()
    with Store(path) as store:
        assert LabelSets(store).smears("a") == ["3", "2", "1", "4"]  # its fields, and then its cells
        store.insert("label_singles", {**single, "smear": "5"})
        store.insert("label_fields", {**field, "smear": "6", "labelled": 0, "digest": "6", **who})
        assert LabelSets(store).smears("a") == ["3", "2", "1", "4", "5", "6"]


def made_by_earlier(path: Path, names: list[str]) -> None:
    """A store in which just these migrations were applied."""
    database = Database(sqlite3.connect(path), execute_plugins=False)
    database.conn.execute("PRAGMA synchronous = OFF")
    migrations.ensure_migrations_table(database)
    known = {each.name: each for each in migrations.pending(database)}
    for name in names:
        with database.atomic():
            if name in known:
                known[name].fn(database)
            row = {"migration_set": "hemadiff", "name": name, "applied_at": "2026-01-01"}
            database.table("_sqlite_migrations").insert(row)
    database.conn.close()


def everything(path: Path) -> Whole:
    """The tables with their columns, the indexes and the triggers of a store."""
    database = Database(sqlite3.connect(path), execute_plugins=False)
    found = list(database.query("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
    columns = {
        row["name"]: frozenset(
            column["name"] for column in database.query(f"PRAGMA table_info({row['name']})")
        )
        for row in found
    }
    database.conn.close()
    return {(row["type"], row["name"], columns[row["name"]]) for row in found}
