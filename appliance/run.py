"""The run: a pure state machine. Events in, commands out; no clock, no thread, no file.

The instrument asks `Run.takes_fields` before it commits a field, commits it, and then reports it here.
What a person asks at the wrong moment is refused with a sentence; what the machinery reports too late (a
field after the end) is ignored, because nobody can act on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from appliance.cause import Cause
from appliance.errors import ApplianceRefused
from appliance.plan import Plan
from appliance.red_cell_check import RedCellCheck, Verdict
from appliance.step import Step, said
from appliance.stopping import Doubt, stopping_rule
from appliance.tally import Tally
from appliance.wording import number_of

EMPTY_FIELDS_END_RUN = 20
"""So many fields in a row without any detection: the slide has run out of cells."""

BY_A_PERSON = "A person asked for it; resume to go on."

FAILURES_END_RUN = 20
"""So many fields in a row whose analysis failed: it is not the field."""


class State(StrEnum):
    """Where a run is."""

    IDLE = "idle"
    PREPARING = "preparing"
    COUNTING = "counting"
    PAUSED = "paused"
    COMPLETED = "completed"
    INSUFFICIENT = "insufficient"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to the run."""
        return self in (State.COMPLETED, State.INSUFFICIENT, State.STOPPED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Start:
    """A person starts the run."""


@dataclass(frozen=True, slots=True)
class Preparing:
    """What is being done before the first field. step: one sentence."""

    step: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """Camera and analyser are ready; the stage is homed, the slide surveyed and in focus."""


@dataclass(frozen=True, slots=True)
class FieldCommitted:
    """The next field of the plan is in the database.

    tally: after it.  detections: cells found in it, of every kind and also at the border.
    """

    tally: Tally
    detections: int


@dataclass(frozen=True, slots=True)
class FieldSkipped:
    """The next field of the plan could not be had (input) or not be analysed (analysis)."""

    kind: Literal["input", "analysis"]


@dataclass(frozen=True, slots=True)
class PlanExhausted:
    """The plan has no further field."""


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """A person pauses the run."""


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """A person resumes a paused run."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A person ends the run."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The run cannot go on. reason: one sentence.  cause: its kind."""

    reason: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The run may go on, but only a person may say so: a power cut, a lost position.

    reason: one sentence.  cause: its kind.
    """

    reason: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class RedCellsMeasured:
    """What the red cells of the first fields say of the calibration."""

    check: RedCellCheck


Event = (
    Start
    | Preparing
    | Prepared
    | FieldCommitted
    | FieldSkipped
    | PlanExhausted
    | RedCellsMeasured
    | PauseAsked
    | ResumeAsked
    | StopAsked
    | Failed
    | Interrupted
)


@dataclass(frozen=True, slots=True)
class Prepare:
    """Home the stage, look the slide over, focus; report each step, then `Prepared` or why not."""


@dataclass(frozen=True, slots=True)
class StartAcquisition:
    """Take the plan's fields, beginning with number from_index (from 0)."""

    from_index: int


@dataclass(frozen=True, slots=True)
class StopAcquisition:
    """Take no further field and drop those in flight."""


Command = Prepare | StartAcquisition | StopAcquisition


@dataclass(frozen=True)
class Run:
    """A run at one moment.

    reason: why it is in this state, for a person.  aim: how many cells it counts towards now.
    cause: the kind of the reason, where it stands still or has ended.
    next_field: number of the plan's next field.  committed: fields counted.
    skipped_input, skipped_analysis: fields skipped.
    doubt: what the last look found in doubt; near: the same, in short; doubts: in parts.
    empty_in_a_row: fields since the last detection.  failed_in_a_row: since the last field that was analysed.
    """

    plan: Plan
    tally: Tally
    state: State = State.IDLE
    reason: str = "Not started."
    aim: int = 0
    next_field: int = 0
    committed: int = 0
    skipped_input: int = 0
    skipped_analysis: int = 0
    empty_in_a_row: int = 0
    failed_in_a_row: int = 0
    doubt: str = ""
    near: str = ""
    doubts: tuple[Doubt, ...] = ()
    cause: Cause | None = None

    @classmethod
    def idle(cls, plan: Plan) -> Run:
        """Return a run that has not begun.

        Raises ModelRefused or ApplianceRefused where the plan does not fit its panel.
        """
        return cls(plan=plan, tally=Tally(plan.rules()), aim=plan.min_cells)

    @property
    def takes_fields(self) -> bool:
        """Whether a field may be committed now. Fields in flight at any other time are dropped."""
        return self.state is State.COUNTING

    def to(self, state: State, reason: str) -> Run:
        """Return the run in a state in which it goes on."""
        return replace(self, state=state, reason=reason, cause=None)

    def ends(self, state: State, reason: str, cause: Cause | None) -> Run:
        """Return the run in a state in which it stands still, or has ended."""
        return replace(self, state=state, reason=reason, cause=cause)


def replay(
    plan: Plan,
    history: Iterable[FieldCommitted | FieldSkipped],
    reason: str,
    cause: Cause | None = Cause.POWER_CUT,
) -> Run:
    """Return the run that the database remembers: paused, or ended if its last field ended it.

    history: every field on record, in the plan's order.  reason, cause: why it is paused.
    Resumed from here, a run takes the same looks and counts the same fields as one that nobody interrupted.
    """
    run = Run.idle(plan).to(State.COUNTING, "Counting.")
    for event in history:
        run, _ = advance(run, event)
    return run if run.state.ended else run.ends(State.PAUSED, reason, cause)


def advance(run: Run, event: Event) -> tuple[Run, list[Command]]:
    """Return the next state of a run and what the instrument must do.

    Raises ApplianceRefused where a person asks for what the state does not allow.
    """
    match run.state, event:
        case State.IDLE, Start():
            return run.to(State.PREPARING, said(Step.BEGINNING)), [Prepare()]
        case State.PREPARING, Preparing(step=step):
            return run.to(State.PREPARING, step), []
        case State.PREPARING, Prepared():
            return run.to(State.COUNTING, _goes_on(run)), [StartAcquisition(run.next_field)]
        case State.COUNTING, FieldCommitted():
            return _after_field(run, event)
        case State.COUNTING, FieldSkipped():
            return _after_skip(run, event)
        case State.COUNTING, RedCellsMeasured(check=check):
            return _after_red_cells(run, check)
        case State.COUNTING, PlanExhausted():
            return _after_last_field(run), [StopAcquisition()]
        case ((State.PREPARING | State.COUNTING), PauseAsked()):
            return run.ends(State.PAUSED, BY_A_PERSON, Cause.PAUSED), [StopAcquisition()]
        case ((State.PREPARING | State.COUNTING), Interrupted(reason=reason, cause=cause)):
            return run.ends(State.PAUSED, reason, cause), [StopAcquisition()]
        case State.PAUSED, ResumeAsked():
            return run.to(State.PREPARING, said(Step.BEGINNING)), [Prepare()]
        case ((State.PREPARING | State.COUNTING | State.PAUSED), StopAsked()):
            reason = f"A person ended it at {number_of(run.tally.counted, 'counted cell')}."
            return run.ends(State.STOPPED, reason, Cause.STOPPED), [StopAcquisition()]
        case (
            (State.IDLE | State.PREPARING | State.COUNTING | State.PAUSED),
            Failed(reason=reason, cause=cause),
        ):
            return run.ends(State.FAILED, reason, cause), [StopAcquisition()]
        case _, (Start() | PauseAsked() | ResumeAsked() | StopAsked()):
            raise ApplianceRefused(_refusal(run, event))
        case _:
            return run, []


def _goes_on(run: Run) -> str:
    in_doubt = run.aim > run.plan.min_cells and run.doubt
    return f"Counting goes on to {run.aim}: {run.doubt}." if in_doubt else "Counting."


def _after_field(run: Run, event: FieldCommitted) -> tuple[Run, list[Command]]:
    before = run.tally
    run = replace(
        run,
        tally=event.tally,
        next_field=run.next_field + 1,
        committed=run.committed + 1,
        empty_in_a_row=0 if event.detections else run.empty_in_a_row + 1,
        failed_in_a_row=0,
    )
    verdict = stopping_rule(before, run.tally, run.plan.min_cells, run.plan.max_cells)
    run = replace(run, aim=verdict.aim)
    if verdict.stop:
        run = replace(run, near=verdict.near, doubts=verdict.limits)
        cause = Cause.MOST if run.tally.counted >= run.plan.max_cells else Cause.ENOUGH
        return run.ends(State.COMPLETED, verdict.reason, cause), [StopAcquisition()]
    if verdict.doubts:
        run = replace(run, reason=verdict.reason, doubt="; ".join(verdict.doubts))
        run = replace(run, near=verdict.near, doubts=verdict.limits)
    if run.empty_in_a_row >= EMPTY_FIELDS_END_RUN:
        return run.ends(State.INSUFFICIENT, _only_empty(run), Cause.OUT_OF_CELLS), [StopAcquisition()]
    return run, []


def _after_skip(run: Run, event: FieldSkipped) -> tuple[Run, list[Command]]:
    analysis = event.kind == "analysis"
    run = replace(
        run,
        next_field=run.next_field + 1,
        skipped_input=run.skipped_input + (not analysis),
        skipped_analysis=run.skipped_analysis + analysis,
        failed_in_a_row=run.failed_in_a_row + analysis,
    )
    if analysis and run.failed_in_a_row >= FAILURES_END_RUN:
        reason = (
            f"The analysis of {run.failed_in_a_row} fields in a row failed. "
            f"See the reasons of the skipped fields, then start again."
        )
        return run.ends(State.FAILED, reason, Cause.ANALYSIS_FAILED), [StopAcquisition()]
    return run, []


def _after_red_cells(run: Run, check: RedCellCheck) -> tuple[Run, list[Command]]:
    if check.verdict is Verdict.DIFFERS:
        reason = (
            f"{check.said} This patient's may be so, or the calibration is wrong: check the objective. "
            "Resume the run to confirm it, or stop it and calibrate."
        )
        return run.ends(State.PAUSED, reason, Cause.RED_CELLS_DIFFER), [StopAcquisition()]
    if check.verdict is Verdict.WRONG:
        reason = f"{check.said} The calibration is not this picture's. Check the objective, calibrate, start again."
        return run.ends(State.FAILED, reason, Cause.WRONG_SCALE), [StopAcquisition()]
    return run, []


def _after_last_field(run: Run) -> Run:
    if (
        run.committed == 0 and run.skipped_analysis
    ):  # nothing is known of this smear, not even that it is poor
        reason = (
            f"None of {run.next_field} fields could be counted: the analysis of {run.skipped_analysis} failed. "
            f"See the reasons of the skipped fields, then start again."
        )
        return run.ends(State.FAILED, reason, Cause.ANALYSIS_FAILED)
    return run.ends(State.INSUFFICIENT, _ran_out(run), _nothing_left(run))


def _nothing_left(run: Run) -> Cause:
    if run.next_field == 0:
        return Cause.NO_FIELDS
    return Cause.OUT_OF_FIELDS if run.committed else Cause.ALL_SKIPPED


def _ran_out(run: Run) -> str:
    skipped = run.skipped_input + run.skipped_analysis
    if run.next_field == 0:
        return "The plan holds no field. Add fields, or choose another folder."
    if run.committed == 0:
        return f"None of {run.next_field} fields could be counted: all were skipped. See their reasons."
    fields = "1 field holds" if run.committed == 1 else f"{run.committed} fields hold"
    more = "1 more field was" if skipped == 1 else f"{skipped} more fields were"
    rest = f" ({more} skipped)" if skipped else ""
    cells = _cells_that_count(run.tally.counted, "that ")
    return f"{fields} {cells}{rest}; {_needed(run)} Add fields or another smear."


def _only_empty(run: Run) -> str:
    return (
        f"The last {run.empty_in_a_row} fields in a row hold no white cell. "
        f"{_cells_that_count(run.tally.counted)}; {_needed(run)} Choose a denser region or another smear."
    )


def _cells_that_count(n: int, that: str = "") -> str:
    return f"{number_of(n, 'cell')} {that}{'counts' if n == 1 else 'count'}"


def _needed(run: Run) -> str:
    if run.aim > run.plan.min_cells and run.doubt:
        return f"{run.aim} are needed: at the last look, {run.doubt}."
    return f"at least {run.aim} are needed."


def _refusal(run: Run, event: Event) -> str:
    wish = {
        Start: "started",
        PauseAsked: "paused",
        ResumeAsked: "resumed",
        StopAsked: "stopped",
    }[type(event)]
    if run.state.ended:
        return f"The run has ended ({run.state}); it cannot be {wish}. Start a new one."
    return f"The run is {run.state}; it cannot be {wish} now."
