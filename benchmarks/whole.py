"""(a) The whole analysis of some cells, against the published method, on the same fields in one run.

The two take turns, block by block, and the one that begins alternates: whatever else the machine does meanwhile
falls on both. Decoding the images is left out for both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.frame import Analyser, Frame, Point
from benchmarks.options import Options, pin
from benchmarks.pictures import Pictures, pictures
from benchmarks.row import Figure, Missing, Row, compared
from calibration import Scale

BLOCK = 20
SETTLE_S = 0.5  # an idle thread pool spins for up to 0.2 s, on the cores that the other method needs
WHAT = "whole analysis"

Fields = Sequence[NDArray[np.uint8]]


def measure(options: Options) -> list[Figure]:
    """Return seconds for all fields, milliseconds per cell, and the spread of the ratio over the blocks."""
    cores = pin(options.cores)
    try:
        from benchmarks.published import PublishedMethod
    except ModuleNotFoundError:
        return [Missing("a", WHAT, "needs PyTorch: pip install 'hemadiff[train]'")]
    from appliance.network_analyser import load_analyser

    subject = pictures(options.cells, options.folder, options.simulated)
    ours, theirs = whole_cells(load_analyser("network", "smear-13", "blood"), subject), PublishedMethod(cores)

    def published(fields: Fields) -> int:
        return sum(len(theirs.analyse(field, subject.um_per_px)) for field in fields)

    return rows(subject, cores, *interleaved(subject.fields, ours, published))


def whole_cells(analyser: Analyser, subject: Pictures) -> Callable[[Fields], int]:
    """Return what analyses fields and says how many cells got a label."""
    scale = Scale.stated(subject.um_per_px, "benchmark")

    def count(fields: Fields) -> int:
        found = 0
        for index, field in enumerate(fields):
            frame = Frame(index, str(index), field, Point(0, 0), 0, None, None, scale.id)
            found += sum(cell.opinion is not None for cell in analyser.analyse(frame, scale))
        return found

    return count


def interleaved(
    fields: Fields, ours: Callable[[Fields], int], published: Callable[[Fields], int]
) -> tuple[list[tuple[float, float]], int, int]:
    """Time both on every block of fields. Return the seconds of each block, and how many cells each labelled."""
    for method in (ours, published):
        method(fields[:2])
    seconds: list[tuple[float, float]] = []
    cells = {"ours": 0, "published": 0}
    for number, start in enumerate(range(0, len(fields), BLOCK)):
        turns = [("ours", ours), ("published", published)]
        took: dict[str, float] = {}
        for name, method in turns if number % 2 == 0 else reversed(turns):
            time.sleep(SETTLE_S)
            began = time.perf_counter()
            cells[name] += method(fields[start : start + BLOCK])
            took[name] = time.perf_counter() - began
        seconds.append((took["ours"], took["published"]))
    return seconds, cells["ours"], cells["published"]


def rows(
    subject: Pictures, cores: int, seconds: Sequence[tuple[float, float]], cells: int, published_cells: int
) -> list[Figure]:
    """Return the figures of what `interleaved` measured."""
    ours, published = (sum(pair[side] for pair in seconds) for side in (0, 1))
    ratios = sorted(pair[1] / pair[0] for pair in seconds)
    where = f"{len(subject.fields)} {subject.what}, {cores} cores"
    spread = f"ratio by block: {ratios[0]:.3g} to {ratios[-1]:.3g}, median {statistics.median(ratios):.3g}"
    found: list[Figure] = [compared("a", WHAT, "s", ours, published, where)]
    if cells and published_cells:
        each = f"{cells} cells labelled, by the published method {published_cells}; {spread}"
        per_cell, per_cell_published = 1000 * ours / cells, 1000 * published / published_cells
        found.append(compared("a", f"{WHAT}, per cell", "ms", per_cell, per_cell_published, each))
        found.append(Row("a", "500 cells at that rate", "s", per_cell / 2, per_cell_published / 2))
    return found
