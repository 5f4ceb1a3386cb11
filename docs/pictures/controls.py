"""Quality controls of the last weeks, and one whose fields wait to be gone over: fields of the count that ran."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from appliance.field_pictures import FieldPictures
from appliance.frame import Frame
from appliance.plan import Plan
from appliance.qc_desk import mark_qc
from appliance.qc_history import QcHistory
from appliance.run import State
from appliance.store import Store
from appliance.store_records import CellRecord, RunRecord
from appliance.tally import Tally
from calibration.qc import judge_qc
from models.cells import Cell, Detection, Opinion

RUN = "7c1b90e52fa4"
FIELDS = 6
DONE: tuple[tuple[int, int, int], ...] = (  # located, missed, false finds
    (214, 2, 1), (209, 4, 2), (217, 1, 0), (211, 3, 3), (206, 5, 2), (196, 14, 9), (213, 2, 2),
    (218, 1, 1), (210, 3, 1), (215, 2, 0), (212, 2, 2), (216, 1, 1), (208, 4, 1), (214, 1, 2),
)  # fmt: skip


def put_controls(store: Store, counted: RunRecord, now: datetime) -> None:
    """Put a control on record for every other day, and a count for one that is half gone over."""
    for number, numbers in enumerate(DONE):
        at = now - timedelta(days=2 * (len(DONE) - 1 - number), hours=5 + number % 3)
        note = "new immersion oil" if number == len(DONE) // 2 else ""
        QcHistory(store).record(judge_qc(*numbers), "robin", "QC 7", at, note=note)
    _put_count(store, counted, now - timedelta(minutes=40))


def _put_count(store: Store, like: RunRecord, at: datetime) -> None:
    store.create_run(
        RUN, _for_control(like), like.scale, like.engine, like.weights, True, like.planned, at,
        digest="fields of a control", camera=like.camera, outputs=like.outputs,
    )  # fmt: skip
    pictures, tally = FieldPictures(store), Tally(_for_control(like).rules())
    cells, fields = store.cells(like.id), store.fields(like.id)
    kept = [number for number in pictures.numbers(like.id) if any(cell.field == number for cell in cells)]
    kept.sort(key=lambda number: -sum(cell.field == number for cell in cells))
    for index, number in enumerate(kept[:FIELDS]):
        (field,) = (each for each in fields if each.number == number)
        assert field.size_px is not None
        assert field.place is not None
        of_field = [_again(cell) for cell in cells if cell.field == number]
        tally = tally.adding([cell.opinion.label if cell.opinion else None for cell in of_field])
        pixels = np.broadcast_to(np.uint8(0), (field.size_px[1], field.size_px[0], 3))
        frame = Frame(index, f"field {index}", pixels, field.place, 0, None, None, like.scale.id)
        with store.atomic():
            store.commit_field(RUN, frame, of_field, tally, at)
            pictures.keep(RUN, index, pictures.picture(like.id, number), at)
    store.set_state(RUN, State.COMPLETED, "Counted for quality control.", at)
    for index in range(2):
        mark_qc(store, at, by="robin", run=RUN, field=index, kind="gone over", present=True)


def _for_control(like: RunRecord) -> Plan:
    return replace(like.plan, qc=True)


def _again(cell: CellRecord) -> Cell:
    """The same find in another run; its patch is not shown there."""
    found = Detection(cell.x, cell.y, cell.radius_um, cell.score)
    if cell.label is None:
        return Cell(found, cell.x_um, cell.y_um, None, None)
    assert cell.probability is not None
    assert cell.probabilities is not None
    opinion = Opinion(
        cell.label, cell.probability, cell.probabilities, cell.label, cell.probability, cell.probabilities, 1
    )
    return Cell(found, cell.x_um, cell.y_um, np.zeros((96, 96, 3), np.uint8), opinion)
