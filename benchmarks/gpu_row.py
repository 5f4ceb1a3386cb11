"""What was measured on a GPU, what could not be, and the table of both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table

HEADINGS = ("", "who", "what", "median", "from", "to", "unit", "ratio", "note")


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure. item: its letter.  who: which variant.  median, low, high: of `times` repeats, in `unit`.

    ratio: of what, `note` says.
    """

    item: str
    who: str
    what: str
    unit: str
    median: float
    low: float
    high: float
    times: int
    ratio: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """What could not be measured, and why."""

    item: str
    who: str
    what: str
    why: str


Figure = Measured | Absent


def measured(
    item: str,
    who: str,
    what: str,
    unit: str,
    values: Sequence[float],
    note: str = "",
    ratio: float | None = None,
) -> Measured:
    """Return repeats of one figure as their median and range. Raises ValueError where there is none."""
    if not values:
        raise ValueError(f"{what} was never measured.")
    return Measured(
        item, who, what, unit, statistics.median(values), min(values), max(values), len(values), ratio, note
    )


def figure(entry: Mapping[str, Any]) -> Figure:
    """Return what was written as JSON, as a value again."""
    return Absent(**entry) if "why" in entry else Measured(**entry)


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Return a row for each figure, as `HEADINGS` says."""
    return [_row(each) for each in figures]


def console_table(figures: Sequence[Figure], title: str) -> Group:
    """Return the figures as a table for a terminal, with the notes under it."""
    table = Table(title=title, title_justify="left")
    for name in HEADINGS:
        table.add_column(name, justify="right" if name in ("median", "from", "to", "ratio") else "left")
    notes: list[str] = []
    for row in rows(figures):
        if row[-1] and row[-1] not in notes:
            notes.append(row[-1])
        table.add_row(*row[:-1], str(notes.index(row[-1]) + 1) if row[-1] else "")
    return Group(table, *(f"{place}  {note}" for place, note in enumerate(notes, 1)))


def markdown(figures: Sequence[Figure]) -> str:
    """Return the figures as a table for a document."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows(figures)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def number(value: float | None) -> str:
    """Return three significant digits, without an exponent."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.1e}"


def _row(each: Figure) -> tuple[str, ...]:
    if isinstance(each, Absent):
        return (each.item, each.who, each.what, "–", "–", "–", "", "", f"not measured: {each.why}")
    ratio = "" if each.ratio is None else f"{number(each.ratio)} ×"
    spread = (number(each.median), number(each.low), number(each.high))
    return (each.item, each.who, each.what, *spread, each.unit, ratio, each.note)
