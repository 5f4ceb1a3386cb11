"""Two patients never share a differential: what is refused while a count stands still, and what says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from builders_commands import at_home, hemadiff, with_analyser
from builders_instrument import Gate, PixelAnalyser, ended, instrument, small, smear, until
from builders_store import at, create

from appliance.cause import Cause
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.field_source import SlideSurvey
from appliance.folder_camera import FolderCamera
from appliance.instrument import Instrument
from appliance.resuming import TRUSTED
from appliance.run import State
from appliance.store import Store
from appliance.store_records import RunRecord
from calibration import Scale

SLIDE = SlideSurvey('{"regions": 1}', b"a picture", 0.0, 100.0, 20.0)


@pytest.fixture
def patient(tmp_path: Path) -> Any:
    return small(smear(tmp_path / "patient"))


@pytest.fixture
def other(tmp_path: Path) -> Any:
    return small(smear(tmp_path / "other"))


@contextmanager
def paused(store: Path, asked: Any, **changes: Any) -> Iterator[tuple[Instrument, str]]:
    """An instrument whose run a person paused at its fifth field, and the run."""
    gate = Gate(at=4)
    with instrument(store, PixelAnalyser(gate), **changes) as made:
        run = made.start(asked)
        assert gate.reached.wait(60)
        made.pause()
        gate.opened.set()
        yield made, run


def on_record(store: Path, run: str) -> RunRecord:
    with Store.read_only(store) as opened:
        return opened.run(run)


def test_no_count_begins_while_one_is_paused(tmp_path: Path, patient: Any, other: Any) -> None:
    with paused(tmp_path / "s.sqlite", patient) as (made, run):
        with pytest.raises(ApplianceRefused, match=f"{run} is paused.*Resume it to its end, or stop it"):
            made.start(other)
        shown = made.broadcast.snapshot()["instrument"]
        assert (shown["can_start"], run in str(shown["why_not"])) == (False, True)
        made.resume()
        assert until(made, ended)["run"] == run
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert len(store.runs()) == 1


def test_no_count_begins_while_one_that_was_shut_down_waits(tmp_path: Path, patient: Any, other: Any) -> None:
    with paused(tmp_path / "s.sqlite", patient):
        pass
    with instrument(tmp_path / "s.sqlite") as made, pytest.raises(ApplianceRefused, match="is paused"):
        made.start(other)


def test_a_paused_count_that_is_stopped_makes_room_and_never_goes_on(
    tmp_path: Path, patient: Any, other: Any
) -> None:
    with paused(tmp_path / "s.sqlite", patient) as (made, run):
        made.stop()
        made.start(other)
        until(made, ended)
        with pytest.raises(ApplianceRefused, match="stopped; only a paused run"):
            made.resume(run)


def test_a_stop_that_could_not_be_put_on_record_is_a_stop_all_the_same(
    tmp_path: Path, patient: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paused(tmp_path / "s.sqlite", patient) as (made, run):
        with monkeypatch.context() as fails:
            fails.setattr(Store, "set_state", _full)
            made.stop()
        with pytest.raises(ApplianceRefused, match="only a paused run"):
            made.resume(run)


def _full(*_: Any) -> None:
    raise ApplianceError("The disk is full. Free some.")


@pytest.mark.parametrize("later", [State.PAUSED, State.COMPLETED])
def test_a_run_that_another_one_overtook_is_not_resumed_on_that_ones_slide(
    tmp_path: Path, later: State
) -> None:
    store = tmp_path / "s.sqlite"
    with Store(store) as opened:
        for run, state, began in (("aa01", State.PAUSED, 1), ("bb02", later, 2)):
            create(opened, run, began)
            opened.set_state(run, state, "A person asked for it.", at(began), Cause.PAUSED)
    with instrument(store) as made:
        shown = made.broadcast.snapshot()["run"]
        assert (shown and shown["run"]) == ("bb02" if later is State.PAUSED else None)
        with pytest.raises(ApplianceRefused, match=r"only a paused run|no paused run"):
            made.resume("aa01")
    first = on_record(store, "aa01")
    assert (first.state, first.cause) == (State.FAILED, Cause.OVERTAKEN)


def on_a_slide(where: Path, simulated: bool) -> Any:
    """A microscope that looks its slide over."""

    class Slide(FolderCamera):
        survey: Any = None

        def prepare(self, survey: Any) -> Iterator[str]:
            self.survey = survey or SLIDE
            yield "Looking the slide over."

    Slide.simulated = simulated
    return lambda _: Slide(where, scale=Scale.stated(0.1))


@pytest.mark.parametrize("simulated", [False, True])
def test_a_count_resumed_by_its_old_map_says_whose_word_it_is_that_the_slide_is_the_same(
    tmp_path: Path, patient: Any, simulated: bool
) -> None:
    source = on_a_slide(tmp_path / "patient", simulated)
    with paused(tmp_path / "s.sqlite", patient, open_source=source) as (made, _):
        made.resume()
        marks = until(made, ended)["marks"]
    assert (TRUSTED in marks) == (not simulated)


@pytest.mark.parametrize("what", ["stop", "pause"])
def test_what_is_meant_for_another_run_is_refused(tmp_path: Path, patient: Any, what: str) -> None:
    store = tmp_path / "s.sqlite"
    with Store(store) as opened:
        opened.set_state(create(opened, "aa01"), State.COMPLETED, "300 cells.", at(9), Cause.ENOUGH)
    gate = Gate(at=4)
    with instrument(store, PixelAnalyser(gate)) as made:
        run = made.start(patient)
        assert gate.reached.wait(60)
        with pytest.raises(ApplianceRefused, match=f"aa01 is not the one in hand: by now that is {run}"):
            made.answer(what, {"run": "aa01"})
        assert not until(made, lambda _: True)["ended"]
        made.answer(what, {"run": run})
        assert until(made, lambda _: True)["state"] in ("stopped", "paused")
        gate.opened.set()


def test_a_start_that_is_refused_deletes_no_pictures_in_the_middle_of_a_count(
    tmp_path: Path, patient: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paused(tmp_path / "s.sqlite", patient) as (made, _):
        forgot: list[Any] = []
        monkeypatch.setattr(FieldPictures, "forget_old", lambda _, now: forgot.append(now))
        with pytest.raises(ApplianceRefused):
            made.start(other)
        assert forgot == []
        made.stop()
        made.start(other)
        assert len(forgot) == 1


def test_the_command_line_can_stop_a_paused_count_and_then_begin_another(
    tmp_path: Path, patient: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_analyser(monkeypatch)
    store = at_home(tmp_path, monkeypatch)
    with paused(store, patient) as (_, run):
        pass
    again = (
        "count",
        "--camera",
        f"folder:{tmp_path / 'patient'}",
        "--um-per-px",
        0.1,
        "--min-cells",
        9,
        "--max-cells",
        9,
    )
    refused = hemadiff(*again)
    assert (refused.exit_code, f"{run} is paused" in refused.stderr) == (2, True)
    assert hemadiff("count", "--stop", run[:6]).exit_code == 130
    assert on_record(store, run).state is State.STOPPED
    assert hemadiff(*again).exit_code == 0
