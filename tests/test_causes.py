"""Whatever pauses or ends a run has a cause, and every cause has its advice."""

from __future__ import annotations

import ast
import re
import sqlite3
from pathlib import Path

import pytest
from builders_run import UNANALYSED, UNREADABLE, field, run
from builders_store import at, create
from builders_web import settings

import appliance
from appliance.cameras.freshness import NotFresh
from appliance.cause import Cause, cause_named
from appliance.errors import ApplianceError
from appliance.red_cell_check import RedCellCheck, Verdict
from appliance.run import (
    EMPTY_FIELDS_END_RUN,
    FAILURES_END_RUN,
    PauseAsked,
    PlanExhausted,
    RedCellsMeasured,
    Run,
    State,
    StopAsked,
    advance,
)
from appliance.store import Store
from appliance.store_failure import said
from web.advice import ADVICE, MAPPED, PAUSES, advice_on
from web.app import create_app


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    with create_app(settings(tmp_path_factory.mktemp("page"))).test_request_context():
        yield


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_says_what_happened_and_what_to_do_in_a_sentence_each(cause):
    advice = ADVICE[cause]
    for sentence in (advice.happened, advice.do):
        assert re.fullmatch(r"[A-Z][^.!?]+\.", sentence)
        assert len(sentence) <= 95  # one line of the touchscreen


@pytest.mark.parametrize("cause", Cause)
def test_advice_fits_a_line_however_the_run_stands(cause, english):
    for advice in (
        advice_on(cause, ended=True),
        advice_on(cause, mapped=True),
        advice_on(cause, simulated=True),
    ):
        for sentence in (advice.happened, advice.do):
            assert re.fullmatch(r"[A-Z][^.!?]+\.", sentence)
            assert len(sentence) <= 95


@pytest.mark.parametrize("cause", Cause)
def test_no_run_that_has_ended_is_said_to_be_resumed_or_stopped(cause, english):
    advice = advice_on(cause, ended=True)
    assert not re.search(r"\b(Resume|Stop)\b", advice.do)
    assert "everything counted is kept" not in advice.happened or cause in PAUSES


@pytest.mark.parametrize("cause", Cause)
def test_nobody_who_may_not_count_is_told_to_do_it(cause, english):
    for stands in ({}, {"ended": True}, {"mapped": True}, {"simulated": True}):
        do = advice_on(cause, **stands, may_count=False).do
        assert re.fullmatch(r"(The operator|The cells are) [^.!?]+\.", do)
        assert len(do) <= 95


@pytest.mark.parametrize("cause", [Cause.POWER_CUT, Cause.SHUT_DOWN])
def test_an_interrupted_count_of_a_simulated_slide_sends_nobody_to_the_slide(cause, english):
    do = advice_on(cause, mapped=True, simulated=True).do
    assert do == "A simulated slide needs no checking: touch Resume."


@pytest.mark.parametrize("cause", Cause)
def test_nobody_is_told_to_lay_a_mapped_slide_in_anew_and_go_on(cause, english):
    do = advice_on(cause, mapped=True).do
    assert not re.search(r"put the slide in|lies flat|upwards", do, re.IGNORECASE)
    if cause in MAPPED:
        assert re.search("if (it|the slide) was (taken out or )?moved|if the slide moved", do, re.IGNORECASE)


def named_in_the_code():
    """Every `Cause.X` of the instrument's own modules, beside the list itself."""
    for path in Path(appliance.__file__).parent.rglob("*.py"):
        if path.name != "cause.py":
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Cause":
                    yield Cause[node.attr]


def test_there_is_no_cause_that_nothing_comes_to():
    assert set(named_in_the_code()) == set(Cause)


def test_a_cause_of_another_version_is_none_and_breaks_nothing():
    assert cause_named(str(Cause.DARK)) is Cause.DARK
    assert cause_named("the moon") is None


def after(start: Run, *events):
    for event in events:
        start, _ = advance(start, event)
    return start


ENDS = {
    Cause.ENOUGH: lambda r: after(r, field(r, 300)),
    Cause.MOST: lambda r: after(r, field(r, 500)),
    Cause.OUT_OF_CELLS: lambda r: after(r, *[field(r, 0)] * EMPTY_FIELDS_END_RUN),
    Cause.OUT_OF_FIELDS: lambda r: after(r, field(r, 7), PlanExhausted()),
    Cause.ALL_SKIPPED: lambda r: after(r, UNREADABLE, PlanExhausted()),
    Cause.NO_FIELDS: lambda r: after(r, PlanExhausted()),
    Cause.ANALYSIS_FAILED: lambda r: after(r, *[UNANALYSED] * FAILURES_END_RUN),
    Cause.STOPPED: lambda r: after(r, StopAsked()),
    Cause.PAUSED: lambda r: after(r, PauseAsked()),
    Cause.RED_CELLS_DIFFER: lambda r: after(r, measured(Verdict.DIFFERS)),
    Cause.WRONG_SCALE: lambda r: after(r, measured(Verdict.WRONG)),
}


def measured(verdict):
    return RedCellsMeasured(RedCellCheck(verdict, "Red cells are wide.", 9, 3, 0.1, 0.01, 0.2))


@pytest.mark.parametrize("cause", ENDS)
def test_a_run_that_stands_still_says_its_cause(cause):
    ended = ENDS[cause](run())
    assert ended.state is not State.COUNTING
    assert ended.cause is cause


@pytest.mark.parametrize(
    ("reason", "cause"),
    [("dark", Cause.DARK), ("saturated", Cause.TOO_BRIGHT), ("stale", Cause.NO_PICTURE)],
)
def test_a_picture_that_is_refused_says_whether_it_is_the_lamps_doing(reason, cause):
    assert NotFresh(reason, "The camera gave a frame that is no use.").cause is cause


def test_what_paused_a_run_is_on_record_until_it_goes_on(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        found = create(store)
        store.set_state(found, State.PAUSED, "The cable was unplugged.", at(1), Cause.CAMERA)
        assert store.run(found).cause is Cause.CAMERA
        store.set_state(found, State.COUNTING, "Counting.", at(2))
        assert store.run(found).cause is None


def test_a_full_disk_is_the_stores_doing(tmp_path):
    with pytest.raises(ApplianceError) as failed, said(tmp_path / "s.sqlite"):
        raise sqlite3.OperationalError("database or disk is full")
    assert failed.value.cause is Cause.STORE
