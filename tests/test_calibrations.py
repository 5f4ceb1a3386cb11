"""Calibrations in a store: each stays as it was, one is in force for its setup, and an old store learns of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from builders_calibration import EXPIRES, MADE, SETUP, record
from builders_store import at, commit, counted_run, create, frame, plan
from sqlite_utils.db import Database

from appliance.calibrations import IMPORTED, MEASURED, Calibrations
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.migrations import migrations
from appliance.store import Store
from appliance.tally import Tally
from calibration import CalibrationRefused
from calibration.measured import Measured
from calibration.record_json import to_json
from calibration.setup import Setup

NOW = MADE + timedelta(days=1)
COARSE = Setup("50x", "camera 1", 1, (256, 192))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hemadiff.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def test_a_calibration_comes_back_as_it_was_measured(path: Path, store: Store) -> None:
    assert Calibrations(store).add(record(), NOW)
    with Store.read_only(path) as reader:
        held = Calibrations(reader).get(record().id)
    assert (held.record, held.origin, held.added, held.in_force) == (record(), MEASURED, NOW, False)


def test_a_calibration_is_on_record_once(store: Store) -> None:
    calibrations = Calibrations(store)
    assert calibrations.add(record(), NOW)
    assert not calibrations.add(record(), NOW, IMPORTED)
    assert [held.origin for held in calibrations.all()] == [MEASURED]


def test_one_calibration_is_in_force_for_its_setup(store: Store) -> None:
    calibrations = Calibrations(store)
    first, second, other = record(), record(0.2001), record(0.4, setup=COARSE)
    for each in (first, second, other):
        calibrations.add(each, NOW)
        calibrations.use(each.id, "R. Hooke", NOW)
    assert calibrations.in_force(SETUP) == second
    assert calibrations.in_force(COARSE) == other
    assert {each.id for each in calibrations.all_in_force()} == {second.id, other.id}
    assert calibrations.before(second) == first
    assert calibrations.before(first) is None
    assert calibrations.before(other) is None


def test_nothing_is_in_force_before_a_person_puts_it_so(store: Store) -> None:
    Calibrations(store).add(record(), NOW)
    assert Calibrations(store).in_force(SETUP) is None


def test_the_one_before_can_be_put_in_force_again(store: Store) -> None:
    calibrations = Calibrations(store)
    for each in (record(), record(0.2001), record()):
        calibrations.add(each, NOW)
        calibrations.use(each.id, "R. Hooke", NOW)
    assert calibrations.in_force(SETUP) == record()
    assert calibrations.before(record()) == record(0.2001)


def test_a_far_change_comes_into_force_with_a_persons_word_only(store: Store) -> None:
    calibrations, changed = Calibrations(store), record(0.2062)
    for each in (record(), changed):
        calibrations.add(each, NOW)
    calibrations.use(record().id, "R. Hooke", NOW)
    with pytest.raises(ApplianceRefused, match=r"needs a person's word: The pixel size changed by 3\.1 %"):
        calibrations.use(changed.id, "R. Hooke", NOW)
    assert calibrations.in_force(SETUP) == record()
    calibrations.use(changed.id, "R. Hooke", NOW, calibrations.to_confirm(changed))
    assert calibrations.in_force(SETUP) == changed
    (row,) = store.db.query("SELECT confirmed FROM calibrations_in_force WHERE calibration = ?", [changed.id])
    assert "3.1 %" in row["confirmed"]


def test_an_expired_calibration_does_not_come_into_force(store: Store) -> None:
    Calibrations(store).add(record(), NOW)
    with pytest.raises(CalibrationRefused, match=r"expired on 2027-03-01.*Calibrate anew"):
        Calibrations(store).use(record().id, "R. Hooke", EXPIRES)


def test_an_imported_calibration_needs_a_persons_word_although_none_is_in_force(store: Store) -> None:
    calibrations = Calibrations(store)
    calibrations.add(record(), NOW, IMPORTED)
    with pytest.raises(ApplianceRefused, match="measured on this very microscope"):
        calibrations.use(record().id, "R. Hooke", NOW)
    calibrations.use(record().id, "R. Hooke", NOW, calibrations.to_confirm(record()))
    assert calibrations.in_force(SETUP) == record()


def test_a_calibration_of_the_future_does_not_come_into_force(store: Store) -> None:
    Calibrations(store).add(record(), NOW)
    with pytest.raises(CalibrationRefused, match="which is yet to come"):
        Calibrations(store).use(record().id, "R. Hooke", MADE - timedelta(days=2))


def test_somebody_puts_it_in_force(store: Store) -> None:
    Calibrations(store).add(record(), NOW)
    with pytest.raises(ApplianceRefused, match="Say who"):
        Calibrations(store).use(record().id, " ", NOW)


def test_a_calibration_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    calibrations = Calibrations(store)
    for number in range(20):
        calibrations.add(record(note=str(number)), NOW)
    one = record(note="3")
    assert calibrations.get(one.id[:10]).record == calibrations.get(one.id[4:10]).record == one
    for unclear, sentence in (
        ("zz", "no calibration"),
        ("", "no calibration"),
        ("cal-", "no calibration"),
        ("%", "no"),
    ):
        with pytest.raises(ApplianceRefused, match=sentence):
            calibrations.get(unclear)
    starts = [record(note=str(number)).id[4] for number in range(20)]
    twice = next(start for start in starts if starts.count(start) > 1)
    with pytest.raises(ApplianceRefused, match="Several calibrations"):
        calibrations.get(twice)


@pytest.mark.parametrize("table", ["calibrations", "calibrations_in_force"])
def test_calibrations_change_only_by_adding(path: Path, store: Store, table: str) -> None:
    Calibrations(store).add(record(), NOW)
    Calibrations(store).use(record().id, "R. Hooke", NOW)
    connection = sqlite3.connect(path)
    for change in (
        f"UPDATE {table} SET setup = setup",
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only by adding"):
            connection.execute(change)
    connection.close()


def test_a_calibration_that_was_damaged_in_the_store_is_refused(path: Path, store: Store) -> None:
    Calibrations(store).add(record(), NOW)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DROP TRIGGER calibrations_no_update")
        connection.execute("UPDATE calibrations SET record = replace(record, 'R. Hooke', 'R. Crooke')")
    connection.close()
    with pytest.raises(CalibrationRefused, match=f"{record().id} in the store was changed"):
        Calibrations(store).get(record().id)


def test_a_calibration_that_was_exchanged_in_the_store_is_refused(path: Path, store: Store) -> None:
    Calibrations(store).add(record(), NOW)
    other = record(0.31)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DROP TRIGGER calibrations_no_update")
        connection.execute("UPDATE calibrations SET record = ?, digest = ?", (to_json(other), other.digest))
    connection.close()
    with pytest.raises(CalibrationRefused, match=f"{record().id} in the store was damaged"):
        Calibrations(store).get(record().id)


def test_two_calibrations_never_mix_in_a_run(store: Store) -> None:
    run = create(store)
    tally = commit(store, run, 0, Tally(plan().rules()), "lymphocyte")
    another = replace(frame(1), calibration_id=record().id)
    with pytest.raises(
        ApplianceRefused, match=rf'field 1\.png .*"{record().id}", the run uses "stated: 0\.1 µm/px"'
    ):
        store.commit_field(run, another, [], tally, at(1))
    assert store.fields_counted(run) == 1


def old_store(path: Path, run: str) -> None:
    """A store as it was before there were calibrations, with a run in it."""
    counted_run(path, run)
    connection = sqlite3.connect(path)
    with connection:
        for table in ("calibrations_in_force", "calibrations", "quality_controls"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE runs DROP COLUMN marks")
        connection.execute(
            "DELETE FROM _sqlite_migrations WHERE name IN ('calibrations', 'quality_controls', 'marks')"
        )
    connection.close()


def test_an_old_store_opens_and_keeps_its_runs(path: Path) -> None:
    old_store(path, "aa01")
    with pytest.raises(ApplianceRefused, match="older version"):
        Store.read_only(path)
    with Store(path) as store:
        assert store.run("aa01").marks == ()
        assert store.tally("aa01").counted == 4
        assert Calibrations(store).all() == []
        assert Calibrations(store).add(record(), NOW)
    assert Store.read_only(path).run("aa01").id == "aa01"


def test_a_new_store_has_every_migration(path: Path) -> None:
    Store(path).close()
    assert not migrations.pending(Database(path))


def test_marks_are_only_added(store: Store) -> None:
    run = create(store)
    store.add_marks(run, ["The calibration expired.", "No control."], at(1))
    store.add_marks(run, ["No control.", "The control failed."], at(2))
    assert store.run(run).marks == ("The calibration expired.", "No control.", "The control failed.")
    said = [row["detail"] for row in store.db.query("SELECT detail FROM events WHERE kind = 'mark'")]
    assert said == list(store.run(run).marks)


def test_a_store_that_fails_says_so(store: Store) -> None:
    store.db.conn.execute("DROP TABLE calibrations_in_force")
    Calibrations(store).add(record(values={"um_per_px": Measured(0.3, 0.1, "µm/px")}), NOW)
    with pytest.raises(ApplianceError, match="no such table"):
        Calibrations(store).in_force(SETUP)
