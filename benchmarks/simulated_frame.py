"""What a fresh frame of the simulated microscope costs, and which part of it costs what.

python -m benchmarks.simulated_frame [--frames 15] [--objective 100x] [--apart] [--json FILE]

Milliseconds of one core's own time (not of the clock on the wall), median and worst of some frames of 1388 × 1040,
each at a place that was not seen before. OpenCV works on one thread, as it does in the render process.
- slide: light that passes the slide, in focus.  optics: from there to the light on the sensor.
- read-out: from there to eight bits.  frame: all of it, through the public door.
- again: a frame of the same place, as every picture of a stack of heights is after the first.
- away: the same, 6 µm out of focus.  moving: a fresh frame smeared over 4 µm.
--apart draws in a process of its own too, and reports its processor time and what is left to this process.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import click
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from appliance.simulator.lens import Lens
from appliance.simulator.microscope import Microscope
from appliance.simulator.mount import Mount
from appliance.simulator.objectives import OBJECTIVES, objective_named
from appliance.simulator.optics import Canvas, light_on_sensor
from appliance.simulator.render_process import RenderProcess
from appliance.simulator.slide import Slide, TrueCell
from appliance.simulator.smear import Smear
from appliance.simulator.trail import Trail
from appliance.simulator.view import View
from firmware_bridge.point import Point

WIDTH_PX, HEIGHT_PX = 1388, 1040
AWAY_UM, MOVED_UM = 6.0, 4.0
WARM_UP = 12  # frames until a slide has drawn most of what it draws once


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one core for one part of a frame."""

    part: str
    median_ms: float
    worst_ms: float


