"""A past run as others see it, from the store."""

from __future__ import annotations

from pathlib import Path

from appliance.run_in_hand import facts, remembered, slide_on_record
from appliance.store import Store
from appliance.tally import Tally
from appliance.view import LATEST, RunView, cell_view, run_view


def stored_view(store: Path, run_id: str, tally: Tally | None = None) -> RunView:
    """Return the view of a run on record. Raises ApplianceRefused where there is none of that id.

    tally: the reviewed one, to be shown instead of the machine's.
    """
    with Store.read_only(store) as opened:
        record = opened.run(run_id)
        run = remembered(opened, record, record.reason, record.cause).ends(
            record.state, record.reason, record.cause
        )
        latest = [
            cell_view(cell.id, cell.label, cell.probability, cell.views, run.tally)
            for cell in opened.latest_cells(record.id, LATEST)
        ]
        slide = slide_on_record(opened, record)
        skipped, red_cells = opened.skipped(record.id), opened.red_cells(record.id)
        said = facts(record, run, skipped, slide, red_cells, opened.last_counted(record.id))
        return run_view(said, tally or run.tally, latest)
