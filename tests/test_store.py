"""A field is in the store whole, or it never happened; and nothing in it is ever rewritten."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders_store import (
    NOON,
    OUTPUTS,
    SCALE,
    TABLES,
    at,
    cell,
    commit,
    counted_run,
    create,
    frame,
    plan,
    rows,
    unreadable,
)
from PIL import Image

from appliance.errors import ApplianceError, ApplianceRefused
from appliance.frame import Point, SkippedField
from appliance.run import FieldCommitted, FieldSkipped, State, replay
from appliance.store import Store, new_run_id
from appliance.store_records import FieldRecord
from appliance.tally import Tally


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "hemadiff.sqlite"


def test_a_run_comes_back_as_it_was_written(path: Path) -> None:
    with Store(path) as store:
        create(store, "0123456789ab", min_cells=200, watched={"blast": (5, 20)})
    record = Store.read_only(path).run("0123456789ab")
    assert record.plan == plan(min_cells=200, watched={"blast": (5, 20)})
    assert record.scale == SCALE
    assert record.state is State.PREPARING
    assert record.outputs == OUTPUTS
    assert (record.engine, record.weights) == ("ONNX Runtime, CPU", "smear-13 v1 (abc123)")
    assert (record.planned, record.simulated, record.started) == (40, False, NOON)


def test_a_field_comes_back_with_its_cells_their_patches_and_its_tally(path: Path) -> None:
    cells = [cell("lymphocyte", 1), cell(None, 2), cell("platelet", 3)]
    with Store(path) as store:
        run = create(store)
        tally = Tally(plan().rules()).adding(["lymphocyte", None, "platelet"])
        ids = store.commit_field(run, frame(), cells, tally, at(1))
        found = store.cells(run)
        assert [one.id for one in found] == ids
        assert [one.label for one in found] == ["lymphocyte", None, "platelet"]
        first = found[0]
        assert (first.field, first.image, first.x, first.y) == (0, "field 0.png", 101.25, 50.5)
        opinion = cells[0].opinion
        assert opinion is not None
        assert first.probabilities is not None
        assert first.single_view is not None
        assert np.array_equal(first.probabilities, opinion.probabilities), "to the last bit"
        assert np.array_equal(first.single_view, opinion.single_view)
        assert (first.label_single_view, first.views, first.findings) == ("monocyte", 9, ("hypogranular",))
        assert cells[2].patch is not None
        assert np.array_equal(np.array(Image.open(io.BytesIO(store.patch(ids[2])))), cells[2].patch)
        with pytest.raises(ApplianceRefused, match="no picture"):
            store.patch(ids[1])
        assert store.tally(run) == tally


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from builders_store import at, cell, create, frame, plan
from appliance.store import Store
from appliance.tally import Tally

path, statement = Path(sys.argv[1]), 0
while True:
    child = os.fork()
    if child == 0:
        store, seen = Store(path), 0

        def die(sql):
            global seen
            if seen == statement:
                os.kill(os.getpid(), 9)
            seen += 1

        tally = Tally(plan().rules()).adding(["lymphocyte", None])
        store.db.conn.set_trace_callback(die)
        store.commit_field(sys.argv[2], frame(statement), [cell(seed=1), cell(None)], tally, at(1))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    store = Store.read_only(path)
    counts = [store.db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in sys.argv[4].split()]
    print(status, *counts, flush=True)
    store.close()
    if status == 0 or statement > 200:
        break
    statement += 1
"""


