"""One count through the real pipeline, tally and store, with a note of when it began and ended."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.field_source import FieldSource
from appliance.frame import Analyser
from appliance.pipeline import Analysed, Exhausted, Outcome, Pipeline, Ready, Skipped, Step
from appliance.plan import Plan
from appliance.store import Store, new_run_id
from appliance.tally import Tally


@dataclass(frozen=True, slots=True)
class Counted:
    """A count. cells: that count for the differential.  fields: on record, skipped ones too.

    prepared_s: from power-on until fields could be taken.  counted_s: from then until the last field was on record.
    cpu_s: processor time that this process used meanwhile, of all cores together.
    """

    cells: int
    fields: int
    prepared_s: float
    counted_s: float
    cpu_s: float


def count(
    source: FieldSource, analyser: Analyser, plan: Plan, store: Path, enough: int | None = None
) -> Counted:
    """Count until there are so many cells, or the source has no further field; the source is closed then.

    Raises RuntimeError where it breaks off before.
    """
    outcomes: queue.Queue[Outcome] = queue.Queue()

    def deliver(outcome: Outcome) -> None:
        if isinstance(outcome, Ready):
            pipeline.take_fields(0)
        outcomes.put(outcome)
        outcomes.join()  # as the instrument does: the next field is analysed when this one is on record

    pipeline = Pipeline(source, analyser, deliver)
    began_s = time.monotonic()
    pipeline.start()
    try:
        with Store(store) as opened:
            return _Count(opened, source, analyser, plan).until(outcomes, enough, began_s)
    finally:
        pipeline.stop()
        while not pipeline.join(0.02):
            _drop(outcomes)


class _Count:
    """A run on record."""

    def __init__(self, store: Store, source: FieldSource, analyser: Analyser, plan: Plan) -> None:
        self._store, self._run, self._tally = store, new_run_id(), Tally(plan.rules())
        about = source.scale, analyser.engine, analyser.weights, True, None, datetime.now(UTC)
        store.create_run(self._run, plan, *about, digest=source.digest, outputs=analyser.outputs)
        self._fields = 0

    def until(self, outcomes: queue.Queue[Outcome], enough: int | None, began_s: float) -> Counted:
        """Take outcomes until there are enough cells, or no further field."""
        ready_s = last_s = began_s
        cpu_s = last_cpu_s = 0.0
        while enough is None or self._tally.counted < enough:
            outcome = outcomes.get()
            try:
                match outcome:
                    case Step():
                        pass
                    case Ready(planned=planned, survey=survey):
                        self._store.set_ready(self._run, planned, survey, datetime.now(UTC))
                        ready_s, cpu_s = time.monotonic(), time.process_time()
                    case Analysed() | Skipped():
                        self._commit(outcome)
                        last_s, last_cpu_s = time.monotonic(), time.process_time()
                    case Exhausted() if enough is None:
                        break
                    case _:
                        raise RuntimeError(f"The count broke off at {self._tally.counted} cells: {outcome}.")
            finally:
                outcomes.task_done()
        return Counted(
            self._tally.counted, self._fields, ready_s - began_s, last_s - ready_s, last_cpu_s - cpu_s
        )

    def _commit(self, outcome: Analysed | Skipped) -> None:
        at = datetime.now(UTC)
        if isinstance(outcome, Skipped):
            self._store.commit_skip(self._run, outcome.field, at, outcome.kind)
        else:
            labels = [None if cell.opinion is None else cell.opinion.label for cell in outcome.cells]
            self._tally = self._tally.adding(labels)
            self._store.commit_field(self._run, outcome.frame, outcome.cells, self._tally, at)
            assert self._tally.rows  # what the page shows after every field, with its limits
        self._fields += 1


def _drop(outcomes: queue.Queue[Outcome]) -> None:
    """Let the pipeline's threads go on, which wait until what they deliver has been dealt with."""
    while True:
        try:
            outcomes.get_nowait()
        except queue.Empty:
            break
        outcomes.task_done()
