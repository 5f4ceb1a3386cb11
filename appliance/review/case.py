"""Everything that review knows of one run at one moment; the pages and the signature look at the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.review.reclassifications import History, reclassifications
from appliance.review.reviewed import (
    MachineCell,
    ReviewedCell,
    labels_now,
    machine_cells,
    reviewable,
    reviewed,
    reviewed_tally,
)
from appliance.review.statement import digest_of, statement
from appliance.store import Store
from appliance.store_records import RunRecord
from appliance.tally import Tally


@dataclass(frozen=True, slots=True)
class Case:
    """A run under review.

    machine: every cell as the machine left it.  history: the review's rows, the oldest first.
    labels: every cell's label now, None at the border.  machine_tally, tally: before and after review.
    """

    run: RunRecord
    machine: tuple[MachineCell, ...]
    history: History
    labels: Mapping[int, str | None]
    machine_tally: Tally
    tally: Tally

    @property
    def cells(self) -> list[ReviewedCell]:
        """Every cell that has a label, as it is now."""
        return reviewed(self.machine, self.history)

    @property
    def after(self) -> int:
        """The id of the review's last row; 0 without one."""
        return self.history[-1].id if self.history else 0

    @property
    def statement(self) -> dict[str, Any]:
        """What a signature would be bound to."""
        return statement(self.run, self.labels, self.tally)

    @property
    def digest(self) -> str:
        """The digest of that: show it, and give it back with the signature."""
        return digest_of(self.statement)

    def until(self, after: int) -> Case:
        """Return the case as it was after that row of the review."""
        return _case(self.run, self.machine, [row for row in self.history if row.id <= after])


def open_case(store: Store, run: object) -> Case:
    """Return a run for review. Raises ApplianceRefused for one that goes on, or failed, or is not there."""
    record = reviewable(store, run)
    return _case(record, tuple(machine_cells(store, record)), reclassifications(store, record.id))


def _case(run: RunRecord, machine: tuple[MachineCell, ...], history: History) -> Case:
    rules, labels = run.plan.rules(), labels_now(machine, history)
    return Case(
        run,
        machine,
        history,
        labels,
        reviewed_tally(rules, labels_now(machine)),
        reviewed_tally(rules, labels),
    )
