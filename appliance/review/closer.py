"""One cell looked at closely: where it lies, what else the machine thought of it, who said what, what is beside it."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.errors import ApplianceRefused
from appliance.review.case import Case
from appliance.review.reclassifications import Reclassification
from appliance.store import Store
from appliance.store_records import CellRecord
from appliance.stored_runs import CELLS

NEIGHBOURS = 8
ALTERNATIVES = 4
LEAST_PROBABLE = 0.005  # what rounds to 0 % is no alternative


@dataclass(frozen=True, slots=True)
class Closer:
    """A cell.

    field: its field's place in the plan.  x, y: its centre, px of the frame.  size_px: of the frame, width and height;
    None where it is not on record.  views: how many were classified.  findings: beside its label.
    alternatives: labels and their probabilities by the machine, the most probable first.
    history: the review's rows for it, the oldest first.  neighbours: cells of the same field, the nearest first.
    """

    cell: int
    field: int
    x: float
    y: float
    size_px: tuple[int, int] | None
    views: int
    findings: tuple[str, ...]
    alternatives: tuple[tuple[str, float], ...]
    history: tuple[Reclassification, ...]
    neighbours: tuple[int, ...]


def closer(store: Store, case: Case, cell: int) -> Closer:
    """Return what there is to know of a cell. Raises ApplianceRefused for one of another run, or at the border."""
    if case.labels.get(cell) is None:
        raise ApplianceRefused(f"The run {case.run.id} has no cell {cell} to look at. Choose another.")
    rows = store.rows(f"{CELLS} WHERE cells.field = (SELECT field FROM cells WHERE id = ?)", cell)
    beside = [CellRecord.from_row(row) for row in rows]
    this = next(one for one in beside if one.id == cell)
    sizes = [field.size_px for field in store.fields(case.run.id) if field.number == this.field]
    beside.sort(key=lambda one: (one.x - this.x) ** 2 + (one.y - this.y) ** 2)
    return Closer(
        cell=cell,
        field=this.field,
        x=this.x,
        y=this.y,
        size_px=sizes[0],
        views=this.views,
        findings=this.findings,
        alternatives=_alternatives(case, this),
        history=tuple(row for row in case.history if row.cell == cell),
        neighbours=tuple(one.id for one in beside if one.id != cell and one.label is not None)[:NEIGHBOURS],
    )


def _alternatives(case: Case, cell: CellRecord) -> tuple[tuple[str, float], ...]:
    """Sum the machine's probabilities by label of the panel: several outputs may stand for one."""
    shares: dict[str, float] = {}
    if cell.probabilities is not None:
        for output, share in zip(case.run.outputs, cell.probabilities, strict=False):
            label = case.tally.rules.panel.final(output)
            shares[label] = shares.get(label, 0.0) + float(share)
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return tuple(item for item in ranked if item[1] >= LEAST_PROBABLE)[:ALTERNATIVES]
