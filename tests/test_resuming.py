"""A count that was paused, cut off or failed goes on as the one that nobody interrupted, or is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import builders_instrument
import pytest
from builders_instrument import (
    Gate,
    PixelAnalyser,
    count_to_the_end,
    ended,
    figures,
    instrument,
    plan,
    small,
    smear,
    until,
)
from builders_store import counted_run, unreadable

from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_source import FieldSource, open_source
from appliance.folder_camera import FolderCamera
from appliance.frame import Frame
from appliance.plan import Plan
from appliance.store import Store
from calibration import Scale


def test_a_paused_and_resumed_count_is_the_one_that_nobody_paused(tmp_path: Path) -> None:
    asked = small(smear(tmp_path / "a"))
    straight = count_to_the_end(tmp_path / "straight.sqlite", asked)
    gate = Gate(at=9)
    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made:
        made.start(asked)
        assert gate.reached.wait(60)
        made.pause()
        assert until(made, lambda run: run["state"] == "paused")["fields"]["counted"] == 9
        gate.opened.set()
        made.resume()
        run = until(made, ended)
    assert figures(run) == figures(straight)


@pytest.mark.parametrize("anew", [True, False])
def test_that_a_stage_stands_at_its_reference_is_said_anew_for_every_start(
    tmp_path: Path, anew: bool
) -> None:
    asked = replace(small(smear(tmp_path / "a")), at_reference=True)
    vouched: list[bool] = []

    def opened(plan: Plan) -> FieldSource:
        vouched.append(plan.at_reference)
        return open_source(plan)

    gate = Gate(at=9)
    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate), open_source=opened) as made:
        made.start(asked)
        assert gate.reached.wait(60)
        made.pause()
        until(made, lambda run: run["state"] == "paused")
        gate.opened.set()
        made.resume(at_reference=anew)
        until(made, ended)
    assert vouched == [True, anew]


def test_a_power_cut_leaves_the_run_paused_and_resumed_it_ends_as_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    where = smear(tmp_path / "a")
    asked = plan(where)
    straight = count_to_the_end(tmp_path / "straight.sqlite", asked)
    store_path = tmp_path / "s.sqlite"
    cut_off = [sys.executable, builders_instrument.__file__, str(store_path), str(where), "17"]
    child = subprocess.run(cut_off, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert child.returncode == -9
    with instrument(store_path) as made:
        found = until(made, lambda run: True)
        assert found["state"] == "paused"
        assert "power" in found["reason"]
        assert found["fields"]["counted"] == 17, "every field before the cut, and none after it"
        assert found["latest"], "the cells before the cut are shown"
        made.resume(found["run"])
        run = until(made, ended)
    assert figures(run) == figures(straight)
    with Store.read_only(tmp_path / "straight.sqlite") as one, Store.read_only(store_path) as other:
        assert cells(one, straight["run"]) == cells(other, run["run"])


def cells(store: Store, run_id: str) -> list[Any]:
    return [(cell.field, cell.x, cell.label, cell.probability) for cell in store.cells(run_id)]


def test_a_run_is_not_resumed_with_other_weights(tmp_path: Path) -> None:
    asked = small(smear(tmp_path / "a"))
    paused = paused_run(tmp_path / "s.sqlite", asked)
    with (
        instrument(tmp_path / "s.sqlite", PixelAnalyser(weights="pixels 2")) as made,
        pytest.raises(ApplianceRefused, match="weights was pixels 1 and is pixels 2"),
    ):
        made.resume(paused)


def test_a_run_is_not_resumed_on_a_folder_that_has_changed(tmp_path: Path) -> None:
    where = smear(tmp_path / "a")
    paused = paused_run(tmp_path / "s.sqlite", small(where))
    shutil.copy(where / "0.png", where / "00.png")
    with (
        instrument(tmp_path / "s.sqlite") as made,
        pytest.raises(ApplianceRefused, match="number of fields was 60 and is 61"),
    ):
        made.resume(paused)


def test_a_run_is_not_resumed_on_as_many_other_fields(tmp_path: Path) -> None:
    where = smear(tmp_path / "a")
    paused = paused_run(tmp_path / "s.sqlite", small(where))
    (where / "0.png").rename(where / "9999.png")
    with (
        instrument(tmp_path / "s.sqlite") as made,
        pytest.raises(ApplianceRefused, match="not the ones that it began with"),
    ):
        made.resume(paused)


def paused_run(store: Path, asked: Any) -> str:
    gate = Gate(at=4)
    with instrument(store, PixelAnalyser(gate)) as made:
        run_id = made.start(asked)
        assert gate.reached.wait(60)
        made.pause()
        gate.opened.set()
    return run_id


def test_an_old_run_that_cannot_be_read_has_failed_and_the_instrument_starts(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    asked = small(smear(tmp_path / "a"))
    paused = paused_run(store, asked)
    counted_run(store, "0ddba11")
    unreadable(store, "0ddba11")
    with instrument(store) as made:
        found = made.broadcast.snapshot()["run"]
        assert (found["run"], found["state"]) == (paused, "paused")
        made.resume()
        assert until(made, ended)["state"] == "completed"
    with Store.read_only(store) as opened:
        (old,) = [run for run in opened.runs() if run.id == "0ddba11"]
        assert old.state == "failed"
        reasons = opened.db.query("SELECT detail FROM events WHERE run = '0ddba11' AND kind = 'state:failed'")
        assert 'no panel "smear-12"' in next(reasons)["detail"]


def test_a_camera_that_is_lost_pauses_the_run_with_its_reason(tmp_path: Path) -> None:
    where = smear(tmp_path / "a")

    class Unplugged(FolderCamera):
        def fields(self, first: int = 0) -> Any:
            for found in super().fields(first):
                if found.index == 6 and first < 6:
                    raise ApplianceError("The cable was unplugged.")
                yield found

    def camera(asked: Any) -> FolderCamera:
        return Unplugged(where, asked.order, Scale.stated(0.1))

    straight = count_to_the_end(tmp_path / "straight.sqlite", small(where))
    with instrument(tmp_path / "s.sqlite", open_source=camera) as made:
        made.start(small(where))
        paused = until(made, lambda run: run["state"] == "paused")
        assert paused["reason"] == "The cable was unplugged."
        assert paused["fields"]["counted"] == 6
        made.resume()
        assert figures(until(made, ended)) == figures(straight)


def test_a_store_that_fails_pauses_the_run_and_loses_no_field_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Store.commit_field

    def full(self: Store, run_id: str, frame: Frame, *rest: Any) -> list[int]:
        if frame.index == 4 and not mended.is_set():
            raise ApplianceError("The store failed: the disk is full. Free some.")
        return honest(self, run_id, frame, *rest)

    mended = threading.Event()
    monkeypatch.setattr(Store, "commit_field", full)
    asked = small(smear(tmp_path / "a"))
    with instrument(tmp_path / "s.sqlite") as made:
        made.start(asked)
        paused = until(made, lambda run: run["state"] == "paused")
        assert "disk is full" in paused["reason"]
        assert paused["fields"]["counted"] == 4
        mended.set()
        made.resume()
        resumed = until(made, ended)
    assert figures(resumed) == figures(count_to_the_end(tmp_path / "straight.sqlite", asked))
