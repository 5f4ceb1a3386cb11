"""Runs of the days before, of drawn cells: three of the same patient, one of another, one stopped, one too small."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from appliance.accounts.lockout import Way
from appliance.frame import Frame, Point
from appliance.review.case import open_case
from appliance.review.drawn_references import drawn_count, drawn_reference
from appliance.run import State
from appliance.service_desk import DESK
from appliance.store import Store
from appliance.store_records import RunRecord
from appliance.tally import Tally
from models.cells import Cell, Detection, Opinion

CELLS_OF_A_FIELD = 8
USUAL: Mapping[str, float] = {
    "segmented_neutrophil": 0.50, "band_neutrophil": 0.04, "lymphocyte": 0.30, "monocyte": 0.08,
    "eosinophil": 0.04, "basophil": 0.01, "metamyelocyte": 0.02, "erythroblast": 0.01,
}  # fmt: skip
RUNS: tuple[tuple[str, int, str | None, int, State, str, float], ...] = (
    # id, days ago, sample (None: of the count that ran), cells, state, reason, share of blasts
    ("5d20c8a91be4", 42, None, 320, State.COMPLETED, "300 cells are enough.", 0.001),
    ("91f4b07ce2d8", 28, None, 320, State.COMPLETED, "300 cells are enough.", 0.005),
    ("b7e31a5f4c06", 14, None, 320, State.COMPLETED, "300 cells are enough.", 0.01),
    ("2ac96d10f8b3", 3, "26-004388", 310, State.COMPLETED, "300 cells are enough.", 0.0),
    ("e40b8f6d7215", 2, "26-004502", 96, State.INSUFFICIENT, "The slide has no more cells to count.", 0.0),
    ("0f7a3c95de61", 1, "26-004630", 41, State.STOPPED, "Stopped by robin.", 0.0),
)


def put_earlier_runs(store: Store, like: RunRecord, now: datetime) -> None:
    """Put them on record, and sign those that are a result. like: the count that ran, for engine and weights."""
    own = store.record_number(like.id)
    for number, (run, days, sample, cells, state, reason, blasts) in enumerate(RUNS):
        at = now - timedelta(days=days, minutes=97 * number)
        store.create_run(
            run, like.plan, like.scale, like.engine, like.weights, True, like.planned, at,
            digest=run, camera=like.camera, outputs=like.outputs, record_number=sample or own,
        )  # fmt: skip
        labels = _labels(np.random.default_rng(number), cells, blasts, like.outputs)
        _commit(store, like, run, labels, at)
        store.set_state(run, state, reason, at + timedelta(minutes=9))
        if state is State.COMPLETED:
            signed = at + timedelta(minutes=31)
            digest = open_case(store, run).digest
            DESK["sign"](store, signed, run=run, by="ana", status="final", digest=digest, how=Way.PIN)


def _labels(rng: np.random.Generator, cells: int, blasts: float, outputs: tuple[str, ...]) -> list[str]:
    shares = {name: share for name, share in USUAL.items() if name in outputs} | {"blast": blasts}
    chances = np.array(list(shares.values()))
    return [str(name) for name in rng.choice(list(shares), cells, p=chances / chances.sum())]


def _commit(store: Store, like: RunRecord, run: str, labels: list[str], at: datetime) -> None:
    tally = Tally(like.plan.rules())
    for index, begin in enumerate(range(0, len(labels), CELLS_OF_A_FIELD)):
        of_field = labels[begin : begin + CELLS_OF_A_FIELD]
        tally = tally.adding(of_field)
        cells = [_cell(label, begin + n, like.outputs) for n, label in enumerate(of_field)]
        pixels = np.broadcast_to(np.uint8(0), (1040, 1388, 3))
        frame = Frame(
            index, f"field {index}", pixels, Point(139.0 * index, 0.0), 0, None, None, like.scale.id
        )
        store.commit_field(run, frame, cells, tally, at + timedelta(seconds=8 * index))


def _cell(label: str, number: int, outputs: tuple[str, ...]) -> Cell:
    sure = 0.99 - (number % 9) / 60
    shares = np.full(len(outputs), (1 - sure) / (len(outputs) - 1), np.float32)
    shares[outputs.index(label)] = sure
    patch = _drawn(label, number % max(1, drawn_count(label)))
    opinion = Opinion(label, sure, shares, label, sure, shares, 1)
    x, y = 150.0 + 170 * (number % CELLS_OF_A_FIELD), 200.0 + 97 * (number % 7)
    return Cell(Detection(x, y, 6.0, 0.95), x / 10, y / 10, patch, opinion)


@cache
def _drawn(label: str, number: int) -> NDArray[np.uint8]:
    """The 96×96 patch of a drawn cell."""
    with Image.open(io.BytesIO(drawn_reference(label, number))) as picture:
        return np.asarray(picture.convert("RGB").resize((96, 96), Image.Resampling.BOX))
