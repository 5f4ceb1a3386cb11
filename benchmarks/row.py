"""One line of the table, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    item: its letter.  ours, published: in `unit`; published is None where there is nothing to compare with.
    ratio: published over ours, unless `note` says of what.
    """

    item: str
    what: str
    unit: str
    ours: float
    published: float | None = None
    ratio: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """An item that could not be measured, and why."""

    item: str
    what: str
    why: str


Figure = Row | Missing


def compared(item: str, what: str, unit: str, ours: float, published: float | None, note: str = "") -> Row:
    """Return a row whose ratio is published over ours."""
    return Row(item, what, unit, ours, published, None if published is None else published / ours, note)


def table(figures: Sequence[Figure], title: str) -> Group:
    """Return the figures as a table, ratios first, and the notes under it."""
    result = Table(title=title, title_justify="left")
    for name in ("", "ratio", "what", "Hemadiff", "published", "unit", "note"):
        result.add_column(name, justify="right" if name in ("ratio", "Hemadiff", "published") else "left")
    notes: list[str] = []
    for figure in figures:
        note = figure.why if isinstance(figure, Missing) else figure.note
        if note and note not in notes:
            notes.append(note)
        mark = str(notes.index(note) + 1) if note else ""
        if isinstance(figure, Missing):
            result.add_row(figure.item, "–", figure.what, "–", "–", "", mark)
            continue
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3g} ×"
        both = (number(figure.ours), number(figure.published))
        result.add_row(figure.item, ratio, figure.what, *both, figure.unit, mark)
    return Group(result, *(f"{place}  {note}" for place, note in enumerate(notes, 1)))


def number(value: float | None) -> str:
    """Return three significant digits, without an exponent."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
