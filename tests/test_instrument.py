"""Counts that end, pause, are cut off, go on and are refused, on a real store."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from builders_instrument import (
    Gate,
    PixelAnalyser,
    count_to_the_end,
    ended,
    failing_field,
    field,
    figures,
    folder,
    instrument,
    small,
    smear,
    until,
)

from appliance.channel_client import REPLY_WITHIN_S
from appliance.errors import ApplianceRefused
from appliance.folder_camera import FolderCamera
from appliance.frame import Frame
from appliance.instrument import LEFT_OVER_WITHIN_S
from appliance.plan import Plan
from appliance.run import State
from appliance.store import Store
from appliance.store_lock import StoreLock, is_held
from calibration import Scale
from models import ModelRefused


def test_a_count_ends_at_its_least_number_and_the_last_field_counts_whole(tmp_path: Path) -> None:
    run = count_to_the_end(tmp_path / "s.sqlite", small(smear(tmp_path / "a")))
    assert run["state"] == "completed"
    assert 60 <= run["counted"] <= 64
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert store.run(run["run"]).state is State.COMPLETED
        assert store.tally(run["run"]).counted == run["counted"]
        assert store.fields_counted(run["run"]) == run["fields"]["counted"]


def test_the_same_plan_gives_the_same_count_on_every_repetition_however_the_threads_run(
    tmp_path: Path,
) -> None:
    where = smear(tmp_path / "a")
    asked = small(where, order="random:7")
    quick = count_to_the_end(tmp_path / "quick.sqlite", asked)

    held = [threading.Event() for _ in range(99)]

    class FarAhead(FolderCamera):
        """Tells how far it is."""

        def fields(self, first: int = 0) -> Any:
            for found in super().fields(first):
                held[found.index].set()
                yield found

    def when_far_ahead(frame: Frame) -> None:
        assert held[min(frame.index + 3, 59)].wait(60)

    def camera(asked: Any) -> FolderCamera:
        return FarAhead(where, asked.order, Scale.stated(0.1))

    with instrument(tmp_path / "slow.sqlite", PixelAnalyser(when_far_ahead), open_source=camera) as made:
        made.start(asked)
        slow = until(made, ended)
    again = count_to_the_end(tmp_path / "again.sqlite", asked)
    assert figures(quick) == figures(slow) == figures(again)


def test_running_out_of_fields_ends_insufficient_and_keeps_what_was_counted(tmp_path: Path) -> None:
    run = count_to_the_end(tmp_path / "s.sqlite", small(smear(tmp_path / "a", fields=4)))
    assert run["state"] == "insufficient"
    assert run["counted"] > 0
    assert "4 fields" in run["reason"]


def test_twenty_fields_without_any_detection_end_the_run(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", [field("basophil")] + [field()] * 25)
    run = count_to_the_end(tmp_path / "s.sqlite", small(where))
    assert run["state"] == "insufficient"
    assert run["fields"]["counted"] == 21


def test_failures_are_skipped_fields_with_their_reasons_and_never_empty_ones(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", [field("basophil"), failing_field(), failing_field(), field("monocyte")])
    (where / "1x.png").write_bytes(b"")
    run = count_to_the_end(tmp_path / "s.sqlite", small(where))
    assert run["counted"] == 2
    assert run["fields"]["counted"] == 2
    assert run["fields"]["skipped"]["analysis failed"] == 2
    assert sum(run["fields"]["skipped"].values()) == 3
    with Store.read_only(tmp_path / "s.sqlite") as store:
        details = [skipped.detail for skipped in store.skipped_fields(run["run"])]
    assert "1.png is dark." in details


def test_twenty_failures_in_a_row_are_a_failed_run_and_not_an_insufficient_smear(tmp_path: Path) -> None:
    run = count_to_the_end(tmp_path / "s.sqlite", small(folder(tmp_path / "a", [failing_field()] * 25)))
    assert run["state"] == "failed"
    assert run["fields"]["skipped"] == {"analysis failed": 20}


def test_a_stop_keeps_what_was_counted_and_drops_the_field_in_analysis(tmp_path: Path) -> None:
    gate = Gate(at=5)
    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made:
        run_id = made.start(small(smear(tmp_path / "a")))
        assert gate.reached.wait(60)
        made.stop()
        gate.opened.set()
        run = until(made, ended)
    assert run["state"] == "stopped"
    assert run["fields"]["counted"] == 5
    assert run["counted"] == sum(row["count"] for row in run["tally"]) > 0
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert len(store.history(run_id)) == 5
        assert store.run(run_id).state is State.STOPPED


def test_an_instrument_that_is_shut_down_pauses_its_run(tmp_path: Path) -> None:
    gate = Gate(at=3)

    def go_on_once_it_is_paused() -> None:
        until(made, lambda run: run["state"] == "paused")
        gate.opened.set()

    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made:
        run_id = made.start(small(smear(tmp_path / "a")))
        assert gate.reached.wait(60)
        follower = threading.Thread(target=go_on_once_it_is_paused)
        follower.start()
    follower.join()
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert store.run(run_id).state is State.PAUSED
        assert len(store.history(run_id)) == 3
    assert not is_held(tmp_path / "s.sqlite.lock")


def test_a_second_instrument_on_one_store_is_refused_plainly(tmp_path: Path) -> None:
    with (
        instrument(tmp_path / "s.sqlite"),
        pytest.raises(ApplianceRefused, match=r"process \d+.*s\.sqlite"),
        instrument(tmp_path / "s.sqlite"),
    ):
        pass


def test_the_lock_is_free_again_when_its_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite.lock"
    assert not is_held(path)
    with StoreLock(path):
        assert is_held(path)
    assert not is_held(path)
    with StoreLock(path):
        pass


def test_a_second_run_is_refused_while_one_counts(tmp_path: Path) -> None:
    gate = Gate(at=2)
    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made:
        made.start(small(smear(tmp_path / "a")))
        assert gate.reached.wait(60)
        with pytest.raises(ApplianceRefused, match="One run at a time"):
            made.start(small(tmp_path / "a"))
        assert made.broadcast.snapshot()["instrument"]["can_start"] is False
        gate.opened.set()
        until(made, ended)
        made.start(small(tmp_path / "a"))
        assert until(made, ended)["state"] == "completed"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"camera": "folder:/there/is/none"}, "/there/is/none"),
        ({"um_per_px": 0.4}, "too coarse"),
        ({"panel": "blood-11", "specimen": "marrow"}, "blood-11"),
        ({"watched": {"blasts": (5,)}}, "blast"),
    ],
)
def test_what_no_run_can_do_is_refused_before_there_is_a_run(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with instrument(tmp_path / "s.sqlite") as made:
        with pytest.raises((ApplianceRefused, ModelRefused), match=sentence):
            made.start(small(smear(tmp_path / "a"), **changes))
        assert made.broadcast.snapshot()["run"] is None
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert store.runs() == []


def test_without_a_configured_camera_the_instrument_says_why_it_cannot_start(tmp_path: Path) -> None:
    with instrument(tmp_path / "s.sqlite") as made:
        shown = made.broadcast.snapshot()["instrument"]
        assert (shown["can_start"], shown["why_not"]) == (False, "No camera is set.")
        with pytest.raises(ApplianceRefused, match="No camera is set"):
            made.start()


def test_the_configured_plan_is_counted_when_nothing_else_is_asked_for(tmp_path: Path) -> None:
    asked = small(smear(tmp_path / "a"))
    with instrument(tmp_path / "s.sqlite", configured=lambda: asked) as made:
        made.prepare()
        shown = made.broadcast.snapshot()["instrument"]
        assert (shown["engine"], shown["weights"]) == ("pixels, no device", "pixels 1")
        assert shown["can_start"] is True
        made.start()
        assert until(made, ended)["state"] == "completed"


def test_what_a_start_would_count_is_shown_before_and_after_a_run_of_another_camera(tmp_path: Path) -> None:
    configured = small(tmp_path / "configured", um_per_px=0.12, um_per_px_source="settings")
    asked = small(smear(tmp_path / "a"))
    with instrument(tmp_path / "s.sqlite", configured=lambda: configured) as made:
        shown = []
        for _ in range(2):
            view = made.broadcast.snapshot()["instrument"]
            shown.append((view["camera"], view["calibration"], view["simulated"]))
            made.start(asked)
            run = until(made, ended)
    assert shown == [(f"folder:{tmp_path}/configured", "settings: 0.12 µm/px", False)] * 2
    assert (run["camera"], run["um_per_px"]) == (f"folder:{tmp_path}/a", 0.1)


def test_a_simulated_microscope_in_the_settings_says_so_before_it_is_counted(tmp_path: Path) -> None:
    with instrument(tmp_path / "s.sqlite", configured=lambda: Plan("simulated:4")) as made:
        view = made.broadcast.snapshot()["instrument"]
    assert (view["camera"], view["calibration"], view["simulated"]) == (
        "simulated:4",
        "simulated, 100x: 0.1 µm/px",
        True,
    )


def test_a_field_that_never_ends_is_given_up_before_the_one_who_asks_goes_away() -> None:
    assert LEFT_OVER_WITHIN_S <= REPLY_WITHIN_S / 2


def test_a_label_that_the_panel_does_not_know_is_a_failed_run(tmp_path: Path) -> None:
    asked = small(folder(tmp_path / "a", [field("promyelocyte")]), panel="blood-8", watched={})
    run = count_to_the_end(tmp_path / "s.sqlite", asked)
    assert run["state"] == "failed"
    assert "promyelocyte" in run["reason"]


def test_what_the_instrument_publishes_is_json_and_its_numbers_grow_by_one(tmp_path: Path) -> None:
    gate = Gate(at=0)
    messages: list[Any] = []
    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made, made.broadcast.follow() as follower:
        messages.append(follower.next(60))
        made.start(small(smear(tmp_path / "a")))
        gate.opened.set()
        while not (messages[-1]["run"] or {"ended": False})["ended"]:
            messages.append(follower.next(60))
    json.dumps(messages, allow_nan=False)
    assert [message["seq"] for message in messages] == list(range(len(messages)))
    assert [message["event"] for message in messages] == ["snapshot"] + ["run"] * (len(messages) - 1)
    shown = [cell for message in messages[1:] for cell in message["cells"]]
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert [cell["cell"] for cell in shown] == [
            cell.id for cell in store.cells(messages[-1]["run"]["run"])
        ]
