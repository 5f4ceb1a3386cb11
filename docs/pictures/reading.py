"""What people say of the count that ran: a second reader's labels, the unidentified named, and a signature."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path

from appliance.accounts.lockout import Way
from appliance.channel_client import InstrumentClient
from appliance.review.case import open_case
from appliance.review.second_reading import second_reading
from appliance.service_desk import DESK
from appliance.store import Store
from appliance.store_records import RunRecord
from models.panel import UNIDENTIFIED

SAMPLE = 200
DIFFERS = 19  # every so-many-th cell the second reader names otherwise
REVIEWED = {"segmented_neutrophil": "band_neutrophil", "monocyte": "lymphocyte"}
REVIEWED_OF_EACH = 2
OTHERWISE = {
    "segmented_neutrophil": "band_neutrophil",
    "band_neutrophil": "segmented_neutrophil",
    "monocyte": "lymphocyte",
    "lymphocyte": "monocyte",
}


def read_again(store: Store, run: RunRecord, now: datetime) -> None:
    """Let the reviewer change some labels, and a second reader go through a sample of the cells."""
    _review(store, run, now)
    DESK["begin_second_reading"](store, now, run=run.id, by="mina", sample=SAMPLE)
    case = open_case(store, run.id)
    reading = second_reading(store, run.id, case.machine, "mina")
    assert reading is not None
    said: dict[str, list[int]] = defaultdict(list)
    for number, cell in enumerate(reading.cells):
        label = case.labels[cell] or UNIDENTIFIED
        label = "artefact" if label == UNIDENTIFIED else label
        said[OTHERWISE.get(label, label) if number % DIFFERS == 0 else label].append(cell)
    for label, cells in said.items():
        DESK["label_second"](store, now, run=run.id, cells=cells, to=label, by="mina")
    DESK["finish_second_reading"](store, now, run=run.id, by="mina")


def _review(store: Store, run: RunRecord, now: datetime) -> None:
    labels = open_case(store, run.id).labels
    for was, to in REVIEWED.items():
        cells = [cell for cell, label in labels.items() if label == was][:REVIEWED_OF_EACH]
        expected = [was] * len(cells)
        DESK["reclassify"](store, now, run=run.id, cells=cells, to=to, expected=expected, by="ana")


def name_the_unidentified(instrument: InstrumentClient, path: Path) -> None:
    """Let the reviewer name what the machine could not, so that the run can be signed."""
    with Store.read_only(path) as store:
        run = newest_count(store)
        labels = open_case(store, run).labels
    cells = [cell for cell, label in labels.items() if label == UNIDENTIFIED]
    if cells:
        instrument.ask(
            "reclassify",
            run=run,
            cells=cells,
            to="artefact",
            expected=[UNIDENTIFIED] * len(cells),
            by="ana",
        )


def sign(instrument: InstrumentClient, path: Path) -> None:
    """Let the reviewer sign the run as final."""
    with Store.read_only(path) as store:
        run = newest_count(store)
        digest = open_case(store, run).digest
    instrument.ask("add_note", run=run, by="ana", text="Monocytes looked at twice; none is a blast.")
    instrument.ask("sign", run=run, by="ana", status="final", digest=digest, how=Way.PIN)


def newest_count(store: Store) -> str:
    """Return the id of the newest run that is no quality control."""
    return next(each.id for each in store.runs() if not store.run(each.id).plan.qc)