def test_a_process_killed_at_any_statement_of_a_field_leaves_all_or_nothing(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
    command = [sys.executable, "-c", KILLED, str(path), run, str(Path(__file__).parent), " ".join(TABLES)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    outcomes = [tuple(int(number) for number in line.split()) for line in said.splitlines()]
    assert len(outcomes) > 6, "it was killed between any two inserts"
    nothing, whole = (0, 0, 0, 0), (1, 2, 1, 1)
    assert {counts for status, *counts in outcomes[:-1] if status != 0 for counts in [tuple(counts)]} == {
        nothing
    }
    assert outcomes[-1] == (0, *whole), "and the last one, which lived, is whole"


@pytest.mark.parametrize("table", TABLES)
def test_a_disk_that_fails_at_any_table_leaves_nothing_of_the_field(path: Path, table: str) -> None:
    with Store(path) as store:
        run = create(store)
        tally = commit(store, run, 0, Tally(plan().rules()), "lymphocyte")
        before = rows(path)
        store.db.conn.execute(
            f"CREATE TEMP TRIGGER fail AFTER INSERT ON main.{table} BEGIN SELECT RAISE(ABORT, 'no space'); END"
        )
        with pytest.raises(ApplianceError, match="no space"):
            commit(store, run, 1, tally, "monocyte", "monocyte")
        assert rows(path) == before
        store.db.conn.execute("DROP TRIGGER fail")
        commit(store, run, 1, tally, "monocyte", "monocyte")
        assert rows(path)["cells"] == 3


def test_a_field_is_counted_once(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
        tally = commit(store, run, 0, Tally(plan().rules()), "lymphocyte")
        with pytest.raises(ApplianceError, match="only by adding"):
            commit(store, run, 0, tally, "lymphocyte")
        assert store.tally(run).counted == 1


def test_a_field_of_no_run_is_not_taken(path: Path) -> None:
    with Store(path) as store, pytest.raises(ApplianceError, match="FOREIGN KEY"):
        commit(store, "nobody", 0, Tally(plan().rules()), "lymphocyte")


@pytest.mark.parametrize("table", [*TABLES, "events"])
def test_results_change_only_by_adding(path: Path, table: str) -> None:
    counted_run(path)
    connection = sqlite3.connect(path)
    column = connection.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchone()[0]
    for change in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="only by adding"):
            connection.execute(change)
    connection.close()


@pytest.mark.parametrize("table", [*TABLES, "events", "runs"])
def test_what_is_only_added_is_not_replaced_either(path: Path, table: str) -> None:
    counted_run(path)
    connection = sqlite3.connect(path)  # as any program opens it
    with pytest.raises(sqlite3.IntegrityError, match="only by adding"):
        connection.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1")
    connection.close()


def test_a_field_does_not_take_the_place_of_another_by_its_number(path: Path) -> None:
    counted_run(path)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only by adding"):
        connection.execute(
            "INSERT OR REPLACE INTO fields (id, run, number, name, at) SELECT 99, run, number, name, at FROM fields"
        )
    connection.close()


@pytest.mark.parametrize("column", ["um_per_px", "calibration", "calibration_source", "plan"])
def test_what_a_run_was_counted_under_stays(path: Path, column: str) -> None:
    counted_run(path)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only by adding"):
        connection.execute(f"UPDATE runs SET {column} = {column}")
    connection.close()


def test_the_machine_remembers_a_run_from_its_fields(path: Path) -> None:
    run = counted_run(path)
    with Store(path) as store:
        store.commit_skip(run, SkippedField(3, "3.png", "cut short", "3.png: cut short."), at(3))
        store.commit_skip(
            run, SkippedField(4, "4.png", "analysis", "4.png: too dark."), at(4), kind="analysis"
        )
        history = store.history(run)
        assert [type(event) for event in history] == [FieldCommitted] * 3 + [FieldSkipped] * 2
        assert history[3:] == [FieldSkipped("input"), FieldSkipped("analysis")]
        remembered = replay(plan(), history, "The power was lost.")
        assert remembered.state is State.PAUSED
        assert remembered.tally == store.tally(run)
        assert remembered.next_field == 5
        assert (remembered.committed, store.fields_counted(run)) == (3, 3)


def test_a_run_without_fields_has_an_empty_tally_and_begins_at_its_first_field(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
        assert store.tally(run).counted == 0
        assert store.history(run) == []


def test_skipped_fields_are_listed_with_their_reasons(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
        skips = [SkippedField(n, f"{n}.png", reason, f"{n}.png: {reason}.") for n, reason in enumerate("bab")]
        for skip in skips:
            store.commit_skip(run, skip, at(1))
        assert store.skipped(run) == {"b": 2, "a": 1}
        assert store.skipped_fields(run) == skips
        assert store.fields_counted(run) == 0


def test_a_skipped_field_keeps_the_place_that_its_source_knew(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
        skips = [
            SkippedField(0, "0", "empty", "The field is empty.", Point(1200.5, 800.0)),
            SkippedField(1, "1", "cut short", "1 is cut short."),
        ]
        for skip in skips:
            store.commit_skip(run, skip, at(1))
        assert store.skipped_fields(run) == skips


def test_fields_come_back_in_the_plans_order_counted_and_skipped(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
        assert store.newest_field(run) is None
        commit(store, run, 0, Tally(plan().rules()), "lymphocyte")
        store.commit_skip(run, SkippedField(1, "1", "empty", "It is empty.", Point(60.0, 2.0)), at(1))
        counted, skipped = store.fields(run)
        assert counted == FieldRecord(0, Point(1.0, 2.0), (60, 40), None)
        assert skipped == store.newest_field(run) == FieldRecord(1, Point(60.0, 2.0), None, "empty")


def test_the_latest_cells_are_the_newest_that_have_a_label(path: Path) -> None:
    run = counted_run(path)
    latest = Store.read_only(path).latest_cells(run, 4)
    assert [one.label for one in latest] == ["erythroblast", "lymphocyte", "unidentified", "monocyte"]


def test_every_state_is_on_record_with_its_reason(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
        store.set_state(run, State.COUNTING, "Counting.", at(1))
        store.set_state(run, State.STOPPED, "Stopped by a person.", at(4))
        record = store.run(run)
        assert (record.state, record.reason, record.changed) == (State.STOPPED, "Stopped by a person.", at(4))
        said = [(row["run"], row["kind"], row["detail"]) for row in store.db.query("SELECT * FROM events")]
        assert said == [
            (run, "state:preparing", "Getting ready."),
            (run, "state:counting", "Counting."),
            (run, "state:stopped", "Stopped by a person."),
        ]


def test_a_state_of_no_run_is_an_error(path: Path) -> None:
    with Store(path) as store, pytest.raises(ApplianceError):
        store.set_state("nobody", State.STOPPED, "Stopped.", at(1))


def test_runs_are_listed_newest_first_and_those_that_have_not_ended_are_known(path: Path) -> None:
    with Store(path) as store:
        for number, run in enumerate(("aa01", "bb02", "bb03")):
            create(store, run, seconds=number)
        store.set_state("bb02", State.COMPLETED, "Done.", at(9))
        assert [record.id for record in store.runs()] == ["bb03", "bb02", "aa01"]
        assert store.unfinished_runs() == ["aa01", "bb03"]


def test_a_run_that_this_version_cannot_read_is_listed_beside_the_others_with_the_reason(path: Path) -> None:
    counted_run(path, "aa01")
    counted_run(path, "bb02")
    unreadable(path, "aa01")
    with Store.read_only(path) as store:
        good, bad = sorted(store.runs(), key=lambda run: run.problem or "")
        assert (good.id, good.specimen, good.counted, good.unidentified) == ("bb02", "blood", 4, 1)
        assert (bad.id, bad.specimen, bad.counted, bad.state) == ("aa01", None, None, "preparing")
        assert 'no panel "smear-12"' in (bad.problem or "")
        assert store.unfinished_runs() == ["aa01", "bb02"]


def test_a_run_whose_plan_is_of_another_version_is_refused_by_its_id(path: Path) -> None:
    counted_run(path, "aa01")
    unreadable(path, "aa01", '{"camera": "simulated", "wings": 2}')
    with Store.read_only(path) as store, pytest.raises(ApplianceRefused, match=r'run aa01 cannot .*"wings"'):
        store.run("aa")


def test_a_run_is_found_by_the_beginning_of_its_id(path: Path) -> None:
    with Store(path) as store:
        for run in ("aa01", "bb02", "bb03", "bb0"):
            create(store, run)
        assert store.run("a").id == "aa01"
        assert store.run("bb0").id == "bb0", "the whole id of one is the beginning of others"
        for unclear, sentence in (("bb", "Several runs"), ("cc", "no run"), ("", "no run"), ("%", "no run")):
            with pytest.raises(ApplianceRefused, match=sentence):
                store.run(unclear)


def test_a_record_number_is_kept_in_its_own_table_and_nowhere_else(path: Path) -> None:
    with Store(path) as store:
        run = create(store, record_number="B26-0417")
        commit(store, run, 0, Tally(plan().rules()), "lymphocyte")
        slide = store.run(run).slide
        kept = list(store.db.query("SELECT * FROM records"))
        assert kept == [{"slide": slide, "record_number": "B26-0417"}]
        for table in store.db.tables:
            if table.name != "records":
                assert not any("B26-0417" in str(value) for row in table.rows for value in row.values())


def test_a_reader_sees_every_committed_field_while_the_writer_goes_on(path: Path) -> None:
    with Store(path) as store:
        run = create(store)
        tally = commit(store, run, 0, Tally(plan().rules()), "lymphocyte")
        with Store.read_only(path) as reader:
            assert reader.tally(run).counted == 1
            commit(store, run, 1, tally, "lymphocyte")
            assert reader.tally(run).counted == 2
            with pytest.raises(ApplianceError, match="readonly"):
                reader.set_state(run, State.STOPPED, "No.", at(1))


def test_run_ids_are_random() -> None:
    assert len({new_run_id() for _ in range(100)}) == 100


def test_a_table_that_is_only_added_to_refuses_to_be_replaced_too(tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        triggers = {
            row["name"] for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        }
    only_added = {name.removesuffix("_no_update") for name in triggers if name.endswith("_no_update")}
    assert {"cells", "reclassifications", "signatures", "label_cells"} <= only_added
    assert {table for table in only_added if f"{table}_no_replace" not in triggers} == set()
