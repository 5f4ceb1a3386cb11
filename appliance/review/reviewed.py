"""A run as people see it now: the machine's labels, and on top of them what people changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from appliance.errors import ApplianceRefused
from appliance.review.reclassifications import History, Reclassification, current, in_force
from appliance.review.who_says import run_named
from appliance.rules import Rules
from appliance.run import State
from appliance.store import Store
from appliance.store_records import RunRecord
from appliance.tally import Tally


@dataclass(frozen=True, slots=True)
class MachineCell:
    """A cell as the machine left it.

    field: its field's place in the plan.  label: final, by the panel; None where its window left the field.
    probability: of that label.
    """

    id: int
    field: int
    label: str | None
    probability: float | None


@dataclass(frozen=True, slots=True)
class ReviewedCell:
    """A cell that has a label, as it is now.

    machine: what the machine says.  probability: of the machine's label, however a person reads the cell.
    last: the row that gave it its label of now; None where that is the machine's, untouched or put back.
    looked: whether a label that a person gave it is in force: what was taken back leaves no mark.
    """

    id: int
    field: int
    machine: str
    label: str
    probability: float
    last: Reclassification | None
    looked: bool

    @property
    def changed(self) -> bool:
        """Whether its label is another than the machine's."""
        return self.label != self.machine


def machine_cells(store: Store, run: RunRecord) -> list[MachineCell]:
    """Return every cell of a run as the machine left it, in the order in which they were found."""
    found = store.rows(
        "SELECT cells.id, cells.label, cells.probability, fields.number FROM cells "
        "JOIN fields ON fields.id = cells.field WHERE cells.run = ? ORDER BY cells.id",
        run.id,
    )
    panel = run.plan.rules().panel
    return [
        MachineCell(
            row["id"],
            row["number"],
            None if row["label"] is None else panel.final(row["label"]),
            row["probability"],
        )
        for row in found
    ]


def labels_now(cells: Iterable[MachineCell], history: History = ()) -> dict[int, str | None]:
    """Return every cell's label after what people changed; None at the border."""
    return current({cell.id: cell.label for cell in cells}, history)


def reviewed(cells: Iterable[MachineCell], history: History) -> list[ReviewedCell]:
    """Return every cell that has a label, as it is now, in the order in which they were found."""
    cells = list(cells)
    labels, last = labels_now(cells, history), in_force(history)
    return [
        ReviewedCell(
            id=cell.id,
            field=cell.field,
            machine=cell.label,
            label=labels[cell.id] or cell.label,
            probability=cell.probability or 0.0,
            last=last.get(cell.id),
            looked=cell.id in last,
        )
        for cell in cells
        if cell.label is not None
    ]


def reviewed_tally(rules: Rules, labels: Mapping[int, str | None]) -> Tally:
    """Return the tally of labels, under the rules of their run. labels: of every cell, None at the border."""
    return Tally(rules).adding(labels.values())


def changed_by(history: Sequence[Reclassification]) -> dict[str, int]:
    """Return who gave how many of the labels in force, who gave most first."""
    counts: dict[str, int] = {}
    for row in in_force(history).values():
        counts[row.who] = counts.get(row.who, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def reviewable(store: Store, run: object) -> RunRecord:
    """Return a run that may be reviewed. Raises ApplianceRefused for one that goes on, or failed, or is not there."""
    record = run_named(store, run)
    if not record.state.ended:
        raise ApplianceRefused(
            f"The run {record.id} is {record.state}. Review it when it has ended: stop it, or wait."
        )
    if record.state is State.FAILED:
        raise ApplianceRefused(
            f"The run {record.id} failed, and what it counted is no result ({record.reason}) Count the slide anew."
        )
    return record
