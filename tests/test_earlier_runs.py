"""A patient's runs side by side, without the number that links them; and notes on a run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from builders_review import RUN, ask, ended, reclassify, signed

from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.review.notes import notes
from appliance.review.trend import patient_runs, trend
from appliance.run import State
from appliance.store import Store

NUMBER = "MRN-4711"


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "store.sqlite") as made:
        ended(made, ["lymphocyte"] * 3 + ["blast"], record_number=NUMBER)
        yield made


def runs(store: Store) -> list[str]:
    return [point.run for point in patient_runs(store, RUN)]


def test_runs_of_the_same_number_are_one_patients_in_the_order_of_time(store: Store) -> None:
    ended(store, ["blast"], run="later", seconds=500, record_number=NUMBER)
    ended(store, ["blast"], run="earlier", seconds=-500, record_number=f" {NUMBER} ")
    ended(store, ["blast"], run="somebodyelse", record_number="MRN-4712")
    assert runs(store) == ["earlier", RUN, "later"]


@pytest.mark.parametrize("number", [None, " "])
def test_runs_without_a_number_are_nobodys(tmp_path: Path, number: str | None) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        for run in (RUN, "another"):
            ended(store, ["blast"], run=run, record_number=number)
        assert runs(store) == [RUN]


def test_the_number_does_not_leave_the_store(store: Store) -> None:
    ended(store, ["blast"], run="later", seconds=500, record_number=NUMBER)
    assert NUMBER.encode() not in pickle.dumps(patient_runs(store, RUN))


def test_only_results_of_the_same_specimen_are_compared(store: Store) -> None:
    ended(store, ["blast"], run="marrow", record_number=NUMBER, specimen="marrow")
    ended(store, ["blast"], run="failed", record_number=NUMBER, state=State.FAILED)
    ended(store, ["blast"], run="goeson", record_number=NUMBER, state=State.PAUSED)
    ended(store, ["blast"], run="control", record_number=NUMBER, qc=True)
    assert runs(store) == [RUN]


def test_each_class_has_its_percentage_with_limits_in_every_run_after_review(store: Store) -> None:
    ended(store, ["lymphocyte"] * 2, run="later", seconds=500, record_number=NUMBER)
    reclassify(store, [1], "blast")
    lines = {line.label: line.rows for line in trend(patient_runs(store, RUN))}
    percents = [row.percent for row in lines["blast"] if row]
    first = lines["blast"][0]
    assert percents == [50.0, 0.0]
    assert first is not None
    assert (round(first.low, 1), round(first.high, 1)) == (6.8, 93.2)


def test_a_class_that_a_runs_panel_lacks_has_a_gap_there(store: Store) -> None:
    ended(store, ["blast"], run="later", seconds=500, record_number=NUMBER, panel="blood-11")
    lines = {line.label: line.rows for line in trend(patient_runs(store, RUN))}
    assert lines["reactive_lymphocyte"][0] is None
    assert lines["reactive_lymphocyte"][1] is not None


def test_a_run_says_as_what_it_was_signed(store: Store) -> None:
    signed(store, "preliminary")
    assert [point.status for point in patient_runs(store, RUN)] == ["preliminary"]


def test_notes_are_kept_in_order_with_their_writers(store: Store) -> None:
    ask(store, "add_note", by="anna", text=" Old smear. ")
    ask(store, "add_note", by="bert", text="Ask for another.")
    assert [(note.who, note.text) for note in notes(store, RUN)] == [
        ("anna", "Old smear."), ("bert", "Ask for another."),
    ]  # fmt: skip


def test_a_notes_text_is_not_on_the_audit_trail(store: Store) -> None:
    ask(store, "add_note", by="anna", text="Mrs. Holm again.")
    (line,) = AuditTrail(store).entries()
    assert (line.what, "Holm" in str(line.details)) == ("note", False)


@pytest.mark.parametrize("text", ["", "  ", "x" * 4001, "\ud800", 7])
def test_a_note_is_a_text_of_some_length(store: Store, text: object) -> None:
    with pytest.raises(ApplianceRefused):
        ask(store, "add_note", by="anna", text=text)


def test_notes_are_never_rewritten(store: Store) -> None:
    ask(store, "add_note", by="anna", text="Old smear.")
    with pytest.raises(Exception, match="only by adding"):
        store.db.conn.execute("DELETE FROM notes")


@pytest.mark.parametrize(
    ("run", "by"), [("\ud800", "anna"), (RUN, "\ud800"), (RUN, ""), ("", "anna"), (RUN, None)]
)
def test_who_and_of_which_run_must_be_said_in_letters(store: Store, run: str, by: str) -> None:
    with pytest.raises(ApplianceRefused):
        ask(store, "add_note", run=run, by=by, text="Old smear.")
