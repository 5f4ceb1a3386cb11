"""Counts for quality control, with pictures of their fields, as the instrument leaves them in a store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from builders_store import NOON, SCALE, at, create

from appliance.field_pictures import FieldPictures, picture_of
from appliance.frame import Frame, Point
from appliance.qc_desk import mark_qc
from appliance.run import State
from appliance.store import Store
from appliance.tally import Tally
from models.cells import Cell, Detection, Opinion

RUN = "0c0ffee00123"
WIDTH, HEIGHT = 1200, 900  # px of the frame, at 0.1 µm/px
Place = tuple[int, int]
THREE: tuple[Sequence[Place], ...] = (
    ((300, 300), (700, 500)),
    ((400, 600), (800, 300), (600, 450)),
    ((500, 500),),
)


def drawn(places: Sequence[Place]) -> np.ndarray:
    """A field with a violet disc for each cell."""
    pixels = np.full((HEIGHT, WIDTH, 3), (244, 232, 226), np.uint8)
    for place in places:
        cv2.circle(pixels, place, 60, (196, 170, 214), -1)
        cv2.circle(pixels, place, 34, (92, 46, 140), -1)
    return pixels


def found(place: Place, label: str | None = "lymphocyte") -> Cell:
    """A cell that was located there; label None: at the border."""
    detection = Detection(float(place[0]), float(place[1]), 6.0, 0.9)
    if label is None:
        return Cell(detection, 1.0, 1.0, None, None)
    share = np.float32([0.9])
    return Cell(
        detection, 1.0, 1.0, np.zeros((96, 96, 3), np.uint8), Opinion(label, 0.9, share, label, 0.9, share, 1)
    )


def a_qc_run(
    path: Path,
    fields: Sequence[Sequence[Place]] = THREE,
    others: Sequence[Cell] = (),
    state: State = State.COMPLETED,
    run: str = RUN,
    begun: datetime = NOON,
    **changes: Any,
) -> str:
    """Put a count for quality control on record with these cells located. others: found in its first field too."""
    with Store(path) as store:
        create(store, run, qc=True, **changes)
        tally = Tally(store.run(run).plan.rules())
        for number, places in enumerate(fields):
            cells = [*(found(place) for place in places), *(others if number == 0 else ())]
            tally = tally.adding([cell.opinion.label if cell.opinion else None for cell in cells])
            pixels = drawn(places)
            frame = Frame(number, f"field {number}", pixels, Point(0, 0), 0, None, None, SCALE.id)
            with store.atomic():
                store.commit_field(run, frame, cells, tally, begun)
                FieldPictures(store).keep(run, number, picture_of(pixels, SCALE.um_per_px), begun)
        store.set_state(run, state, "Counted.", begun)
    return run


def marked(store: Store, field: int, kind: str, present: bool = True, **where: int) -> dict[str, Any]:
    """Put a mark on record as the page asks for it."""
    return mark_qc(store, at(100), by="robin", run=RUN, field=field, kind=kind, present=present, **where)


def gone_over(store: Store, *fields: int) -> None:
    """Tick fields."""
    for field in fields:
        marked(store, field, "gone over")
