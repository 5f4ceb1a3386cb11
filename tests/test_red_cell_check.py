"""The cross-check of the scale in every run, by the red cells of its first fields."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_commands import at_home, hemadiff
from builders_instrument import (
    SAYS,
    Gate,
    PixelAnalyser,
    blood_field,
    count_to_the_end,
    ended,
    folder,
    instrument,
    plan,
    until,
)
from builders_red_cells import Picture, red_cell_field
from builders_run import run

from appliance.errors import ApplianceRefused
from appliance.frame import Frame, Point
from appliance.red_cell_check import NOT_CHECKED, RedCellCheck, Verdict
from appliance.red_cell_watch import FIELDS_TRIED, RedCellWatch
from appliance.run import RedCellsMeasured, State, StopAcquisition, advance
from appliance.stored_view import stored_view
from calibration import Scale

TRUE_UM_PER_PX = 0.16


@cache
def smear_field(number: int, red_cells: int = 22) -> Picture:
    """A field of 22 single red cells in which the analyser reads two lymphocytes."""
    pixels = red_cell_field(TRUE_UM_PER_PX, (7.2,) * red_cells, side_um=66.0, nuclei=0, seed=number)
    pixels[0] = 0
    pixels[0, :2, 0] = 1 + SAYS.index("lymphocyte")
    return pixels


def smear(tmp_path: Path, fields: int = 6) -> Path:
    return folder(tmp_path / "smear", (smear_field(number) for number in range(fields)))


def frame(pixels: Picture) -> Frame:
    return Frame(0, "field", pixels, Point(0.0, 0.0), 0, None, None, "stated")


def looked_at(um_per_px: float, fields: list[Picture]) -> list[RedCellCheck | None]:
    watch = RedCellWatch(Scale.stated(um_per_px))
    return [watch.look(frame(pixels)) for pixels in fields]


def decided(um_per_px: float) -> RedCellCheck:
    (check,) = [each for each in looked_at(um_per_px, [smear_field(0), smear_field(1)]) if each]
    return check


def check(verdict: Verdict) -> RedCellCheck:
    return RedCellCheck(verdict, "Red cells measure 8.3 µm.", 41, 2, 0.139, 0.007, 0.15)


# What is said of a scale


@pytest.mark.parametrize(
    ("wrong_by", "verdict"),
    [
        (0.0, Verdict.FITS),
        (0.07, Verdict.FITS),
        (-0.07, Verdict.FITS),
        (0.15, Verdict.DIFFERS),
        (-0.15, Verdict.DIFFERS),
        (0.40, Verdict.WRONG),
        (-0.40, Verdict.WRONG),
    ],
)
def test_a_scale_is_judged_by_how_far_its_red_cells_are_off(wrong_by: float, verdict: Verdict) -> None:
    watch = RedCellWatch(Scale.stated(TRUE_UM_PER_PX * (1 + wrong_by)))
    found = watch.look(frame(smear_field(0))) or watch.look(frame(smear_field(1)))
    assert found is not None
    assert found.verdict is verdict
    assert found.off == pytest.approx(wrong_by, abs=0.03)


def test_a_few_cells_do_not_decide_where_the_scale_may_be_right() -> None:
    assert looked_at(TRUE_UM_PER_PX, [smear_field(0)]) == [None]


def test_a_scale_beyond_doubt_is_found_out_before_the_first_field_counts() -> None:
    (found,) = looked_at(2 * TRUE_UM_PER_PX, [smear_field(0)])
    assert found is not None
    assert found.verdict is Verdict.WRONG


def test_a_smear_without_single_red_cells_is_looked_at_for_a_while_and_then_left_alone() -> None:
    empty = np.full((100, 100, 3), 230, np.uint8)
    found = looked_at(0.1, [empty] * FIELDS_TRIED)
    assert found[:-1] == [None] * (FIELDS_TRIED - 1)
    assert found[-1] is not None
    assert found[-1].verdict is Verdict.NOT_MEASURED
    assert "are needed" in found[-1].said


def test_a_sentence_says_what_was_measured_and_what_was_expected() -> None:
    said = decided(1.15 * TRUE_UM_PER_PX).said
    assert "Red cells measure 8." in said
    assert "more than the 7.2 expected" in said


# What the run does


def test_red_cells_that_fit_change_nothing() -> None:
    before = run(cells=3)
    assert advance(before, RedCellsMeasured(check(Verdict.FITS))) == (before, [])


def test_red_cells_that_could_not_be_measured_change_nothing() -> None:
    before = run(cells=3)
    assert advance(before, RedCellsMeasured(check(Verdict.NOT_MEASURED))) == (before, [])


def test_red_cells_that_differ_pause_the_run_until_a_person_confirms() -> None:
    after, commands = advance(run(cells=3), RedCellsMeasured(check(Verdict.DIFFERS)))
    assert (after.state, commands) == (State.PAUSED, [StopAcquisition()])
    assert "Resume the run to confirm it, or stop it and calibrate." in after.reason


def test_a_wrong_scale_ends_the_run() -> None:
    after, commands = advance(run(cells=3), RedCellsMeasured(check(Verdict.WRONG)))
    assert (after.state, commands) == (State.FAILED, [StopAcquisition()])


# On record


def asked(where: Path, um_per_px: float, **changes: Any) -> Any:
    return plan(where, **{"um_per_px": um_per_px, "min_cells": 12, "max_cells": 12, **changes})


def paused(view: Any) -> bool:
    return bool(view["state"] == "paused")


def test_a_run_says_what_its_red_cells_say_and_keeps_it(tmp_path: Path) -> None:
    view = count_to_the_end(tmp_path / "s.sqlite", asked(smear(tmp_path), TRUE_UM_PER_PX))
    assert view["state"] == "completed"
    assert view["red_cells"] is not None
    assert view["red_cells"]["verdict"] == "fits"
    assert stored_view(tmp_path / "s.sqlite", view["run"])["red_cells"] == view["red_cells"]


def test_a_run_with_a_wrong_scale_counts_nothing(tmp_path: Path) -> None:
    view = count_to_the_end(tmp_path / "s.sqlite", asked(smear(tmp_path), 0.5 * TRUE_UM_PER_PX))
    assert (view["state"], view["counted"]) == ("failed", 0)
    assert "The calibration is not" in view["reason"]


def test_a_confirmed_run_counts_what_it_would_have_counted_and_carries_the_mark(tmp_path: Path) -> None:
    where = smear(tmp_path)
    with instrument(tmp_path / "s.sqlite") as made:
        made.start(asked(where, 1.15 * TRUE_UM_PER_PX))
        view = until(made, paused)
        made.resume()
        after = until(made, ended)
    assert view["red_cells"]["verdict"] == "differs"  # type: ignore[index]
    assert (after["state"], after["counted"]) == ("completed", 12)
    assert any("A person let the run go on." in mark for mark in after["marks"])


@pytest.mark.parametrize("cells", [2, 12])
def test_a_run_that_ends_before_enough_red_cells_were_seen_is_judged_by_those_there_are(
    tmp_path: Path, cells: int
) -> None:
    """It ends by its first field of two cells, or by its folder of one."""
    asked_for = asked(smear(tmp_path, 1), 1.15 * TRUE_UM_PER_PX, min_cells=cells, max_cells=cells)
    with instrument(tmp_path / "s.sqlite") as made:
        made.start(asked_for)
        view = until(made, paused)
        made.resume()
        after = until(made, ended)
    assert "Red cells measure 8." in view["reason"]
    assert (after["counted"], after["red_cells"]["verdict"]) == (2, "differs")  # type: ignore[index]
    assert any("A person let the run go on." in mark for mark in after["marks"])


def test_a_result_whose_scale_nothing_cross_checked_is_marked(tmp_path: Path) -> None:
    bare = folder(tmp_path / "bare", (blood_field(n) for n in range(4)))
    view = count_to_the_end(tmp_path / "s.sqlite", plan(bare, min_cells=4, max_cells=4))
    assert (view["state"], view["counted"]) == ("completed", 5)
    assert view["marks"] == [NOT_CHECKED]
    assert stored_view(tmp_path / "s.sqlite", view["run"])["marks"] == [NOT_CHECKED]


def test_a_run_that_a_person_ends_early_says_so_too(tmp_path: Path) -> None:
    bare, gate = folder(tmp_path / "bare", (blood_field(n) for n in range(4))), Gate(at=1)
    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made:
        made.start(plan(bare))
        assert gate.reached.wait(60)
        made.stop()
        gate.opened.set()
        view = until(made, ended)
    assert (view["state"], view["marks"]) == ("stopped", [NOT_CHECKED])


def test_the_question_is_still_open_after_a_restart(tmp_path: Path) -> None:
    where = smear(tmp_path)
    with instrument(tmp_path / "s.sqlite") as made:
        made.start(asked(where, 1.15 * TRUE_UM_PER_PX))
        before = until(made, paused)
    with instrument(tmp_path / "s.sqlite") as again:
        after = again.broadcast.snapshot()["run"]
    assert after is not None
    assert (after["state"], after["reason"]) == ("paused", before["reason"])


def test_a_run_that_was_cut_off_at_a_wrong_scale_cannot_be_resumed(tmp_path: Path) -> None:
    where = smear(tmp_path)
    with instrument(tmp_path / "s.sqlite") as made:
        run_id = made.start(asked(where, 1.15 * TRUE_UM_PER_PX))
        until(made, paused)
        made._do(_now_wrong, made._store)
        with pytest.raises(ApplianceRefused, match="cannot be resumed"):
            made.resume(run_id)


def _now_wrong(store: Any) -> None:
    store.red_cells = lambda run_id: check(Verdict.WRONG)


def test_the_export_of_a_run_says_what_its_red_cells_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = at_home(tmp_path, monkeypatch)
    view = count_to_the_end(store, asked(smear(tmp_path), TRUE_UM_PER_PX))
    exported = json.loads(hemadiff("runs", "export", view["run"]).stdout)
    assert exported["red_cells"] == view["red_cells"]
    assert view["red_cells"]["said"] in hemadiff("runs", "show", view["run"]).stdout  # type: ignore[index]
