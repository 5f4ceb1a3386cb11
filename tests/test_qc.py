"""The daily quality control: how many cells were located, whether that passes, and what results say until it does."""

from __future__ import annotations

import re
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from builders_store import NOON, counted_run
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ApplianceRefused
from appliance.qc_history import QcHistory
from appliance.store import Store
from calibration import CalibrationRefused
from calibration.qc import LastQc, QcLimits, judge_qc, qc_mark, wilson


def test_the_percentage_located_has_wilsons_limits() -> None:
    result = judge_qc(190, 10, 0)
    assert result.located_percent == 95.0
    assert result.located_interval == pytest.approx(
        (91.04, 97.26), abs=0.02
    )  # Newcombe 1998, Stat. Med. 17:857
    assert result.passed


@pytest.mark.parametrize(
    ("located", "missed", "false_finds", "passed"),
    [(200, 0, 0, True), (190, 10, 10, True), (189, 11, 0, False), (200, 0, 11, False), (0, 200, 0, False)],
)
def test_it_passes_within_both_limits(located: int, missed: int, false_finds: int, passed: bool) -> None:
    result = judge_qc(located, missed, false_finds)
    assert result.passed is passed
    assert str(result).startswith("Passed. " if passed else "Failed: at least 95 % and at most 5 %")


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [((199, 0, 0), "needs 200 cells, and these are 199"), ((300, -1, 0), "counted from 0")],
)
def test_too_few_cells_or_impossible_numbers_are_refused(counts: tuple[int, int, int], sentence: str) -> None:
    with pytest.raises(CalibrationRefused, match=sentence):
        judge_qc(*counts)


def test_a_laboratory_has_limits_of_its_own() -> None:
    strict = QcLimits(cells=300, least_located_percent=98, most_false_percent=1)
    assert not judge_qc(290, 10, 0, strict).passed
    with pytest.raises(CalibrationRefused, match="needs 300"):
        judge_qc(200, 0, 0, strict)


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_limits_hold_the_percentage_and_stay_in_range(count: int, rest: int) -> None:
    total = count + rest
    low, high = wilson(count, total)
    assert 0 <= low <= high <= 100
    if total:
        assert low - 1e-9 <= 100 * count / total <= high + 1e-9


def test_limits_of_no_proportion_are_refused() -> None:
    with pytest.raises(ValueError, match="no proportion"):
        wilson(3, 2)


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        (None, "No quality control is on record"),
        (LastQc(NOON, passed=False), r"failed \(2026-03-01 12:00 UTC\)"),
        (LastQc(NOON - timedelta(hours=25), passed=True), "overdue: the last was 2026-02-28 11:00"),
        (LastQc(NOON, passed=True, calibration="cal-a"), "under the calibration cal-a, not cal-b"),
        (LastQc(NOON, passed=True, calibration="cal-b"), None),
        (LastQc(NOON, passed=True), None),
        (LastQc(NOON + timedelta(days=1), passed=True), "is of 2026-03-02 12:00 UTC, which is yet to come"),
    ],
)
def test_results_are_marked_until_a_control_passes(last: LastQc | None, sentence: str | None) -> None:
    mark = qc_mark(last, NOON, every_h=24, calibration="cal-b")
    if sentence is None:
        assert mark is None
    else:
        assert re.search(sentence, mark or "")


def test_a_control_that_does_not_say_its_calibration_says_nothing_of_one() -> None:
    mark = qc_mark(LastQc(NOON, passed=True), NOON, every_h=24, calibration="cal-0123456789ab")
    assert mark is not None
    assert "does not say under which calibration" in mark


def test_a_control_comes_back_as_it_was_judged(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    run = counted_run(path)
    with Store(path) as store:
        history = QcHistory(store)
        assert history.last() is None
        history.record(judge_qc(150, 50, 3), "M. Malpighi", "normal slide", NOON, note="old oil")
        made = history.record(
            judge_qc(199, 1, 0), "M. Malpighi", "QC 7", NOON + timedelta(hours=1), run=run[:6]
        )
    with Store.read_only(path) as reader:
        assert QcHistory(reader).all()[1] == made
        assert [control.passed for control in QcHistory(reader).all()] == [False, True]
        assert (made.run, made.calibration) == (run, "stated: 0.1 µm/px"), "a run gives its calibration"
        ended = reader.run(run).changed
        assert QcHistory(reader).last() == LastQc(ended, True, "stated: 0.1 µm/px"), "as old as its count"


@pytest.mark.parametrize("changes", [{"who": ""}, {"run": "beef"}])
def test_a_control_by_nobody_or_of_no_count_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(ApplianceRefused):
        QcHistory(store).record(
            judge_qc(200, 0, 0), **{"who": "M. Malpighi", "slide": "normal slide", "at": NOON, **changes}
        )


def test_controls_change_only_by_adding(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        QcHistory(store).record(judge_qc(200, 0, 0), "M. Malpighi", "normal slide", NOON)
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    for change in ("UPDATE quality_controls SET passed = 1", "DELETE FROM quality_controls"):
        with pytest.raises(sqlite3.IntegrityError, match="only by adding"):
            connection.execute(change)
    connection.close()
