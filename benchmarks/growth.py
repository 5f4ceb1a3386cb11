"""(e) How cost grows with the number of cells: the real pipeline, tally and store, from 100 to 5,000 cells.

Fields are drawn beforehand and repeated, so that the drawing's own time stays out of it.
"""

from __future__ import annotations

import itertools
import queue
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from appliance.frame import Analyser, Frame, Point
from appliance.pipeline import Analysed, Outcome, Pipeline, Ready
from appliance.plan import Plan
from appliance.store import Store, new_run_id
from appliance.tally import Tally
from benchmarks.options import Options, pin
from benchmarks.row import Figure, Row
from calibration import Scale

MARKS = (100, 200, 500, 1000, 2000, 5000)
DIFFERENT_FIELDS = 20


class RepeatingCamera:
    """A few fields, over and over, each with a number of its own."""

    name = "simulated fields, repeated"
    simulated = True
    planned = None
    digest = name

    def __init__(self, frames: list[Frame], scale: Scale) -> None:
        """Take the frames to repeat, all of one scale."""
        self.scale = scale
        self._frames = frames

    survey = None

    def prepare(self, survey: object) -> Iterator[str]:
        """Nothing has to be made ready."""
        return iter(())

    def fields(self, first: int = 0) -> Iterator[Frame]:
        """Every field from number `first` on, without an end."""
        for index in itertools.count(first):
            yield replace(self._frames[index % len(self._frames)], index=index, name=f"field {index + 1}")

    def halt(self) -> None:
        """Nothing takes long."""

    def close(self) -> None:
        """Nothing is held."""


def simulated_camera(fields: int) -> RepeatingCamera:
    """Return a camera that repeats so many simulated fields."""
    from appliance.simulator.instrument import counting_scale
    from appliance.simulator.still import still_fields

    scale = counting_scale()
    frames = [
        Frame(n, f"field {n + 1}", field.pixels, Point(200.0 * n, 0.0), n, None, None, scale.id)
        for n, field in enumerate(itertools.islice(still_fields(1), fields))
    ]
    return RepeatingCamera(frames, scale)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a count had come: cells on record, seconds since its start, size of the store in bytes."""

    cells: int
    seconds: float
    bytes: int


def measure(options: Options) -> list[Figure]:
    """Return milliseconds per cell between one mark and the next."""
    pin(options.cores)
    from appliance.network_analyser import load_analyser

    camera = simulated_camera(DIFFERENT_FIELDS)
    with tempfile.TemporaryDirectory() as folder:
        return rows(
            count(
                camera,
                load_analyser("network", "smear-13", "blood"),
                Path(folder) / "store.sqlite",
                options.growth,
            )
        )


def count(
    camera: RepeatingCamera,
    analyser: Analyser,
    path: Path,
    most: int,
    now: Callable[[], float] = time.perf_counter,
) -> list[Mark]:
    """Count until so many cells are on record; return where it stood at each mark. Raises RuntimeError if it breaks."""
    plan = Plan(camera="simulated")
    outcomes: queue.Queue[Outcome] = queue.Queue(maxsize=1)

    def deliver(outcome: Outcome) -> None:
        if isinstance(outcome, Ready):
            pipeline.take_fields(0)
        else:
            outcomes.put(outcome)

    pipeline = Pipeline(camera, analyser, deliver)
    marks: list[Mark] = []
    with Store(path) as store:
        run, tally, cells = new_run_id(), Tally(plan.rules()), 0
        started = datetime.now(UTC)
        store.create_run(
            run,
            plan,
            camera.scale,
            analyser.engine,
            analyser.weights,
            True,
            None,
            started,
            digest=camera.digest,
        )
        wanted = [mark for mark in MARKS if mark < most] + [most]
        began = now()
        pipeline.start()
        while wanted:
            outcome = outcomes.get()
            match outcome:
                case Analysed(frame=frame, cells=found):
                    pass
                case _:
                    raise RuntimeError(f"The count broke off at {cells} cells: {outcome}.")
            labels = [None if cell.opinion is None else cell.opinion.label for cell in found]
            tally = tally.adding(labels)
            store.commit_field(run, frame, found, tally, datetime.now(UTC))
            assert tally.rows  # what the page shows after every field, with its limits
            cells += sum(label is not None for label in labels)
            while wanted and cells >= wanted[0]:
                wanted.pop(0)
                marks.append(Mark(cells, now() - began, _size(path)))
        pipeline.stop()
        _drain(outcomes, pipeline)
    return marks


def rows(marks: list[Mark]) -> list[Figure]:
    """Return the cost per cell up to the first mark and between the marks, each against the first."""
    found: list[Figure] = []
    first = 1000 * marks[0].seconds / marks[0].cells
    before = Mark(0, 0.0, 0)
    for mark in marks:
        each = 1000 * (mark.seconds - before.seconds) / max(1, mark.cells - before.cells)
        note = f"{mark.seconds:.1f} s in all, {mark.bytes / 2**20:.1f} MiB on disk; ratio: to the first mark"
        found.append(
            Row("e", f"cells {before.cells} to {mark.cells}, per cell", "ms", each, None, each / first, note)
        )
        before = mark
    return found


def _drain(outcomes: queue.Queue[Outcome], pipeline: Pipeline) -> None:
    """Let the pipeline put what it still holds, until its threads have ended."""
    while not pipeline.join(0.05):
        while not outcomes.empty():
            outcomes.get_nowait()


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
