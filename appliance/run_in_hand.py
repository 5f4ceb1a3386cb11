"""The run that the instrument works on: its machine, its pipeline and its place in the store, kept together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from appliance.cause import Cause
from appliance.equipment import Equipment
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_pictures import FieldPictures, picture_of
from appliance.field_source import SlideSurvey
from appliance.frame import Frame
from appliance.pipeline import Analysed, Broken, Exhausted, Outcome, Pipeline, Ready, RedCells, Skipped, Step
from appliance.progress import Pulse
from appliance.red_cell_check import NOT_CHECKED, RedCellCheck, Verdict
from appliance.red_cell_watch import RedCellWatch
from appliance.run import (
    Event,
    Failed,
    FieldCommitted,
    FieldSkipped,
    Interrupted,
    PlanExhausted,
    Prepare,
    Prepared,
    Preparing,
    RedCellsMeasured,
    Run,
    StartAcquisition,
    State,
    StopAcquisition,
    advance,
    replay,
)
from appliance.store import Store
from appliance.store_records import FieldRecord, RunRecord
from appliance.tally import Tally
from appliance.view import (
    LATEST,
    CellView,
    FieldView,
    RunFacts,
    RunView,
    SlideView,
    cell_view,
    field_view,
    run_view,
    with_new_cells,
)
from calibration import Scale
from models import ModelRefused, Opinion

log = logging.getLogger(__name__)


Take = Callable[[Pipeline, Outcome], None]
MakePipeline = Callable[[Equipment, SlideSurvey | None, RedCellWatch | None, Take], Pipeline]

CUT_OFF = (
    "The power was lost or the instrument was killed. Every field counted is kept; resume the run to go on."
)

OVERTAKEN = (
    "Another count began while it stood still, so its slide was changed. Every field counted is kept; it cannot be "
    "resumed: start a new run."
)


class RunInHand:
    """One run. Everything here happens in the instrument's writer thread.

    changed: told of the new cells (oldest first) after each change.
    pipeline: makes the one that takes the plan's fields, given the survey of a resumed run and what looks at its red
    cells unless that is done, and brings their outcomes to `take`.
    """

    def __init__(
        self,
        store: Store,
        record: RunRecord,
        run: Run,
        changed: Callable[[Sequence[CellView]], None],
        pipeline: MakePipeline,
    ) -> None:
        self._store = store
        self.record = record
        self.run = run
        self._changed = changed
        self._make_pipeline = pipeline
        self._equipment: Equipment | None = None
        self.pipeline: Pipeline | None = None
        self._skipped = Counter(store.skipped(record.id))
        self._slide = slide_on_record(store, record)
        self._red_cells = store.red_cells(record.id)
        self._watch: RedCellWatch | None = None
        self._newest = store.last_counted(record.id)
        self._latest = [
            cell_view(cell.id, cell.label, cell.probability, cell.views, run.tally)
            for cell in store.latest_cells(record.id, LATEST)
        ]

    @property
    def busy(self) -> bool:
        """Whether fields are being taken, or are about to be."""
        return self.run.state in (State.PREPARING, State.COUNTING)

    def equip(self, equipment: Equipment) -> None:
        """Say what the run works with from now on."""
        self._equipment = equipment

    def handle(self, event: Event, new: Sequence[CellView] = ()) -> None:
        """Advance the run, put its new state on record, and do what it commands.

        new: cells committed with the event. Raises ApplianceRefused for what a person may not ask now.
        """
        run, commands = advance(self.run, event)
        self._become(run)
        self._changed(new)
        for command in commands:
            match command:
                case Prepare():
                    assert self._equipment is not None
                    survey = self._store.survey(self.record.id)
                    self._watch = RedCellWatch(self.record.scale) if self._red_cells is None else None
                    self.pipeline = self._make_pipeline(self._equipment, survey, self._watch, self.take)
                    self.pipeline.start()
                case StartAcquisition(from_index=first) if self.pipeline is not None:
                    self.pipeline.take_fields(first)
                case StopAcquisition() if self.pipeline is not None:
                    self.pipeline.stop()

    def take(self, pipeline: Pipeline, outcome: Outcome) -> None:
        """Commit what the pipeline delivers; drop it when the run no longer takes anything from that pipeline."""
        if pipeline is not self.pipeline or not self.busy:
            return
        try:
            self._take(outcome)
        except ApplianceError as error:
            said = f"{error} Then resume the run: every field before this one is kept."
            self.handle(Interrupted(said, error.cause or Cause.STORE))
        except (
            ApplianceRefused,
            ModelRefused,
        ) as error:  # a label that the panel does not know, a damaged store
            self.handle(Failed(str(error), getattr(error, "cause", None) or Cause.UNEXPECTED))
        except Exception as error:
            log.exception("an outcome of run %s", self.record.id)
            said = f"The count failed unexpectedly: {type(error).__name__}: {error}."
            self.handle(Failed(said, Cause.UNEXPECTED))

    def view(self) -> RunView:
        """Return the run as others see it."""
        said = facts(self.record, self.run, self._skipped, self._slide, self._red_cells, self._newest)
        return run_view(said, self.run.tally, self._latest)

    def pulse(self) -> Pulse:
        """Return where the run stands, for a watchdog."""
        fields = self.run.committed + sum(self._skipped.values())
        return Pulse(self.record.id, self.run.state, self.run.reason, fields)

    def _take(self, outcome: Outcome) -> None:
        match outcome:
            case Step(what=what):
                self.handle(Preparing(what))
            case Ready(planned=planned, survey=survey):
                self._store.set_ready(self.record.id, planned, survey, _now())
                self.record = self._store.run(self.record.id)
                if survey is not None and self._slide is None:
                    self._slide = SlideView(newest=None)
                self.handle(Prepared())
            case RedCells(check=check):
                self._check_red_cells(check)
            case Analysed():
                self._commit(outcome)
            case Skipped(field=field, kind=kind):
                self._store.commit_skip(self.record.id, field, _now(), kind)
                self._skipped[field.reason] += 1
                self._put_on_the_map(field_view(field.index, field.place, None, field.reason))
                self.handle(FieldSkipped(kind))
            case Exhausted():
                if self._goes_on_to(PlanExhausted()):
                    self.handle(PlanExhausted())
            case Broken(reason=reason, resumable=resumable, cause=cause):
                self.handle(Interrupted(reason, cause) if resumable else Failed(reason, cause))

    def _commit(self, field: Analysed) -> None:
        labels = [None if cell.opinion is None else cell.opinion.label for cell in field.cells]
        tally = self.run.tally.adding(labels)
        committed = FieldCommitted(tally, len(field.cells))
        if not self._goes_on_to(committed):
            return
        ids = self._put_on_record(field, tally)
        new = [_cell_view(number, cell.opinion, tally) for number, cell in zip(ids, field.cells, strict=True)]
        self._latest = with_new_cells(self._latest, new)
        self._newest = field.frame.index
        self._put_on_the_map(_counted_view(field.frame, self.record.scale))
        self.handle(committed, new)

    def _goes_on_to(self, event: Event) -> bool:
        """Return whether an event may be handled: what would end the run waits for what its red cells say.

        They may not be enough for a verdict yet, and there will be no more. (The analysis waits meanwhile.)
        """
        if self._watch is not None and self._red_cells is None and advance(self.run, event)[0].state.ended:
            check, self._watch = self._watch.close(), None
            if check.verdict is not Verdict.NOT_MEASURED:  # too few for any: the result is marked
                self._check_red_cells(check)
        return self.busy

    def _check_red_cells(self, check: RedCellCheck) -> None:
        self._store.commit_red_cells(self.record.id, check, _now())
        self._red_cells = check
        self.handle(RedCellsMeasured(check))

    def _put_on_record(self, field: Analysed, tally: Tally) -> list[int]:
        """Commit a field whole, with its picture; return its cells' ids."""
        run, frame = self.record.id, field.frame
        picture = picture_of(frame.pixels, self.record.scale.um_per_px)
        with self._store.atomic():
            ids = self._store.commit_field(run, frame, field.cells, tally, _now())
            FieldPictures(self._store).keep(run, frame.index, picture, _now())
        return ids

    def _put_on_the_map(self, newest: FieldView) -> None:
        if self._slide is not None:
            self._slide = SlideView(newest=newest)

    def _become(self, run: Run) -> None:
        """Take the new state, and put it on record where it says something new."""
        said = (self.run.state, self.run.reason)
        self.run = run
        if (run.state, run.reason) == said:
            return
        try:
            self._store.set_state(self.record.id, run.state, run.reason, _now(), run.cause)
            mark_unchecked(self._store, self.record.id, run)
            self.record = replace(self.record, marks=self._store.run(self.record.id).marks)
        except ApplianceError as error:  # the fields on record decide what the next start finds
            log.exception("the state of run %s is not on record", self.record.id)
            self.run = replace(run, reason=f"{run.reason} This could not be put on record: {error}")


