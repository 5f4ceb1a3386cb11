"""Frames in, cells out, in the plan's order: acquisition of one field overlaps analysis of the one before.

Two threads and a bounded belt between them. Whoever takes the outcomes gets them one at a time, in order, and the
next field is analysed only once the last was taken; so what is taken is always a prefix of the plan.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from appliance.cause import Cause
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_source import FieldSource, SlideSurvey
from appliance.frame import Analyser, Frame, SkippedField
from appliance.red_cell_check import RedCellCheck
from appliance.red_cell_watch import RedCellWatch
from calibration import CalibrationRefused
from models import AnalysisError, Cell, ModelRefused
from models.errors import GpuFailed

log = logging.getLogger(__name__)

FRAMES_AHEAD = 2
ANALYSIS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """A field whose cells are known; an empty list means that it has none."""

    frame: Frame
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A field that could not be had (input), or whose cells are not known (analysis)."""

    field: SkippedField
    kind: Literal["input", "analysis"]


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The plan has no further field."""


@dataclass(frozen=True, slots=True)
class Broken:
    """No further field can be had or analysed.

    reason: one sentence.  resumable: whether a person can mend it and go on (a camera that was unplugged).
    cause: its kind.
    """

    reason: str
    resumable: bool
    cause: Cause


@dataclass(frozen=True, slots=True)
class Step:
    """What is being done before the first field. what: one sentence."""

    what: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Fields can be taken. planned: how many; None: without end.  survey: None where there is no slide."""

    planned: int | None
    survey: SlideSurvey | None


@dataclass(frozen=True, slots=True)
class RedCells:
    """What the red cells of the first fields say of the scale; delivered before the field that decided it."""

    check: RedCellCheck


Outcome = Step | Ready | RedCells | Analysed | Skipped | Exhausted | Broken
Deliver = Callable[[Outcome], None]
"""Takes one outcome, and returns once it is dealt with. Called from the pipeline's threads."""


