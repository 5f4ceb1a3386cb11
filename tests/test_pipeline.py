"""Two threads, one order: what is taken is always a prefix of the plan."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_instrument import Gate, PixelAnalyser, failing_field, field, folder

from appliance.cause import Cause
from appliance.errors import ApplianceError
from appliance.field_source import SlideSurvey
from appliance.folder_camera import FolderCamera
from appliance.frame import Frame, Point, SkippedField
from appliance.pipeline import (
    FRAMES_AHEAD,
    Analysed,
    Broken,
    Deliver,
    Exhausted,
    Outcome,
    Pipeline,
    Ready,
    Skipped,
    Step,
)
from calibration import Scale
from models import AnalysisError, ModelRefused

SCALE = Scale.stated(0.1)


class Slow(FolderCamera):
    """A folder camera that calls ``before`` ahead of each field."""

    def __init__(self, where: Path, before: Any = lambda index: None) -> None:
        super().__init__(where, scale=SCALE)
        self.before = before
        self.taken = 0
        self.closed = threading.Event()

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        for n, found in enumerate(super().fields(first), start=first):
            self.before(n)
            self.taken += 1
            yield found

    def close(self) -> None:
        self.closed.set()


def eager(source: Any, analyser: Any, take: Deliver, first: int = 0, **changes: Any) -> Pipeline:
    """A pipeline that takes its fields as soon as it is ready."""

    def deliver(outcome: Outcome) -> None:
        if isinstance(outcome, Ready):
            pipeline.take_fields(first)
        else:
            take(outcome)

    pipeline = Pipeline(source, analyser, deliver, **changes)
    return pipeline


def run(
    camera: Any, analyser: Any, first: int = 0, stop_after: int | None = None, **changes: Any
) -> list[Outcome]:
    """Every outcome, in the order in which it was taken."""
    outcomes: list[Outcome] = []

    def take(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == stop_after:
            pipeline.stop()

    pipeline = eager(camera, analyser, take, first, **changes)
    pipeline.start()
    assert pipeline.join(60)
    return outcomes


def said(outcomes: list[Outcome]) -> list[Any]:
    """What each outcome is, to compare."""
    return [
        (o.frame.index, [c.opinion and c.opinion.label for c in o.cells]) if isinstance(o, Analysed) else o
        for o in outcomes
    ]


def eight_fields(where: Path) -> Path:
    return folder(where, [field(*["lymphocyte"] * n, None) for n in range(8)])


def test_every_field_arrives_once_and_in_the_order_of_the_plan(tmp_path: Path) -> None:
    outcomes = said(run(Slow(eight_fields(tmp_path)), PixelAnalyser()))
    assert outcomes == [*[(n, ["lymphocyte"] * n + [None]) for n in range(8)], Exhausted()]


def test_the_outcomes_are_the_same_whichever_thread_is_held_up(tmp_path: Path) -> None:
    where = eight_fields(tmp_path)
    quick = said(run(Slow(where), PixelAnalyser(), stop_after=5))

    far_ahead = [threading.Event() for _ in range(99)]
    camera = Slow(where, lambda index: far_ahead[index].set())

    def analysis_waits(frame: Frame) -> None:
        ahead = min(frame.index + FRAMES_AHEAD + 1, 7)
        assert far_ahead[ahead].wait(60), "acquisition never ran ahead"

    slow_analysis = said(run(camera, PixelAnalyser(analysis_waits), stop_after=5))

    analysed = [threading.Event() for _ in range(99)]

    def camera_waits(index: int) -> None:
        last = 4  # nothing is analysed after the stop
        assert index == 0 or analysed[min(index - 1, last)].wait(60), "analysis never caught up"

    slow_camera = said(
        run(Slow(where, camera_waits), PixelAnalyser(lambda frame: analysed[frame.index].set()), stop_after=5)
    )
    assert quick == slow_analysis == slow_camera
    assert [number for number, _ in quick] == [0, 1, 2, 3, 4]


def test_a_stop_drops_the_frames_in_flight(tmp_path: Path) -> None:
    gate, far_ahead = Gate(at=2), threading.Event()
    analyser = PixelAnalyser(gate)
    camera = Slow(
        eight_fields(tmp_path), lambda index: far_ahead.set() if index == 2 + FRAMES_AHEAD + 1 else None
    )
    taken: list[Outcome] = []
    pipeline = eager(camera, analyser, taken.append)
    pipeline.start()
    assert gate.reached.wait(60)
    assert far_ahead.wait(60), "the belt is full"
    pipeline.stop()
    gate.opened.set()
    assert pipeline.join(60)
    assert analyser.seen == [0, 1, 2], "no field after the stop was analysed"
    assert camera.closed.is_set()
    assert [number for number, _ in said(taken)] == [0, 1, 2], "the run decides on the one in analysis"


def test_waiting_for_the_end_takes_no_longer_than_it_was_given_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]

    class Hanging(threading.Thread):
        ident = 1

        def join(self, timeout: float | None = None) -> None:
            clock[0] += timeout or 0.0

        def is_alive(self) -> bool:
            return True

    monkeypatch.setattr("appliance.pipeline.threading.Thread", Hanging)
    pipeline = Pipeline(Slow(eight_fields(tmp_path)), PixelAnalyser(), lambda outcome: None)
    monkeypatch.setattr("appliance.pipeline.time.monotonic", lambda: clock[0])
    assert not pipeline.join(30)
    assert clock == [130.0]


def test_acquisition_waits_when_the_analysis_is_behind(tmp_path: Path) -> None:
    gate = Gate(at=0)
    full = threading.Event()
    camera = Slow(eight_fields(tmp_path), lambda index: full.set() if index == FRAMES_AHEAD + 1 else None)
    pipeline = eager(camera, PixelAnalyser(gate), lambda outcome: None)
    pipeline.start()
    assert gate.reached.wait(60)
    assert full.wait(60)
    assert camera.taken <= FRAMES_AHEAD + 2, "one in analysis, the belt full, one in hand"
    gate.opened.set()
    assert pipeline.join(60)
    assert camera.taken == 8


def test_a_field_whose_analysis_fails_is_skipped_with_its_reason_and_never_empty(tmp_path: Path) -> None:
    outcomes = run(Slow(folder(tmp_path, [field("basophil"), failing_field(), field()])), PixelAnalyser())
    assert isinstance(outcomes[1], Skipped)
    assert outcomes[1].kind == "analysis"
    assert outcomes[1].field == SkippedField(1, "1.png", "analysis failed", "1.png is dark.", Point(0.0, 0.0))
    assert said(outcomes)[2] == (2, [])


def test_an_analysis_that_says_what_kind_of_field_it_was_is_skipped_under_that_reason(tmp_path: Path) -> None:
    def look(frame: Frame) -> None:
        raise AnalysisError(f"{frame.name} is dark.", reason="dark field")

    outcomes = run(Slow(folder(tmp_path, [field("basophil")])), PixelAnalyser(look))
    assert outcomes[0] == Skipped(
        SkippedField(0, "0.png", "dark field", "0.png is dark.", Point(0.0, 0.0)), "analysis"
    )


def test_an_error_that_nobody_foresaw_is_a_skipped_field_too(tmp_path: Path) -> None:
    def look(frame: Frame) -> None:
        raise np.linalg.LinAlgError("singular matrix")

    outcomes = run(Slow(folder(tmp_path, [field("basophil")])), PixelAnalyser(look))
    assert isinstance(outcomes[0], Skipped)
    assert outcomes[0].kind == "analysis"
    assert "singular matrix" in outcomes[0].field.detail


def test_a_frame_of_another_calibration_is_refused_by_name_and_never_analysed(tmp_path: Path) -> None:
    class Exchanged(Slow):
        """Its second frame comes from another objective."""

        def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
            for found in super().fields(first):
                assert isinstance(found, Frame)
                yield replace(found, calibration_id="cal-50x") if found.index == 1 else found

    analyser = PixelAnalyser()
    outcomes = run(Exchanged(folder(tmp_path, [field("basophil")] * 3)), analyser)
    assert isinstance(outcomes[1], Skipped)
    assert (outcomes[1].kind, outcomes[1].field.reason) == ("input", "other calibration")
    assert (
        '1.png was taken under the calibration "cal-50x", the run uses "stated: 0.1'
        in outcomes[1].field.detail
    )
    assert analyser.seen == [0, 2]


def test_an_unreadable_file_is_skipped_with_the_cameras_reason(tmp_path: Path) -> None:
    folder(tmp_path, [field("basophil"), field("basophil")])
    (tmp_path / "0.png").write_bytes(b"")
    outcomes = run(Slow(tmp_path), PixelAnalyser())
    assert isinstance(outcomes[0], Skipped)
    assert outcomes[0].kind == "input"
    assert outcomes[0].field.name == "0.png"
    assert said(outcomes)[1:] == [(1, ["basophil"]), Exhausted()]


def test_a_refusal_that_is_true_of_every_field_breaks_off_at_once(tmp_path: Path) -> None:
    def look(frame: Frame) -> None:
        raise ModelRefused("Too coarse.")

    outcomes = run(Slow(eight_fields(tmp_path)), PixelAnalyser(look), stop_after=1)
    assert outcomes == [Broken("Too coarse.", resumable=False, cause=Cause.WEIGHTS)]


def test_a_lost_camera_breaks_off_after_the_fields_before_it(tmp_path: Path) -> None:
    def lost(index: int) -> None:
        if index == 2:
            raise ApplianceError("The cable was unplugged.")

    outcomes = said(run(Slow(eight_fields(tmp_path), lost), PixelAnalyser()))
    assert [number for number, _ in outcomes[:2]] == [0, 1]
    assert outcomes[2:] == [Broken("The cable was unplugged.", resumable=True, cause=Cause.UNEXPECTED)]


def test_an_engine_that_hangs_breaks_off_and_its_late_answer_is_not_waited_for(tmp_path: Path) -> None:
    gate = Gate(at=1)
    broken = threading.Event()
    taken: list[Outcome] = []

    def take(outcome: Outcome) -> None:
        taken.append(outcome)
        if isinstance(outcome, Broken):
            broken.set()

    pipeline = eager(Slow(eight_fields(tmp_path)), PixelAnalyser(gate), take, analysis_within_s=1)
    pipeline.start()
    assert broken.wait(60), "nobody noticed"
    assert pipeline.stopped
    assert "no answer" in taken[-1].reason  # type: ignore[union-attr]
    gate.opened.set()
    assert pipeline.join(60)


def test_a_resumed_plan_begins_with_the_field_that_was_asked_for(tmp_path: Path) -> None:
    outcomes = said(run(Slow(eight_fields(tmp_path)), PixelAnalyser(), first=6))
    assert [number for number, _ in outcomes[:2]] == [6, 7]


# Before the first field


class Homed(Slow):
    """A source that has something to do before its first field."""

    survey = SlideSurvey('{"regions": 2}', b"a picture", 0.0, 0.0, 20.0)
    begun: Any = "not asked"

    def prepare(self, survey: Any) -> Iterator[str]:
        self.begun = survey
        yield "Homing the stage."
        yield "Looking the slide over."


def test_each_step_is_told_and_then_what_was_found(tmp_path: Path) -> None:
    taken: list[Outcome] = []
    source = Homed(eight_fields(tmp_path))
    pipeline = Pipeline(source, PixelAnalyser(), taken.append)
    pipeline.start()
    assert pipeline.join(60)
    assert taken == [Step("Homing the stage."), Step("Looking the slide over."), Ready(8, Homed.survey)]


def test_a_resumed_run_has_its_survey_again(tmp_path: Path) -> None:
    source = Homed(eight_fields(tmp_path))
    run(source, PixelAnalyser(), survey=Homed.survey)
    assert source.begun is Homed.survey


def test_no_field_is_taken_before_somebody_wants_it(tmp_path: Path) -> None:
    source = Slow(eight_fields(tmp_path))
    pipeline = Pipeline(source, PixelAnalyser(), lambda outcome: None)
    pipeline.start()
    assert pipeline.join(60)
    assert source.taken == 0
    assert source.closed.is_set()


def test_a_stop_while_it_makes_ready_ends_it_before_the_next_step(tmp_path: Path) -> None:
    taken: list[Outcome] = []

    def take(outcome: Outcome) -> None:
        taken.append(outcome)
        pipeline.stop()

    source = Homed(eight_fields(tmp_path))
    pipeline = Pipeline(source, PixelAnalyser(), take)
    pipeline.start()
    assert pipeline.join(60)
    assert taken == [Step("Homing the stage.")]
    assert source.closed.is_set()


def test_what_keeps_it_from_getting_ready_can_be_mended(tmp_path: Path) -> None:
    class Closed(Slow):
        def prepare(self, survey: Any) -> Iterator[str]:
            yield "Homing the stage."
            raise ApplianceError("The lid is open. Close it, then resume.")

    outcomes = run(Closed(eight_fields(tmp_path)), PixelAnalyser())
    assert outcomes == [
        Step("Homing the stage."),
        Broken("The lid is open. Close it, then resume.", resumable=True, cause=Cause.UNEXPECTED),
    ]
