"""Stores with runs, fields and cells in them."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from appliance.frame import Frame, Point
from appliance.plan import Plan
from appliance.store import Store
from appliance.tally import Tally
from calibration import Scale
from models.cells import Cell, Detection, Opinion

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OUTPUTS = ("lymphocyte", "monocyte", "platelet")
SCALE = Scale.stated(0.1)
TABLES = ("fields", "cells", "patches", "tallies")  # of results


def rows(path: Path) -> dict[str, int]:
    """How many rows each table of results has, as another process sees it."""
    connection = sqlite3.connect(path)
    try:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
    finally:
        connection.close()


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def plan(**changes: Any) -> Plan:
    return Plan(**{"camera": "folder:/smear", "um_per_px": 0.1, "specimen": "blood", **changes})


def cell(label: str | None = "lymphocyte", seed: int = 0) -> Cell:
    """A cell with a patch of its own; label None: its window left the frame."""
    rng = np.random.default_rng(seed)
    detection = Detection(100.25 + seed, 50.5, 5.1, 0.97)
    if label is None:
        return Cell(detection, 10.0, 5.0, None, None)
    single = rng.dirichlet(np.ones(3)).astype(np.float32)
    guided = rng.dirichlet(np.ones(3)).astype(np.float32)
    opinion = Opinion(label, 0.81, guided, "monocyte", 0.6, single, 9, ("hypogranular",))
    return Cell(detection, 10.0, 5.0, rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), opinion)


def frame(index: int = 0) -> Frame:
    pixels = np.zeros((40, 60, 3), np.uint8)
    return Frame(index, f"field {index}.png", pixels, Point(1.0, 2.0), 123, 800, None, SCALE.id)


def create(store: Store, run: str = "0123456789ab", seconds: float = 0, **changes: Any) -> str:
    """Put a run on record and return its id."""
    settings = {key: changes.pop(key) for key in ("record_number", "outputs", "simulated") if key in changes}
    store.create_run(
        run,
        plan(**changes),
        SCALE,
        "ONNX Runtime, CPU",
        "smear-13 v1 (abc123)",
        settings.pop("simulated", False),
        40,
        at(seconds),
        digest="forty fields",
        outputs=settings.pop("outputs", OUTPUTS),
        **settings,
    )
    return run


def commit(store: Store, run: str, index: int, before: Tally, *labels: str | None) -> Tally:
    """Put a field with these cells on record and return the tally after it."""
    after = before.adding(labels)
    cells = [cell(label, seed=10 * index + number) for number, label in enumerate(labels)]
    store.commit_field(run, frame(index), cells, after, at(index))
    return after


def counted_run(
    path: Path, run: str = "0123456789ab", record_number: str | None = None, **changes: Any
) -> str:
    """A store with a run of three fields: three lymphocytes, a monocyte, an erythroblast, and what is not counted."""
    with Store(path) as store:
        create(store, run, record_number=record_number, **changes)
        tally = commit(store, run, 0, Tally(plan(**changes).rules()), "lymphocyte", "lymphocyte", "platelet")
        tally = commit(store, run, 1, tally, "monocyte", None, "unidentified")
        commit(store, run, 2, tally, "lymphocyte", "erythroblast")
    return run


def unreadable(path: Path, run: str, plan: str = '{"camera": "simulated", "panel": "smear-12"}') -> None:
    """Give a run a plan that another version wrote."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DROP TRIGGER runs_no_other_scale")
        connection.execute("UPDATE runs SET plan = ? WHERE id = ?", (plan, run))
    connection.close()