def mark_unchecked(store: Store, run_id: str, run: Run) -> None:
    """Mark the result of a run that has ended and counted, where no red cells said anything of its scale."""
    check = store.red_cells(run_id)
    if run.state.ended and run.committed and (check is None or check.verdict is Verdict.NOT_MEASURED):
        store.add_marks(run_id, [NOT_CHECKED], _now())


def recover(store: Store) -> None:
    """Find the runs that were cut off, and put them on record as what their fields say: paused, or ended.

    They have been so since the last that is known of them, and not since somebody came back to the instrument.
    One whose plan or panel this version cannot read has failed: it must not keep the others from being counted.
    """
    for run_id in store.unfinished_runs():
        stood_still = [state for state, _ in store.states(run_id)][-1:] == [State.PAUSED]
        since = _now() if stood_still else store.last_heard(run_id)
        try:
            record = store.run(run_id)
            run = remembered(store, record, CUT_OFF, Cause.POWER_CUT)
        except ValueError as problem:
            log.warning("run %s: %s", run_id, problem)
            reason = f"It cannot be resumed, because this version cannot read it: {problem}"
            store.set_state(run_id, State.FAILED, reason, since, Cause.UNREADABLE)
            continue
        if not run.state.ended and store.overtaken(run_id):  # by a version that let two patients' slides mix
            run, _ = advance(run, Failed(OVERTAKEN, Cause.OVERTAKEN))
        if (run.state, record.state) != (State.PAUSED, State.PAUSED):
            store.set_state(run_id, run.state, run.reason, since, run.cause)
            mark_unchecked(store, run_id, run)


