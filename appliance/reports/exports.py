"""A run's result as a table and as one object: the reviewed one, and what it is worth."""

from __future__ import annotations

from typing import Any

from appliance import run_export
from appliance.reports.result import Result
from appliance.store import Store


def as_csv(result: Result) -> str:
    """Return the differential as CSV; every row says what the result is worth."""
    return run_export.to_csv(run_export.rows(result.run, result.tally, result.status, result.sample))


def as_object(store: Store, result: Result) -> dict[str, Any]:
    """Return everything on record of a run. cells: as the machine left them; review: what people changed since."""
    run = result.run
    whole = run_export.to_object(
        run,
        result.tally,
        store.skipped_fields(run.id),
        result.fields,
        store.cells(run.id),
        store.red_cells(run.id),
    )
    cells = [] if result.case is None else result.case.cells
    changed = {cell.id: cell.label for cell in cells if cell.changed}
    return {
        **whole,
        "review": {"standing": result.status, "reclassified": changed, "sample": result.sample},
    }
