"""What drawing the simulated slide costs: fresh fields at the counting scale, the same field again, the overview.

python -m benchmarks.simulated_slide [--fields 30] [--cells FOLDER] [--json FILE]

Milliseconds of this thread's own processor time (not of the clock on the wall), OpenCV on one thread, median and
worst. Each row's ratio is a plain yardstick over it, taken in turns with it: filling and multiplying an array of a
field's size as often as a field has red cells, which a machine's speed changes alike.
- fresh: 1388 × 1040 px at 0.10 µm/px, at places nobody saw before, once every kind of cell has been drawn.
- first: the very first fields of a slide, which draw the cells too.  again: the same place, half a pixel beside it.
- overview: the whole slide of 24 × 12 mm at 4 µm/px, once the red cells' light has been measured.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
import cv2
import numpy as np
from rich.console import Console

from appliance.simulator.mixture import Mixture, blood, marrow
from appliance.simulator.smear import Smear
from benchmarks.row import Row, table

WIDTH_PX, HEIGHT_PX, UM_PER_PX = 1388, 1040, 0.10
STEP_UM = 150.0
OVERVIEW_UM_PER_PX = 4.0
WARMING = 25  # fields until nearly every variant of a cell has been drawn
RED_CELLS, RED_CELL_PX = 190, 89


def milliseconds(work: Callable[[], object]) -> float:
    """Return the processor time that one call takes of this thread."""
    began = time.thread_time()
    work()
    return 1000 * (time.thread_time() - began)


def yardstick() -> None:
    """Fill a field and let its light through as many stamps as it has red cells."""
    canvas = np.empty((HEIGHT_PX, WIDTH_PX, 3), dtype=np.float32)
    canvas.fill(1.0)
    stamp = np.full((RED_CELL_PX, RED_CELL_PX, 3), 0.9, dtype=np.float32)
    for k in range(RED_CELLS):
        top, left = (k * 37) % (HEIGHT_PX - RED_CELL_PX), (k * 91) % (WIDTH_PX - RED_CELL_PX)
        part = canvas[top : top + RED_CELL_PX, left : left + RED_CELL_PX]
        cv2.multiply(part, stamp, dst=part)


def measured(name: str, mixture: Mixture, fields: int) -> list[Row]:
    """Return the rows of one kind of slide."""
    slide = Smear(1, mixture)
    x, y = slide.width_um * 0.5, slide.height_um * 0.3
    places = [(x + STEP_UM * (k % 12), y + STEP_UM * (k // 12)) for k in range(WARMING + max(fields, 1))]

    def look(place: tuple[float, float]) -> None:
        slide.light(*place, WIDTH_PX, HEIGHT_PX, UM_PER_PX)

    first = [milliseconds(lambda place=place: look(place)) for place in places[:WARMING]]  # type: ignore[misc]
    fresh, again, plain = [], [], []
    for place in places[WARMING:]:
        plain.append(milliseconds(yardstick))
        fresh.append(milliseconds(lambda place=place: look(place)))  # type: ignore[misc]
        again.append(milliseconds(lambda place=place: look((place[0] + 0.05, place[1]))))  # type: ignore[misc]
    slide.light(0, 0, 64, 64, OVERVIEW_UM_PER_PX)
    size = round(slide.width_um / OVERVIEW_UM_PER_PX), round(slide.height_um / OVERVIEW_UM_PER_PX)
    whole = [milliseconds(lambda: slide.light(0, 0, *size, OVERVIEW_UM_PER_PX)) for _ in range(3)]
    yard = statistics.median(plain)
    return [
        _row(f"{name}, first fields", first, yard),
        _row(f"{name}, fresh field", fresh, yard),
        _row(f"{name}, again", again, yard),
        _row(f"{name}, overview", whole, yard),
    ]


def _row(what: str, took: list[float], yard: float) -> Row:
    median = statistics.median(took)
    return Row(
        "",
        what,
        "ms",
        median,
        yard,
        yard / median,
        f"published: the yardstick; worst of {what}: {max(took):.0f} ms",
    )


@click.command()
@click.option("--fields", default=30, show_default=True, type=click.IntRange(1), help="Fresh fields to draw.")
@click.option(
    "--cells",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Blend in real cells of this folder.",
)
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(fields: int, cells: Path | None, output: Path | None) -> None:
    """Measure what the simulated slide costs."""
    cv2.setNumThreads(1)
    rows = measured("blood", blood(), fields) + measured("marrow", marrow(), fields)
    if cells is not None:
        rows += measured("blood, real cells", blood(cells=cells), fields)
    Console().print(table(rows, f"The simulated slide, {WIDTH_PX} × {HEIGHT_PX} px at {UM_PER_PX:g} µm/px"))
    if output is not None:
        output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.simulated_slide")
