"""The instrument: owns the cameras, the analysis, the run and every write. One per store, one run at a time.

Everything that changes happens in one writer thread, in the order in which it was asked; the pipeline's threads
bring it their outcomes one by one. What others may know of it is published on `Instrument.broadcast`.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from appliance import one_at_a_time
from appliance.audit import HERE, AuditTrail
from appliance.broadcast import Broadcast
from appliance.camera_source import SimulatedSource, parse_camera
from appliance.cause import Cause
from appliance.channel_client import REPLY_WITHIN_S
from appliance.configured_plan import plan_or_why_not
from appliance.counting_scale import PlannedScale, planned_scale
from appliance.equipment import (
    Equipment,
    Equipper,
    LoadAnalyser,
    OpenSource,
    closing_on_error,
    load_network_analyser,
)
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.field_source import SlideSurvey, open_source
from appliance.file_name import printable
from appliance.marks import Judge, nothing_to_mark
from appliance.pipeline import ANALYSIS_WITHIN_S, Outcome, Pipeline
from appliance.plan import Plan
from appliance.progress import Pulse
from appliance.record_number import checked_record_number
from appliance.red_cell_watch import RedCellWatch
from appliance.resuming import confirmed, refuse_unless_the_same, trusted
from appliance.run import Event, Interrupted, PauseAsked, ResumeAsked, Run, Start, StopAsked
from appliance.run_in_hand import RunInHand, Take, recover, remembered
from appliance.service_desk import DESK, QUIET, at_desk
from appliance.servicing.service import Service
from appliance.store import Store, new_run_id
from appliance.store_lock import StoreLock, lock_path
from appliance.store_records import RunRecord
from appliance.version import version
from appliance.view import CellView, InstrumentView, Snapshot
from calibration import CalibrationRefused
from models import ModelRefused

log = logging.getLogger(__name__)

LEFT_OVER_WITHIN_S = REPLY_WITHIN_S / 3  # whoever waits for the reply must still hear it
IN_SERVICE = "has the microscope for service. End that first, on the service page."
SHUT_DOWN = "The instrument was shut down. Every field counted is kept; resume the run to go on."

_T = TypeVar("_T")


class Instrument:
    """Counts runs into one store. Every method may be called from any thread, and returns when it is done.

    store: its path; one instrument holds its lock.  configured: gives the plan of a run that was asked for
    without one, or raises the refusal to show instead.  analysis_within_s: how long a field may take.
    planned: the scale that a plan will have.  judge: what its result must say.
    service: gives the microscope to an engineer; None where nobody can ask for that.
    """

    def __init__(
        self,
        store: Path,
        configured: Callable[[], Plan],
        load_analyser: LoadAnalyser = load_network_analyser,
        open_source: OpenSource = open_source,
        analysis_within_s: float = ANALYSIS_WITHIN_S,
        planned: Callable[[Plan], PlannedScale] = planned_scale,
        judge: Judge = nothing_to_mark,
        service: Service | None = None,
    ) -> None:
        """Take the store, and find the runs that a power cut left behind: they are paused.

        Raises ApplianceRefused where another instrument has the store, or it cannot be used.
        """
        self._plan, self._why_not = plan_or_why_not(configured)
        self._equipper = Equipper(load_analyser, open_source)
        self._analysis_within_s = analysis_within_s
        self._planned, self._judge, self._service = planned, judge, service
        self._scale: PlannedScale | None = None
        self._unscaled: str | None = None  # why nothing is counted
        self._version = version()
        self._in_hand: RunInHand | None = None
        self._pipelines: list[Pipeline] = []
        self._lock = StoreLock(lock_path(store))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        try:
            self._do(self._open_store, store)
            self.broadcast = Broadcast(self._do(self._snapshot))
        except BaseException:
            self._writer.shutdown()
            self._lock.release()
            raise

    def prepare(self) -> None:
        """Load the analyser of the configured plan, so that the first run begins at once."""
        self._do(self._prepare)

    def start(self, plan: Plan | None = None, by: str = HERE, record_number: str | None = None) -> str:
        """Start a run; return its id. by: who asks.  record_number: whose smear it is.

        Raises ApplianceRefused, CalibrationRefused or ModelRefused.
        """
        self._wait_for_left_over()
        return self._do(self._start, plan, by, record_number)

    def pause(self, by: str = HERE, run_id: str | None = None) -> None:
        """Pause the run that counts. run_id: the one that is meant; another is refused."""
        self._do(self._ask, PauseAsked(), "pause", by, run_id)

    def resume(self, run_id: str | None = None, at_reference: bool = False, by: str = HERE) -> str:
        """Resume the paused run in hand, where its plan, its weights and its fields are the same.

        run_id: the one that is meant; another is refused.
        at_reference: as in `Plan`, said anew, because a stage without end switches may have been moved.
        """
        self._wait_for_left_over()
        return self._do(self._resume, run_id, at_reference, by)

    def stop(self, by: str = HERE, run_id: str | None = None) -> None:
        """End the current run as ``stopped``; what was counted is kept. run_id: as for `pause`."""
        self._do(self._ask, StopAsked(), "stop", by, run_id)

    def write(self, row: Callable[[Store], None]) -> None:
        """Have the writer thread write what is the process's own to say: nobody can ask for it."""
        self._do(lambda: row(self._store))

    def close(self, last: Callable[[Store], None] = lambda _: None) -> None:
        """Pause the run that counts and let go of everything. May be called twice. last: writes the last row."""
        if self._service is not None:
            self._service.close()
        with contextlib.suppress(ApplianceError):
            self._do(self._put_down, last)
        self._writer.shutdown()
        self._left_over()
        self.broadcast.close()
        self._lock.release()

    def pulse(self) -> Pulse:
        """Return where the run stands, once the writer thread has answered: for a watchdog."""
        return self._do(lambda: Pulse() if self._in_hand is None else self._in_hand.pulse())

    def answer(self, ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of the channel."""
        by, said = str(arguments.get("by") or HERE), arguments.get("run")
        run = said if isinstance(said, str) else None
        match ask, arguments:
            case "status", _:
                return dict(self.broadcast.snapshot())
            case "start", _:
                plan = arguments.get("plan")
                told = Plan.from_table(plan) if isinstance(plan, dict) else None
                return {"run": self.start(told, by, arguments.get("record_number"))}
            case "resume", _:
                return {"run": self.resume(run, arguments.get("at_reference") is True, by)}
            case "pause" | "stop", _:
                (self.pause if ask == "pause" else self.stop)(by, run)
                return {}
            case "service_begin", _:
                self._wait_for_left_over()
                self._do(self._begin_service, by, arguments.get("at_reference") is True)
                return {}
        if self._service is not None and self._service.knows(ask):
            return self._service.answer(ask, arguments)
        if ask in DESK:
            return self._do(self._at_desk, ask, arguments)
        raise ApplianceRefused(
            f'The instrument cannot be asked to "{ask}". It knows status, follow, start, pause, resume, stop, '
            f"{', '.join(DESK)}."
        )

    def __enter__(self) -> Instrument:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # In the caller's thread

    def _do(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Have the writer thread do something, and wait for what comes of it."""
        try:
            future = self._writer.submit(work, *arguments)
        except RuntimeError as error:
            raise ApplianceError("The instrument is shut down.") from error
        return future.result()

    def _deliver(self, take: Take, pipeline: list[Pipeline], outcome: Outcome) -> None:
        with contextlib.suppress(ApplianceError, CancelledError):  # shut down in the meantime
            self._do(take, pipeline[0], outcome)

    def _wait_for_left_over(self) -> None:
        """Let the field that was being analysed when a run was paused or stopped come to its end.

        Not in the writer thread, which that field waits for.
        """
        if self._left_over():
            raise ApplianceError(
                "What was going on when the run was paused or stopped is not over: a field is still being analysed, "
                "or the stage still homes. Try again in a minute; if that is no use, restart the instrument."
            )

    def _left_over(self) -> bool:
        """Wait for every pipeline that was told to stop; return whether one has still not ended."""
        deadline = time.monotonic() + LEFT_OVER_WITHIN_S
        stopped = [pipeline for pipeline in self._pipelines if pipeline.stopped]
        return not all(pipeline.join(max(0.0, deadline - time.monotonic())) for pipeline in stopped)

    # In the writer thread

    def _open_store(self, path: Path) -> None:
        self._store = Store(path)
        FieldPictures(self._store).forget_old(datetime.now(UTC))
        recover(self._store)
        self._see_what_is_in_force()
        paused = self._store.unfinished_runs()
        if paused:
            record = self._store.run(paused[-1])
            self._take_in_hand(record, remembered(self._store, record, record.reason, record.cause))

    def _see_what_is_in_force(self) -> None:
        """Ask once, and not for every change that is published."""
        self._scale = self._unscaled = None
        try:
            self._scale = None if self._plan is None else self._planned(self._plan)
        except CalibrationRefused as refusal:
            self._unscaled = str(refusal)
        except ApplianceRefused:  # whoever starts a count is told
            pass

    def _at_desk(self, ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        said = at_desk(self._store, ask, arguments)
        if ask in QUIET:
            return said
        self._see_what_is_in_force()
        self._publish_whole()
        return said

    def _prepare(self) -> None:
        if self._plan is not None:
            try:
                self._equipper.analyser(self._plan)
            except ModelRefused as refusal:
                self._why_not = str(refusal)
        self._publish_whole()

    def _begin_service(self, by: str, at_reference: bool) -> None:
        self._refuse_to_begin()
        if self._service is None:
            raise ApplianceRefused("This instrument has no microscope to serve.")
        self._service.begin(by, at_reference, partial(self._service_over, by))
        self._on_trail(by, "service begun")
        self._publish_whole()

    def _service_over(self, by: str) -> None:
        with contextlib.suppress(ApplianceError, CancelledError):  # shut down in the meantime
            self._do(self._on_trail, by, "service ended")
            self._do(self._publish_whole)

    def _start(self, plan: Plan | None, by: str, record_number: str | None) -> str:
        self._refuse_to_begin()
        if (plan := plan or self._plan) is None:
            raise ApplianceRefused(self._why_not or "There is no plan.")
        FieldPictures(self._store).forget_old(datetime.now(UTC))  # an instrument may run for months
        run = Run.idle(plan)
        equipment = self._equipper.equip(plan, self._store)
        run_id, source, analyser = new_run_id(), equipment.source, equipment.analyser
        with closing_on_error(source):
            marks = self._judge(self._store, plan, source.scale)
            self._store.create_run(
                run_id, plan, source.scale, analyser.engine, analyser.weights, source.simulated, source.planned,
                datetime.now(UTC), camera=source.name, digest=source.digest, outputs=analyser.outputs,
                record_number=checked_record_number(record_number), marks=marks,
            )  # fmt: skip
            self._on_trail(by, "start", run_id)
        self._go_on(self._take_in_hand(self._store.run(run_id), run), equipment, Start())
        return run_id

    def _resume(self, run_id: str | None, at_reference: bool, by: str) -> str:
        self._refuse_while_busy()
        meant = None if run_id is None else self._store.run(run_id)
        record = self._store.run(one_at_a_time.to_resume(self._in_hand, meant).record.id)
        equipment = self._equipper.equip(replace(record.plan, at_reference=at_reference), self._store)
        with closing_on_error(equipment.source):
            refuse_unless_the_same(record, equipment)
            marks = self._judge(self._store, record.plan, equipment.source.scale)
            by_resuming = confirmed(record, self._store.red_cells(record.id))
            vouched = trusted(record, self._store.survey(record.id) is not None)
            self._store.add_marks(record.id, (*marks, *by_resuming, *vouched), datetime.now(UTC))
            record = self._store.run(record.id)
        run = remembered(self._store, record, record.reason, record.cause)
        self._on_trail(by, "resume", record.id)
        self._go_on(self._take_in_hand(record, run), equipment, ResumeAsked())
        return record.id

    def _ask(self, event: Event, what: str, by: str, run_id: str | None) -> None:
        if self._in_hand is None:
            raise ApplianceRefused("There is no run. Start one first.")
        if run_id is not None:
            one_at_a_time.refuse_another(self._in_hand, self._store.run(run_id))
        self._in_hand.handle(event)
        self._on_trail(by, what, self._in_hand.record.id)

    def _on_trail(self, by: str, what: str, run: str = "") -> None:
        AuditTrail(self._store).add(by, what, run, at=datetime.now(UTC))

    def _put_down(self, last: Callable[[Store], None]) -> None:
        if self._in_hand is not None and self._in_hand.busy:
            self._in_hand.handle(Interrupted(SHUT_DOWN, Cause.SHUT_DOWN))
        last(self._store)
        self._store.close()

    def _refuse_while_busy(self) -> None:
        if why_not := self._in_service or one_at_a_time.busy(self._in_hand):
            raise ApplianceRefused(why_not)

    def _refuse_to_begin(self) -> None:
        self._refuse_while_busy()
        if why_not := one_at_a_time.paused(self._in_hand):
            raise ApplianceRefused(why_not)

    def _take_in_hand(self, record: RunRecord, run: Run) -> RunInHand:
        self._in_hand = RunInHand(self._store, record, run, self._publish, self._pipeline)
        return self._in_hand

    def _go_on(self, run: RunInHand, equipment: Equipment, event: Event) -> None:
        run.equip(equipment)
        run.handle(event)

    def _pipeline(
        self, equipment: Equipment, survey: SlideSurvey | None, watch: RedCellWatch | None, take: Take
    ) -> Pipeline:
        itself: list[Pipeline] = []
        deliver = partial(self._deliver, take, itself)
        within_s = self._analysis_within_s
        pipeline = Pipeline(equipment.source, equipment.analyser, deliver, survey, within_s, watch)
        itself.append(pipeline)
        self._pipelines = [*(each for each in self._pipelines if not each.join(0)), pipeline]
        return pipeline

    def _publish(self, new: Sequence[CellView]) -> None:
        snapshot = self._snapshot()
        assert snapshot["run"] is not None
        changed = {key: value for key, value in snapshot["run"].items() if key != "latest"}
        change = {"event": "run", "instrument": snapshot["instrument"], "run": changed, "cells": list(new)}
        self.broadcast.publish(change, snapshot)

    def _publish_whole(self) -> None:
        snapshot = self._snapshot()
        self.broadcast.publish(snapshot, snapshot)

    @property
    def _in_service(self) -> str | None:
        by = None if self._service is None else self._service.held_by
        return None if by is None else f"{by} {IN_SERVICE}"

    def _snapshot(self) -> Snapshot:
        run = None if self._in_hand is None else self._in_hand.view()
        return Snapshot(event="snapshot", seq=0, instrument=self._view(run["run"] if run else None), run=run)

    def _view(self, run: str | None) -> InstrumentView:
        analyser = self._equipper.latest
        plan = self._plan
        busy = "A run is going on. Stop it first." if one_at_a_time.busy(self._in_hand) else None
        now = busy or self._in_service or one_at_a_time.paused(self._in_hand)
        why_not = now or self._why_not or self._unscaled
        return InstrumentView(
            engine=analyser.engine if analyser else None,
            weights=analyser.weights if analyser else None,
            camera=printable(plan.camera) if plan else None,
            simulated=plan is not None and isinstance(parse_camera(plan.camera), SimulatedSource),
            calibration=self._scale.id if self._scale else None,
            calibration_source=self._scale.source if self._scale else None,
            version=self._version,
            can_start=why_not is None,
            why_not=why_not,
            run=run,
        )
