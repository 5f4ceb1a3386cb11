"""What an instrument has behind it: earlier runs, controls, calibrations and labelled fields, all of drawn cells.

Put into a store beside the one count that really ran, before the page is served from it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from appliance.store import Store
from docs.pictures.calibrated import put_calibrations
from docs.pictures.controls import put_controls
from docs.pictures.earlier import put_earlier_runs
from docs.pictures.labelled import put_label_set
from docs.pictures.reading import read_again
from docs.pictures.served import FILE


def prepare(path: Path) -> None:
    """Write all of it. path: of a store that no instrument works on."""
    assert path.name == FILE
    with Store(path) as store:
        store.db.conn.execute(
            "PRAGMA synchronous = OFF"
        )  # for pictures alone: a power cut would lose nothing
        now = datetime.now(UTC)
        run = store.run(store.runs()[0].id)
        put_earlier_runs(store, run, now)
        put_calibrations(store, now)
        put_controls(store, run, now)
        put_label_set(store, run, now)
        read_again(store, run, now)
