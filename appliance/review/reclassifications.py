"""Labels that people give: every one is a new row with who, when, from and to. The machine's answer stays.

Two readings share the table. In the *review* a person sees the machine's labels and changes them; in a *second*
reading a person who has seen none labels cells afresh, and a row's `before` is what the same reader said earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.wording import number_of
from models.panel import UNIDENTIFIED, Panel, did_you_mean


class Reading(StrEnum):
    """In which reading a label was given."""

    REVIEW = "review"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Change:
    """A cell's label, before and after. None: the second reader has said nothing of it."""

    cell: int
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Reclassification:
    """A row. at: UTC.  batch: what was changed in one go.  undoes: the batch that this one takes back."""

    id: int
    cell: int
    who: str
    at: datetime
    before: str | None
    after: str | None
    reading: Reading
    batch: str
    undoes: str | None = None


History = Sequence[Reclassification]
"""Rows of one reading of one run, the oldest first."""


def reclassifications(store: Store, run: str, reading: Reading = Reading.REVIEW) -> list[Reclassification]:
    """Return every row of a reading, the oldest first. run: the whole id."""
    found = store.rows(
        "SELECT * FROM reclassifications WHERE run = ? AND reading = ? ORDER BY id", run, str(reading)
    )
    return [_from_row(row) for row in found]


def latest(history: Iterable[Reclassification]) -> dict[int, Reclassification]:
    """Return the last row of every cell that has one. history: the oldest first."""
    return {row.cell: row for row in history}


def current(given: Mapping[int, str | None], history: Iterable[Reclassification]) -> dict[int, str | None]:
    """Return every cell's label now. given: as the machine left them; None for a cell that cannot be labelled."""
    labels = dict(given)
    labels.update((row.cell, row.after) for row in history if row.cell in labels)
    return labels


def checked_label(panel: Panel, to: object) -> str:
    """Return a label that a person may give: any of the panel, counted or not, or `unidentified` (left undecided).

    Raises ApplianceRefused, naming the nearest.
    """
    known = (*panel.names, UNIDENTIFIED)
    if not isinstance(to, str) or to not in known:
        raise ApplianceRefused(f'The panel {panel.name} has no label "{to}".{did_you_mean(str(to), known)}')
    return to


def checked_cells(labels: Mapping[int, str | None], cells: object, run: str) -> tuple[int, ...]:
    """Return the cells that are to be labelled, each once.

    labels: of every cell of the run, None at the border. Raises ApplianceRefused for a cell of another run, or one
    whose window left its field.
    """
    if not isinstance(cells, Sequence) or isinstance(cells, str) or not cells:
        raise ApplianceRefused("No cell is chosen. Choose one or more.")
    for cell in cells:
        if type(cell) is not int or cell not in labels:
            raise ApplianceRefused(f"The run {run} has no cell {cell}. Choose cells of this run.")
        if labels[cell] is None:
            raise ApplianceRefused(
                f"Cell {cell} lies at the border of its field and is counted nowhere. Leave it out."
            )
    return tuple(dict.fromkeys(cells))


def changes(
    labels: Mapping[int, str | None], cells: Sequence[int], to: str, expected: Sequence[str], history: History
) -> list[Change]:
    """Return what giving cells a label changes; a cell that has it already is not among them.

    labels: as they are now.  expected: the cells' labels as the person saw them, in the same order.
    Raises ApplianceRefused where a cell has another by now, naming it and who gave it.
    """
    last = latest(history)
    for cell, seen in zip(cells, expected, strict=True):
        if labels[cell] != seen:
            row = last.get(cell)
            by = f" ({row.who} changed it)" if row else ""
            raise ApplianceRefused(
                f"Cell {cell} is {spoken(labels[cell])} by now, not {spoken(seen)} as you saw it{by}. Look at it again."
            )
    return [Change(cell, labels[cell], to) for cell in cells if labels[cell] != to]


def reversal(history: History, batch: str) -> tuple[list[Change], list[int]]:
    """Return what takes a batch back, and the cells of it that somebody has changed since, which stay as they are.

    Raises ApplianceRefused for a batch that there is not, and where nothing of it can be taken back.
    """
    members = {row.cell: row for row in history if row.batch == batch and row.undoes is None}
    if not members:
        raise ApplianceRefused("There is no such change in this run that could be undone.")
    standing = in_force(history)
    back = [Change(cell, row.after, row.before) for cell, row in members.items() if standing.get(cell) is row]
    changed = {row.cell for row in history if row.undoes == batch}
    left = [cell for cell, row in members.items() if standing.get(cell) is not row and cell not in changed]
    if back:
        return back, left
    if left:
        who = latest(history)[left[0]].who
        raise ApplianceRefused(
            f"{number_of(len(left), 'cell')} of this change got another label since, the last from {who}. "
            "Nothing is left to undo."
        )
    raise ApplianceRefused("This change has been undone already.")


def undoable(history: History, who: str) -> str | None:
    """Return the last batch of a person that can still be taken back, at least in part; None where there is none."""
    standing = in_force(history)
    for row in reversed(history):
        if row.who == who and standing.get(row.cell) is row:
            return row.batch
    return None


def spoken(label: object) -> str:
    """Return a label's name within a sentence."""
    return str(label).replace("_", " ")


def in_force(history: History) -> dict[int, Reclassification]:
    """Return the row that gave every cell its label of now; none for a cell that has the machine's again.

    A row that takes another back puts the row before that in force again, so that one can go back step by step.
    """
    stacks: dict[int, list[Reclassification]] = {}
    for row in history:
        stack = stacks.setdefault(row.cell, [])
        if row.undoes is None:
            stack.append(row)
        elif stack and stack[-1].batch == row.undoes:
            stack.pop()
    return {cell: stack[-1] for cell, stack in stacks.items() if stack}


def _from_row(row: Mapping[str, Any]) -> Reclassification:
    return Reclassification(
        id=row["id"],
        cell=row["cell"],
        who=row["who"],
        at=datetime.fromisoformat(row["at"]),
        before=row["label_from"],
        after=row["label_to"],
        reading=Reading(row["reading"]),
        batch=row["batch"],
        undoes=row["undoes"],
    )