def remembered(store: Store, record: RunRecord, reason: str, cause: Cause | None) -> Run:
    """Return the run as its fields on record leave it: paused for that reason, or ended by its last field."""
    return replay(record.plan, store.history(record.id), reason, cause)


def slide_on_record(store: Store, record: RunRecord) -> SlideView | None:
    """Return whether a run has a picture of its slide, and its newest field on it."""
    if store.survey(record.id) is None:
        return None
    newest = store.newest_field(record.id)
    return SlideView(newest=None if newest is None else on_the_map(newest, record.scale))


def on_the_map(field: FieldRecord, scale: Scale) -> FieldView:
    """Return where a field on record lies on its slide."""
    size = None if field.size_px is None else _size_um(*field.size_px, scale)
    return field_view(field.number, field.place, size, field.skipped)


def facts(
    record: RunRecord,
    run: Run,
    skipped: Mapping[str, int],
    slide: SlideView | None = None,
    red_cells: RedCellCheck | None = None,
    newest_field: int | None = None,
) -> RunFacts:
    """Return what a run's view says beside its tally. slide: as `slide_on_record` has it."""
    return RunFacts(
        run=record.id,
        state=str(run.state),
        reason=run.reason,
        cause=run.cause,
        ended=run.state.ended,
        min_cells=run.plan.min_cells,
        max_cells=run.plan.max_cells,
        aim=run.aim,
        qc=run.plan.qc,
        engine=record.engine,
        weights=record.weights,
        um_per_px=record.scale.um_per_px,
        calibration=record.scale.id,
        simulated=record.simulated,
        camera=record.camera,
        fields_counted=run.committed,
        fields_planned=record.planned,
        skipped=skipped,
        started=record.started.isoformat(timespec="seconds"),
        version=record.version,
        slide=slide,
        calibration_source=record.scale.source,
        marks=record.marks,
        red_cells=None if red_cells is None else red_cells.view(),
        near=run.near,
        doubts=run.doubts,
        newest_field=newest_field,
    )


def _cell_view(cell: int, opinion: Opinion | None, tally: Tally) -> CellView:
    if opinion is None:
        return cell_view(cell, None, None, 0, tally)
    return cell_view(cell, opinion.label, opinion.probability, opinion.views, tally)


def _counted_view(frame: Frame, scale: Scale) -> FieldView:
    height, width = frame.pixels.shape[:2]
    return field_view(frame.index, frame.position, _size_um(width, height, scale))


def _size_um(width_px: int, height_px: int, scale: Scale) -> tuple[float, float]:
    return width_px * scale.um_per_px, height_px * scale.um_per_px


def _now() -> datetime:
    return datetime.now(UTC)