class Pipeline:
    """The fields of one source, through one analyser: `start` makes ready, `take_fields` begins.

    survey: what a resumed run found when it looked its slide over.  watch: looks at the red cells of the first
    fields; None where that is done.  Closes the source at its end.
    """

    def __init__(
        self,
        source: FieldSource,
        analyser: Analyser,
        deliver: Deliver,
        survey: SlideSurvey | None = None,
        analysis_within_s: float = ANALYSIS_WITHIN_S,
        watch: RedCellWatch | None = None,
    ) -> None:
        self._source = source
        self._analyser = analyser
        self._scale = source.scale
        self._deliver = deliver
        self._survey = survey
        self._first: int | None = None
        self._analysis_within_s = analysis_within_s
        self._watch = watch
        self._belt = _Belt(FRAMES_AHEAD)
        self._threads = [
            threading.Thread(target=self._acquire, name="acquisition", daemon=True),
            threading.Thread(target=self._analyse, name="analysis", daemon=True),
        ]

    def start(self) -> None:
        """Make ready, and deliver what is done for it and then `Ready`. May be called once."""
        for thread in self._threads:
            thread.start()

    def take_fields(self, first: int) -> None:
        """Begin with field number first, now that it is ready. May be called from `deliver`."""
        self._first = first

    def stop(self) -> None:
        """Take no further field and drop those in flight. Returns at once; may be called from `deliver`."""
        self._belt.close()
        self._source.halt()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._belt.closed

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for both threads, for no longer than that in all; return whether they have ended."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _acquire(self) -> None:
        try:
            with contextlib.closing(self._source):
                if not self._make_ready():
                    self.stop()
                    return
                for field in self._source.fields(self._first or 0):
                    if not self._belt.put(field):
                        return
            self._belt.put(Exhausted())
        except (ApplianceError, ApplianceRefused) as error:
            usual = Cause.SETTINGS if isinstance(error, ApplianceRefused) else Cause.UNEXPECTED
            self._belt.put(Broken(str(error), resumable=True, cause=error.cause or usual))
        except CalibrationRefused as refusal:
            self._belt.put(Broken(str(refusal), resumable=True, cause=Cause.SETTINGS))
        except Exception as error:
            log.exception("the source of fields failed")
            reason = (
                f"Camera or stage failed unexpectedly: {_said(error)}. Restart the instrument, then resume."
            )
            self._belt.put(Broken(reason, resumable=True, cause=Cause.UNEXPECTED))

    def _make_ready(self) -> bool:
        """Deliver what is done before the first field; return whether fields are then wanted."""
        for what in self._source.prepare(self._survey):
            if self.stopped:
                return False
            self._deliver(Step(what))
        if not self.stopped:
            self._deliver(Ready(self._source.planned, self._source.survey))
        return self._first is not None and not self.stopped

    def _analyse(self) -> None:
        for item in self._belt:
            if isinstance(item, Frame):
                self._check_scale(item)
                if self.stopped:  # by what its red cells say: the field must not count
                    return
            self._deliver(self._outcome(item) if isinstance(item, Frame | SkippedField) else item)

    def _check_scale(self, frame: Frame) -> None:
        if self._watch is not None and (check := self._watch.look(frame)) is not None:
            self._watch = None
            self._deliver(RedCells(check))

    def _outcome(self, field: Frame | SkippedField) -> Outcome:
        if isinstance(field, SkippedField):
            return Skipped(field, "input")
        if field.calibration_id != self._scale.id:
            return Skipped(_of_another_calibration(field, self._scale.id), "input")
        try:
            with self._watched(field):
                return Analysed(field, self._analyser.analyse(field, self._scale))
        except (
            ModelRefused,
            CalibrationRefused,
        ) as refusal:  # true of every field: going on would skip them all
            return Broken(str(refusal), resumable=False, cause=Cause.WEIGHTS)
        except GpuFailed as failure:  # of every further field too, but a person can mend it
            return Broken(str(failure), resumable=True, cause=Cause.ANALYSIS_FAILED)
        except AnalysisError as error:
            return _not_known(field, error)
        except Exception as error:
            log.exception("the analysis of field %d failed", field.index)
            return _not_known(field, AnalysisError(f"The analysis of {field.name} failed: {_said(error)}."))

    @contextlib.contextmanager
    def _watched(self, frame: Frame) -> Iterator[None]:
        """An engine that hangs cannot be interrupted, but the run need not hang with it."""
        reason = f"The analysis of {frame.name} gave no answer within {self._analysis_within_s:g} s."
        timer = threading.Timer(
            self._analysis_within_s, self._give_up, [f"{reason} Restart the instrument, then resume."]
        )
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self, reason: str) -> None:
        if self._belt.close():
            self._deliver(Broken(reason, resumable=True, cause=Cause.ANALYSIS_SILENT))


class _Belt:
    """A bounded queue that can be closed from either end, and then carries nothing more."""

    def __init__(self, depth: int) -> None:
        self._items: deque[Frame | SkippedField | Exhausted | Broken] = deque()
        self._depth = depth
        self._changed = threading.Condition()
        self.closed = False

    def put(self, item: Frame | SkippedField | Exhausted | Broken) -> bool:
        """Add an item when there is room; return False when the belt was closed instead."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._depth or self.closed)
            if not self.closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self.closed

    def __iter__(self) -> Iterator[Frame | SkippedField | Exhausted | Broken]:
        """Take items until the belt is closed, or the plan has ended."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self.closed)
                if self.closed:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            if isinstance(item, Exhausted | Broken):
                return

    def close(self) -> bool:
        """Drop what is on the belt; return whether it was still open."""
        with self._changed:
            was_open, self.closed = not self.closed, True
            self._items.clear()
            self._changed.notify_all()
            return was_open


def _not_known(frame: Frame, error: AnalysisError) -> Skipped:
    return Skipped(
        SkippedField(frame.index, frame.name, error.reason, str(error), frame.position), "analysis"
    )


def _of_another_calibration(frame: Frame, calibration: str) -> SkippedField:
    detail = (
        f'{frame.name} was taken under the calibration "{frame.calibration_id}", the run uses "{calibration}". '
        "Count it in a run of its own."
    )
    return SkippedField(frame.index, frame.name, "other calibration", detail, frame.position)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
