"""Which contrast measure to focus by: every measure on the same stacks through focus.

python -m benchmarks.focus [--each 4] [--data DIR] [--json FILE] [--only NAME]

Heights are -20 to 20 µm from focus in steps of 1 µm, with steps of 0.25 µm within 3 µm.
- error: distance of the fitted peak from the true focus (median, 95 % of stacks, worst).
- refused: stacks in which the search's own judgement finds no peak: it fails, with a reason.
- wrong: stacks in which it accepts a peak over 1 µm off.
- hills: local maxima beside the peak that stand out by over 3 % of the rise, per stack.
- fall: the share of the rise that is lost 1 µm from the highest sample, both sides' mean: how well a small error shows.
- width: of the peak at half its rise; reach: how far from focus the curve still climbs towards it.
- ms: of a frame of 1388 × 1040, median of some; only to compare measures of one run.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.focus_stacks import ALL_CONDITIONS, Conditions, Scene, drawn_scenes, picture, real_scenes
from calibration.contrast import MEASURES, Measure, focus_plane
from calibration.focus_curve import Demands, Peak, Sample, find_peak
from models.data import data_folder
from models.data_option import data_option
from models.errors import ModelRefused

COARSE_UM = tuple(float(z) for z in range(-20, 21))
FINE_UM = tuple(k / 4 for k in range(-12, 13))
HEIGHTS_UM = tuple(sorted(set(COARSE_UM) | set(FINE_UM)))
TRUE_UM = 0.1  # not on any height of the sweep, so that a parabola has something to find
STANDS_OUT = 0.03
WRONG_OVER_UM = 1.0
COARSE_REACH_UM = 2.5  # the fine sweep reaches so far from the coarse peak
# Each measure has its own scale: only the shape of the curve is judged here.
SHAPE_ONLY = Demands(least_contrast=-1e9)


@dataclass(frozen=True, slots=True)
class Curve:
    """What one measure says of one stack."""

    error_um: float
    refused: bool
    wrong: bool
    hills: int
    fall: float
    width_um: float | None
    reach_um: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Line:
    """One measure under one condition, over all stacks."""

    measure: str
    conditions: str
    stacks: int
    error_um: float
    error_95_um: float
    worst_um: float
    refused: int
    wrong: int
    hills: float
    fall: float
    width_um: float
    reach_um: float
    ratio: float


def judged(samples: Sequence[Sample]) -> Curve:
    """Return what a curve through focus at `TRUE_UM` is worth."""
    coarse = [sample for sample in samples if sample.z_um in COARSE_UM[::2]]
    fine = [sample for sample in samples if sample.z_um in FINE_UM[::2]]
    floor = min(sample.contrast for sample in coarse)
    rough, exact = find_peak(coarse, SHAPE_ONLY), find_peak(fine, SHAPE_ONLY, floor)
    error = abs(exact.z_um - TRUE_UM) if isinstance(exact, Peak) else float("nan")
    refused = not (isinstance(rough, Peak) and isinstance(exact, Peak))
    wrong = (
        isinstance(rough, Peak) and max(abs(rough.z_um - TRUE_UM) - COARSE_REACH_UM, error) > WRONG_OVER_UM
    )
    whole = find_peak(samples, replace(SHAPE_ONLY, second_peak=2.0, least_ratio=0))
    values = np.array([sample.contrast for sample in samples])
    heights = np.array([sample.z_um for sample in samples])
    return Curve(
        error,
        refused,
        wrong,
        _hills(values),
        _fall(heights, values),
        whole.width_um if isinstance(whole, Peak) else None,
        _reach(heights, values),
        float(values.max() / values.min()) if values.min() > 0 else float("inf"),
    )


def _hills(values: np.ndarray) -> int:
    """Count local maxima beside the highest that stand out of the valley towards it."""
    rise = float(values.max() - values.min())
    top = int(values.argmax())
    count = 0
    for side in (values[top::-1], values[top:]):
        valley, hill = float(side[0]), False
        for value in side:
            if value < valley:
                valley, hill = float(value), False
            elif not hill and value - valley > STANDS_OUT * rise:
                count, hill = count + 1, True
                valley = float(value)
    return count


def _fall(heights: np.ndarray, values: np.ndarray) -> float:
    top, rise = int(values.argmax()), float(values.max() - values.min())
    beside = np.interp([heights[top] - 1, heights[top] + 1], heights, values)
    return float(1 - (beside.mean() - values.min()) / rise)


def _reach(heights: np.ndarray, values: np.ndarray) -> float:
    """Return how far from focus, on the shorter side, the curve still climbs towards it by a thousandth a µm."""
    rise = float(values.max() - values.min())
    coarse = [(z, v) for z, v in zip(heights, values, strict=True) if z in COARSE_UM]
    reaches = []
    for sign in (-1, 1):
        side = [v for z, v in sorted(coarse, key=lambda pair: abs(pair[0])) if z * sign >= 0]
        fall = [near - far > 0.001 * rise for near, far in pairwise(side[1:])]
        reaches.append(float(1 + (fall.index(False) if False in fall else len(fall))))
    return min(reaches)


def lines(scenes: Sequence[Scene], conditions: Conditions) -> list[Line]:
    """Return a line for each measure; all of them look at the same pictures."""
    curves: dict[str, list[Curve]] = {name: [] for name in MEASURES}
    for seed, scene in enumerate(scenes):
        samples: dict[str, list[Sample]] = {name: [] for name in MEASURES}
        for z_um in HEIGHTS_UM:
            plane = focus_plane(picture(scene, z_um - TRUE_UM, conditions, seed), scene.um_per_px)
            for name, measure in MEASURES.items():
                samples[name].append(Sample(z_um, measure(plane)))
        for name, taken in samples.items():
            curves[name].append(judged(taken))
    return [_line(name, conditions.name, found) for name, found in curves.items()]


def _line(measure: str, conditions: str, curves: Sequence[Curve]) -> Line:
    errors = [curve.error_um for curve in curves if not np.isnan(curve.error_um)] or [float("nan")]
    widths = [curve.width_um for curve in curves if curve.width_um is not None] or [float("nan")]
    return Line(
        measure,
        conditions,
        len(curves),
        statistics.median(errors),
        float(np.percentile(errors, 95)),
        max(errors),
        sum(curve.refused for curve in curves),
        sum(curve.wrong for curve in curves),
        statistics.mean(curve.hills for curve in curves),
        statistics.median(curve.fall for curve in curves),
        statistics.median(widths),
        statistics.median(curve.reach_um for curve in curves),
        statistics.median(curve.ratio for curve in curves),
    )


def milliseconds(measure: Measure, repeats: int = 15) -> float:
    """Return how long a frame of 1388×1040 RGB takes, its plane included."""
    frame = np.random.default_rng(0).integers(90, 220, (1040, 1388, 3), dtype=np.uint8)
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        measure(focus_plane(frame, 0.1))
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


@click.command()
@click.option(
    "--each", default=4, show_default=True, type=click.IntRange(1), help="Real images of every source."
)
@click.option("--only", help="One condition, by a part of its name.")
@data_option
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the lines here."
)
def main(each: int, only: str | None, data: Path | None, output: Path | None) -> None:
    """Compare contrast measures on stacks through focus. Research use only."""
    console = Console()
    scenes = drawn_scenes()
    try:
        scenes += real_scenes(data_folder(data), each)
    except ModelRefused as error:
        if data is not None:
            raise click.UsageError(str(error)) from error
        console.print(f"Drawn scenes only: {error}")
    found: list[Line] = []
    for conditions in ALL_CONDITIONS:
        if only is None or only in conditions.name:
            part = lines(scenes, conditions)
            console.print(table(part, f"{conditions.name}: {len(scenes)} stacks"))
            found += part
    speed = {name: milliseconds(measure) for name, measure in MEASURES.items()}
    console.print("ms a frame: " + ", ".join(f"{name} {ms:.1f}" for name, ms in speed.items()))
    if output is not None:
        content = {"lines": [asdict(line) for line in found], "ms": speed, "scenes": [s.name for s in scenes]}
        output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def table(part: Sequence[Line], title: str) -> Table:
    """Return one condition's lines as a table."""
    result = Table(title=title, title_justify="left")
    for name in (
        "measure",
        "error µm",
        "95 %",
        "worst",
        "refused",
        "wrong",
        "hills",
        "fall",
        "width µm",
        "reach µm",
        "top/low",
    ):
        result.add_column(name, justify="left" if name == "measure" else "right")
    for line in part:
        result.add_row(
            line.measure,
            f"{line.error_um:.3f}",
            f"{line.error_95_um:.3f}",
            f"{line.worst_um:.2f}",
            str(line.refused),
            str(line.wrong),
            f"{line.hills:.2f}",
            f"{100 * line.fall:.0f} %",
            f"{line.width_um:.1f}",
            f"{line.reach_um:.0f}",
            f"{line.ratio:.1f}",
        )
    return result


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.focus")
