"""A laboratory's own reference cells: cells of its signed results, to hold a doubtful one against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.review.reclassifications import reclassifications
from appliance.review.reviewed import machine_cells, reviewed
from appliance.store import Store
from models.errors import ModelRefused

NEWEST_RUNS = 30
"""So many signed runs are looked through: stains and cameras change, and old cells are no reference for today's."""


@dataclass(frozen=True, slots=True)
class ReferenceCell:
    """A cell of a signed run. cell: its id, for its picture.  probability: the machine's, of its own label."""

    cell: int
    run: str
    probability: float


def reference_cells(store: Store, run: str, label: str, limit: int = 12) -> list[ReferenceCell]:
    """Return cells that were signed with a label, of other runs with the run's panel; the most typical first.

    Typical: the machine said the same, the surer the earlier. Only finally signed runs (their last signature), with the
    labels of that moment; simulated cells stand beside simulated ones alone. Each run gives a third at most, as far as
    others have any. run: for which the reference is wanted.
    """
    this = store.run(run)
    found: list[list[ReferenceCell]] = []
    for row in _signed_runs(store):
        try:
            other = store.run(row["run"])
            alike = other.plan.panel == this.plan.panel and other.simulated is this.simulated
            if other.id == this.id or not alike:
                continue
            history = [one for one in reclassifications(store, other.id) if one.id <= row["after"]]
            cells = reviewed(machine_cells(store, other), history)
        except (ApplianceRefused, ModelRefused):  # a plan or a panel of another version
            continue
        typical = sorted(
            (cell for cell in cells if cell.label == label),
            key=lambda cell: (cell.changed, -cell.probability),
        )
        found.append([ReferenceCell(cell.id, other.id, cell.probability) for cell in typical])
    share = max(1, limit // 3)
    first = [cell for cells in found for cell in cells[:share]]
    rest = [cell for cells in found for cell in cells[share:]]
    return (first + rest)[:limit]


def _signed_runs(store: Store) -> list[dict[str, Any]]:
    """The runs whose last signature is final or amended, the last signed first."""
    return store.rows(
        "SELECT run, after FROM signatures WHERE id IN (SELECT max(id) FROM signatures GROUP BY run) "
        "AND status IN ('final', 'amended') ORDER BY id DESC LIMIT ?",
        NEWEST_RUNS,
    )
