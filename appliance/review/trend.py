"""A patient's runs side by side, found by the number on the slides and named by random ids alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.errors import ApplianceRefused
from appliance.review.reclassifications import reclassifications
from appliance.review.reviewed import labels_now, machine_cells, reviewed_tally
from appliance.run import State
from appliance.store import Store
from appliance.tally import Row, Tally
from models.errors import ModelRefused
from models.panel import Specimen


@dataclass(frozen=True, slots=True)
class Point:
    """A run of a patient, as it is reviewed now.

    started: UTC.  tally: after what people changed.  status: of its last signature; empty without one.
    simulated, marks: what a person must know of it.
    """

    run: str
    started: datetime
    panel: str
    specimen: Specimen
    tally: Tally
    status: str
    simulated: bool
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A class through a patient's runs.

    rows: one per run, in their order, with percentages and exact 95 % limits; None where that run's panel has no
    such class.
    """

    label: str
    title: str
    rows: tuple[Row | None, ...]


def patient_runs(store: Store, run: str) -> list[Point]:
    """Return the runs of a run's patient that have a result, the oldest first; itself alone where no number is known.

    Only runs of the same specimen: marrow and blood are not compared. Left out: runs that go on or failed, quality
    controls, and what this version can no longer read. The number itself does not leave the store.
    """
    this = store.run(run)
    found = store.rows(
        "SELECT runs.id, runs.started FROM runs WHERE runs.id = ? UNION "
        "SELECT runs.id, runs.started FROM runs JOIN records ON records.slide = runs.slide "
        "WHERE trim(records.record_number) = "
        "(SELECT nullif(trim(record_number), '') FROM records WHERE slide = ?) "
        "ORDER BY 2, 1",
        this.id,
        this.slide,
    )
    points = [point for row in found if (point := _point(store, row["id"])) is not None]
    return [point for point in points if point.specimen is this.plan.specimen]


def trend(points: Sequence[Point]) -> list[Line]:
    """Return a line for every counted class of the runs, in the newest's clinical order, then what only others have."""
    tables = [{row.label: row for row in point.tally.rows} for point in points]
    titles: dict[str, str] = {}
    for table in reversed(tables):
        for label, row in table.items():
            titles.setdefault(label, row.title)
    return [Line(label, said, tuple(table.get(label) for table in tables)) for label, said in titles.items()]


def _point(store: Store, run: str) -> Point | None:
    try:
        record = store.run(run)
        rules = record.plan.rules()
        if not record.state.ended or record.state is State.FAILED or record.plan.qc:
            return None
        labels = labels_now(machine_cells(store, record), reclassifications(store, record.id))
    except (ApplianceRefused, ModelRefused):  # a plan or a panel of another version
        return None
    signed = store.rows("SELECT status FROM signatures WHERE run = ? ORDER BY id DESC LIMIT 1", record.id)
    return Point(
        run=record.id,
        started=record.started,
        panel=record.plan.panel,
        specimen=record.plan.specimen,
        tally=reviewed_tally(rules, labels),
        status=signed[0]["status"] if signed else "",
        simulated=record.simulated,
        marks=record.marks,
    )
