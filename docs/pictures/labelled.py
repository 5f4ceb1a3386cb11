"""A set to label: fields of the simulated count, which one person has gone through and another has begun."""

from __future__ import annotations

import io
from base64 import b64encode
from datetime import datetime

import numpy as np
from PIL import Image

from appliance.field_pictures import FieldPictures
from appliance.labelling.pictures import BORDER_UM, crop_png
from appliance.labelling.sets import LabelSets
from appliance.patches import to_png
from appliance.service_desk import DESK
from appliance.store import Store
from appliance.store_records import CellRecord, RunRecord
from models.panel import UNIDENTIFIED

NAME = "Blood, autumn"
FIELDS = 4
BEGUN = 3  # cells that the second person has labelled in the second field


def put_label_set(store: Store, counted: RunRecord, now: datetime) -> None:
    """Make the set. The fields are pictures there, as of a microscope elsewhere: simulated runs give it none."""
    made = DESK["make_label_set"](
        store, now, by="ana", name=NAME, panel=counted.plan.panel, specimen=str(counted.plan.specimen),
        labels=["plasma_cell"], wanted=2,
    )["set"]  # fmt: skip
    cells = store.cells(counted.id)
    fullest = sorted(
        FieldPictures(store).numbers(counted.id), key=lambda number: -sum(c.field == number for c in cells)
    )
    for smear, number in enumerate(fullest[:FIELDS]):
        _put_field(store, counted, made, number, [c for c in cells if c.field == number], smear, now)


def _put_field(
    store: Store, counted: RunRecord, made: str, number: int, cells: list[CellRecord], nth: int, now: datetime
) -> None:
    with Image.open(io.BytesIO(FieldPictures(store).picture(counted.id, number))) as picture:
        (record,) = (each for each in store.fields(counted.id) if each.number == number)
        assert record.size_px is not None
        share, size = picture.width / record.size_px[0], picture.size
        png = b64encode(_png(picture)).decode()
    um_per_px = counted.scale.um_per_px / share
    field = DESK["add_label_field"](
        store, now, by="ana", set=made, picture=png, um_per_px=um_per_px, smear=str(nth + 1)
    )["field"]
    margin = BORDER_UM / um_per_px + 1
    inside = [
        (cell.x * share, cell.y * share, cell.label)
        for cell in cells
        if margin < cell.x * share < size[0] - margin and margin < cell.y * share < size[1] - margin
    ]
    seen = [
        {"x": x, "y": y, "radius_um": 6.0, "crop": _crop(store, field, um_per_px, x, y)} for x, y, _ in inside
    ]
    DESK["propose_label_cells"](store, now, by="ana", field=field, cells=seen)
    names = [label if label and label != UNIDENTIFIED else "artefact" for _, _, label in inside]
    for at, label in zip(seen, names, strict=True):
        _mark(store, now, "ana", field, at, label)
    DESK["finish_label_field"](store, now, by="ana", field=field)
    for at, label in list(zip(seen, names, strict=True))[: None if nth == 0 else BEGUN if nth == 1 else 0]:
        _mark(store, now, "mina", field, at, label)
    if nth == 0:
        DESK["finish_label_field"](store, now, by="mina", field=field)


def _mark(store: Store, now: datetime, by: str, field: int, at: dict[str, object], label: str) -> None:
    DESK["mark_label_cell"](
        store, now, by=by, field=field, x=at["x"], y=at["y"], label=label, crop=at["crop"]
    )


def _crop(store: Store, field: int, um_per_px: float, x: float, y: float) -> str:
    return b64encode(crop_png(LabelSets(store).picture(field), um_per_px, x, y)).decode()


def _png(picture: Image.Image) -> bytes:
    return to_png(np.asarray(picture.convert("RGB")))