class Drawn:
    """Light that was drawn already, whatever the place: what the optics cost without a slide."""

    def __init__(self, slide: Slide) -> None:
        self._slide, self._seen = slide, dict[tuple[int, int, float], np.ndarray]()
        self.width_um, self.height_um, self.digest = slide.width_um, slide.height_um, slide.digest

    def light(self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> np.ndarray:
        key = width_px, height_px, um_per_px
        if key not in self._seen:
            self._seen[key] = self._slide.light(x_um, y_um, *key)
        return self._seen[key]

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        return []


def microscope(seed: int = 1) -> Microscope:
    """Return the one that is measured: a blood smear, seated as people do."""
    slide = Smear(seed)
    return Microscope(slide, Mount.drawn(seed, slide.width_um, slide.height_um), seed=seed)


def places(scope: Microscope, objective: str) -> Iterator[Point]:
    """Return fresh places of the monolayer in focus, side by side."""
    lens = objective_named(objective)
    step_x, step_y = (side * lens.um_per_px * 1.02 for side in (WIDTH_PX, HEIGHT_PX))
    left, top = scope.slide.width_um * 0.55, scope.slide.height_um * 0.2
    columns, rows = (max(1, int(room / step)) for room, step in ((3_000, step_x), (6_000, step_y)))
    for number in range(columns * rows * 1000):
        row, column = divmod(number, columns)
        at = scope.mount.stage_place(left + column * step_x, top + row % rows * step_y)
        yield Point(at.x_um, at.y_um, at.z_um + lens.parfocal_um)


def view(trail: Trail, objective: str, index: int = 0) -> View:
    """Return a view of 1388 × 1040 px."""
    return View(objective, trail, WIDTH_PX, HEIGHT_PX, 10_000, 1.0, (1.6, 1.35), index=index)


def measured(part: str, works: Iterator[Callable[[], object]], count: int) -> Cost:
    """Time so many pieces of work after one that does not count, by this thread's own clock."""
    next(works)()
    return _cost(part, (next(works) for _ in range(count)), time.thread_time)


def _cost(part: str, works: Iterable[Callable[[], object]], clock_s: Callable[[], float]) -> Cost:
    took = []
    for work in works:
        began = clock_s()
        work()
        took.append(1000 * (clock_s() - began))
    return Cost(part, statistics.median(took), max(took))


def costs(scope: Microscope, objective: str, frames: int) -> list[Cost]:
    """Return what each part costs."""
    lens, at = Lens(objective_named(objective), scope.mount), places(scope, objective)
    drawn = Microscope(Drawn(scope.slide), scope.mount)  # type: ignore[arg-type]
    um_per_px = lens.objective.um_per_px
    for seen in islice(_stills(at, objective), WARM_UP):
        scope.render(seen)

    def fresh() -> Iterator[Callable[[], object]]:
        return (partial(scope.render, view(Trail.still(place), objective)) for place in at)

    def slides() -> Iterator[Callable[[], object]]:
        for place in at:
            corner = (round(k / um_per_px) * um_per_px for k in scope.mount.slide_place(place))
            yield partial(scope.slide.light, *corner, WIDTH_PX + 24, HEIGHT_PX + 24, um_per_px)

    canvas = Canvas(WIDTH_PX, HEIGHT_PX)

    def optics() -> Iterator[Callable[[], object]]:
        for place in at:
            yield partial(light_on_sensor, drawn.slide, lens, Trail.still(place), canvas)

    def again(away_um: float) -> Iterator[Callable[[], object]]:
        place = next(at)
        higher = Point(place.x_um, place.y_um, place.z_um + away_um)
        index = 0
        while True:
            yield partial(scope.render, view(Trail.still(higher), objective, index))
            index += 1

    def moving() -> Iterator[Callable[[], object]]:
        for place in at:
            way = [Point(place.x_um + MOVED_UM * (k / 12 - 0.5), place.y_um, place.z_um) for k in range(13)]
            yield partial(scope.render, view(Trail(tuple(way), (1 / 13,) * 13, 1.0), objective))

    optics_alone = measured("optics", optics(), frames)
    rest = measured(
        "optics and read-out", (partial(drawn.render, work) for work in _stills(at, objective)), frames
    )
    read_out = Cost(
        "read-out", rest.median_ms - optics_alone.median_ms, rest.worst_ms - optics_alone.worst_ms
    )
    return [
        measured("slide", slides(), frames),
        optics_alone,
        read_out,
        measured("frame", fresh(), frames),
        measured("again", again(0.0), frames),
        measured("away", again(AWAY_UM), frames),
        measured("moving", moving(), frames),
    ]


def _stills(at: Iterator[Point], objective: str) -> Iterator[View]:
    return (view(Trail.still(place), objective) for place in at)


def apart(scope: Microscope, objective: str, frames: int) -> list[Cost]:
    """Return what a frame costs in a process of its own, there and here."""
    at = places(scope, objective)
    elsewhere = RenderProcess(microscope, (WIDTH_PX, HEIGHT_PX))
    works = [partial(elsewhere.render, seen) for seen in islice(_stills(at, objective), 2 * frames + WARM_UP)]
    try:
        for work in works[:WARM_UP]:
            work()
        there = _cost("apart: in the render process", works[WARM_UP:-frames], lambda: elsewhere.cpu_s)
        here = _cost("apart: in this process", works[-frames:], time.thread_time)
    finally:
        elsewhere.close()
    return [there, here]


@click.command()
@click.option(
    "--frames", default=15, show_default=True, type=click.IntRange(1), help="How many of each kind."
)
@click.option("--objective", default="100x", show_default=True, type=click.Choice(list(OBJECTIVES)))
@click.option("--apart", "in_a_process", is_flag=True, help="Draw in a process of its own too.")
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here."
)
def main(frames: int, objective: str, in_a_process: bool, output: Path | None) -> None:
    """Measure what a frame of the simulated microscope costs. Research use only."""
    cv2.setNumThreads(1)
    scope = microscope()
    found = costs(scope, objective, frames)
    if in_a_process:
        found += apart(scope, objective, frames)
    table = Table(title=f"A simulated frame, {WIDTH_PX} × {HEIGHT_PX}, {objective}", title_justify="left")
    for name in ("part", "median ms", "worst ms"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for cost in found:
        table.add_row(cost.part, f"{cost.median_ms:.1f}", f"{cost.worst_ms:.1f}")
    Console().print(table)
    if output is not None:
        output.write_text(json.dumps([asdict(cost) for cost in found], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.simulated_frame")
