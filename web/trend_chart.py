"""A class's percentage through a patient's runs, laid out as a chart: places in the drawing, no drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext

from appliance.review.trend import Line, Point
from appliance.tally import Row

WIDE, HIGH = 520.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 24.0, 12.0, 30.0
STEPS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 25.0)
MOST_LINES = 4
MOST_DAYS = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """A run in a chart. x, y: of its percentage; low, high: of its limits.  day: whether its day is written below."""

    run: Point
    row: Row
    x: float
    y: float
    low: float
    high: float
    day: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A class's chart. ticks: where which percentage lies.  lines: of points; a gap where a run lacks the class.

    usual: upper edge and height of the usual range; None without one.
    """

    label: str
    title: str
    marks: Sequence[Mark]
    ticks: Sequence[tuple[float, float]]
    lines: Sequence[str]
    usual: tuple[float, float] | None


def charts(points: Sequence[Point], lines: Sequence[Line]) -> tuple[list[Chart], list[str]]:
    """Return the chart of every class that was seen in any of these runs, and the titles of the others."""
    seen = [line for line in lines if any(row and row.count for row in line.rows)]
    never = [gettext(line.title) for line in lines if line not in seen]
    return [_chart(points, line) for line in seen], never


def _chart(points: Sequence[Point], line: Line) -> Chart:
    rows = [row for row in line.rows if row]
    usual = rows[-1].reference
    step, most = _scale(max([*(row.high for row in rows), usual[1] if usual else 0.0]))

    def y(percent: float) -> float:
        return round(HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * percent / most, 1)

    apart = (WIDE - LEFT - RIGHT) / max(1, len(points))
    every = -(-len(points) // MOST_DAYS)
    places = [
        None
        if row is None
        else Mark(
            run, row, round(LEFT + (n + 0.5) * apart, 1), y(row.percent), y(row.low), y(row.high),
            (len(points) - 1 - n) % every == 0,
        )
        for n, (run, row) in enumerate(zip(points, line.rows, strict=True))
    ]  # fmt: skip
    return Chart(
        label=line.label,
        title=gettext(line.title),
        marks=[mark for mark in places if mark],
        ticks=[(y(n * step), n * step) for n in range(round(most / step) + 1)],
        lines=_unbroken(places),
        usual=(y(min(usual[1], most)), y(usual[0]) - y(min(usual[1], most))) if usual else None,
    )


def _scale(highest: float) -> tuple[float, float]:
    """Return the percentages between two lines of the grid, and at its top."""
    step = next(step for step in STEPS if highest <= MOST_LINES * step)
    return step, min(100.0, step * max(1, -(-highest // step)))


def _unbroken(places: Sequence[Mark | None]) -> list[str]:
    lines: list[list[str]] = [[]]
    for mark in places:
        if mark is None:
            lines.append([])
        else:
            lines[-1].append(f"{mark.x},{mark.y}")
    return [" ".join(line) for line in lines if len(line) > 1]
