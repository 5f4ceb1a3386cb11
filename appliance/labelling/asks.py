"""What is asked of the instrument for labelling. A change and its line of the audit trail are one transaction."""

from __future__ import annotations

import binascii
import re
import secrets
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from json import dumps
from math import isfinite
from typing import Any

from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.labelling import withdrawals
from appliance.labelling.additions import add_picture, add_run_picture, join_cells, put_cells
from appliance.labelling.pictures import size_of
from appliance.labelling.reading import LabelCell, Origin
from appliance.labelling.sets import LabelField, LabelSets
from appliance.review.who_says import person, written
from appliance.store import Store
from appliance.store_file import iso
from models.crops import PATCH_PX
from models.panel import UNIDENTIFIED, Specimen, load_panel

LONGEST_NAME = 60
MOST_AT_ONCE = 10  # pictures; the instrument's one writer takes them in less time than a field may wait
MOST_SINGLES = 200  # cells without a field
MOST_LABELS = 40
LABEL = re.compile(r"[a-z][a-z0-9_]{1,40}")
SMEAR = re.compile(r"[A-Za-z0-9-]{1,40}")


def make_label_set(
    store: Store,
    at: datetime,
    *,
    by: str,
    name: str,
    panel: str,
    specimen: str,
    labels: list[str],
    wanted: int,
) -> dict[str, Any]:
    """Make a set. labels: beside the panel's own, or instead of them where all are given; wanted: 1 or 2 labellers."""
    by, name = person(by), written(name, "name of the set", LONGEST_NAME)
    chosen = _labels(load_panel(panel).names, labels)
    if not name or specimen not in tuple(Specimen) or wanted not in (1, 2):
        raise ApplianceRefused(
            "A set needs a name, a specimen (marrow or blood), and one or two labellers a field."
        )
    with store.atomic():
        if store.rows("SELECT 1 FROM label_sets WHERE name = ?", name):
            raise ApplianceRefused(f'There is a set "{name}" already. Choose another name.')
        row: dict[str, Any] = {
            "id": secrets.token_hex(4), "name": name, "panel": panel, "specimen": specimen,
            "labels": dumps(chosen), "wanted": wanted, "who": by, "at": iso(at),
        }  # fmt: skip
        store.insert("label_sets", row)
        AuditTrail(store).add(by, "label", row["id"], {"made": True}, at=at)  # its name is typed: not here
    return {"set": row["id"]}


def add_label_field(
    store: Store,
    at: datetime,
    *,
    by: str,
    set: str,
    picture: str,
    um_per_px: float,
    smear: str,
) -> dict[str, Any]:
    """Take a picture, as `pictures.taken` leaves it (base64). um_per_px: as a person states it."""
    by, into = person(by), LabelSets(store).standing(set)
    with store.atomic():
        field = add_picture(store, into, _bytes(picture), _number(um_per_px), _smear(smear), by, at)
        AuditTrail(store).add(by, "label", into.id, {"field": field, "um_per_px": um_per_px}, at=at)
    return {"field": field}


def add_run_fields(
    store: Store,
    at: datetime,
    *,
    by: str,
    set: str,
    run: str,
    numbers: list[int],
) -> dict[str, Any]:
    """Take kept pictures of a run's fields, a few an ask: counts wait meanwhile. numbers: their places in the plan."""
    if not isinstance(numbers, list) or not 0 < len(numbers) <= MOST_AT_ONCE:
        raise ApplianceRefused(f"Ask for 1 to {MOST_AT_ONCE} pictures, and then for the others.")
    by, into = person(by), LabelSets(store).standing(set)
    with store.atomic():
        fields = add_run_picture(store, into, store.run(written(run, "id of the run", 40)), numbers, by, at)
        AuditTrail(store).add(by, "label", into.id, {"fields": fields}, at=at)
    return {"fields": fields}


def import_label_field(
    store: Store,
    at: datetime,
    *,
    by: str,
    set: str,
    picture: str,
    um_per_px: float,
    calibration: str,
    smear: str,
    cells: list[dict[str, Any]],
) -> dict[str, Any]:
    """Take a picture with its labels. cells: x, y, label, radius_um (or null) and crop (base64) of each."""
    by, into = person(by), LabelSets(store).standing(set)
    with store.atomic():
        field = add_picture(
            store, into, _bytes(picture), _number(um_per_px), _smear(smear), by, at,
            calibration=written(calibration, "calibration", 100), labelled=True,
        )  # fmt: skip
        places = [_place(LabelSets(store).field(field), cell) for cell in cells]
        for cell, place in zip(cells, put_cells(store, field, places, Origin.IMPORTED, by, at), strict=True):
            row = {"cell": place, "who": by, "label": into.checked(cell.get("label")), "at": iso(at)}
            store.insert("label_settled", row)
        AuditTrail(store).add(by, "label", into.id, {"imported": field, "cells": len(cells)}, at=at)
    return {"field": field}


def import_label_singles(
    store: Store,
    at: datetime,
    *,
    by: str,
    set: str,
    cells: list[dict[str, Any]],
) -> dict[str, Any]:
    """Take cells without a field. cells: crop (96×96, base64), label and smear of each."""
    if not isinstance(cells, list) or len(cells) > MOST_SINGLES:
        raise ApplianceRefused(f"Ask for {MOST_SINGLES} cells at most, and then for the others.")
    by, into = person(by), LabelSets(store).standing(set)
    with store.atomic():
        for cell in cells:
            row = {
                "label_set": into.id, "crop": _crop(cell.get("crop")), "label": into.checked(cell.get("label")),
                "smear": _smear(cell.get("smear")), "who": by, "at": iso(at),
            }  # fmt: skip
            store.insert("label_singles", row)
        AuditTrail(store).add(by, "label", into.id, {"imported cells": len(cells)}, at=at)
    return {"cells": len(cells)}


def join_run_cells(
    store: Store,
    at: datetime,
    *,
    by: str,
    set: str,
    run: str,
    labels: list[str],
) -> dict[str, Any]:
    """Let the cells of a signed run join, with the labels that were signed. labels: only these; empty for all."""
    by, into = person(by), LabelSets(store).standing(set)
    with store.atomic():
        joined = join_cells(store, into, store.run(written(run, "id of the run", 40)), labels, by, at)
        AuditTrail(store).add(by, "label", into.id, {"joined": joined}, at=at)
    return {"joined": joined}


def propose_label_cells(
    store: Store, at: datetime, *, by: str, field: int, cells: list[dict[str, Any]]
) -> dict[str, Any]:
    """Put places there that a detector found: x, y, radius_um and crop of each. Places that are there stay."""
    by, sets = person(by), LabelSets(store)
    place = sets.field(field)
    reading = sets.reading(place)
    reading.refuse_withdrawn()
    if reading.readers or not reading.wanted:
        raise ApplianceRefused(f"Somebody labels field {field} already. Propose before that.")
    new = [_place(place, cell) for cell in cells]
    new = [cell for cell in new if reading.near(cell["x"], cell["y"], place.um_per_px) is None]
    with store.atomic():
        put_cells(store, field, new, Origin.PROPOSAL, by, at)
        AuditTrail(store).add(by, "label", place.set, {"field": field, "proposed": len(new)}, at=at)
    return {"proposed": len(new)}


def mark_label_cell(
    store: Store, at: datetime, *, by: str, field: int, x: float, y: float, label: str | None, crop: str
) -> dict[str, Any]:
    """Give the cell at a place a label, or take one's own back (None). crop: the 96×96 around it (base64)."""
    by, sets = person(by), LabelSets(store)
    place = sets.field(field)
    reading = sets.reading(place)
    reading.refuse_reading(by)
    spot = _place(place, {"x": x, "y": y, "crop": crop})
    with store.atomic():
        cell: LabelCell | int | None = reading.near(spot["x"], spot["y"], place.um_per_px)
        if label is None:
            if not isinstance(cell, LabelCell) or cell.id not in reading.said.get(by, {}):
                raise ApplianceRefused("You gave no cell there a label.")
        else:
            sets.get(place.set).checked(label)
        if cell is None:
            (cell,) = put_cells(store, field, [spot], Origin.PERSON, by, at)
        number = cell.id if isinstance(cell, LabelCell) else cell
        store.insert("label_marks", {"cell": number, "who": by, "label": label, "at": iso(at)})
        # Not what was said: whoever may read the trail may be the other labeller.
        AuditTrail(store).add(by, "label", place.set, {"cell": number}, at=at)
    return {}


def finish_label_field(store: Store, at: datetime, *, by: str, field: int) -> dict[str, Any]:
    """Say that every cell of a field is labelled, as far as one can tell."""
    by, sets = person(by), LabelSets(store)
    place = sets.field(field)
    reading = sets.reading(place)
    reading.refuse_reading(by)
    with store.atomic():
        if by not in reading.finished:
            store.insert("label_finished", {"field": field, "who": by, "at": iso(at)})
            AuditTrail(store).add(by, "label", place.set, {"finished": field}, at=at)
    after = sets.reading(place)
    return {"read": after.read, "disputed": len(after.disputed) if after.read else 0}


def settle_label_cell(store: Store, at: datetime, *, by: str, cell: int, label: str | None) -> dict[str, Any]:
    """Say as the third what a cell is, or that there is none (None)."""
    by, sets = person(by), LabelSets(store)
    place = sets.field_of(cell)
    sets.reading(place).refuse_settling(cell, by)
    if label is not None:
        sets.get(place.set).checked(label)
    with store.atomic():
        store.insert("label_settled", {"cell": cell, "who": by, "label": label, "at": iso(at)})
        AuditTrail(store).add(by, "label", place.set, {"settled": cell, "label": label}, at=at)
    return {}


def label_set_exported(store: Store, at: datetime, *, by: str, set: str, layout: str) -> dict[str, Any]:
    """Put on the trail that somebody took a set out of the instrument."""
    AuditTrail(store).add(person(by), "export", LabelSets(store).get(set).id, {"layout": layout}, at=at)
    return {}


ASKS: Mapping[str, Any] = {
    **{
        each.__name__: each
        for each in (
            make_label_set, add_label_field, add_run_fields, import_label_field, import_label_singles, join_run_cells,
            propose_label_cells, mark_label_cell, finish_label_field, settle_label_cell, label_set_exported,
        )
    },
    **withdrawals.ASKS,
}  # fmt: skip
QUIET = tuple(ASKS)
"""None of them changes what followers of a count see."""


def _labels(panel: Sequence[str], more: object) -> list[str]:
    if not isinstance(more, list) or not all(
        isinstance(each, str) and LABEL.fullmatch(each) for each in more
    ):
        raise ApplianceRefused("A label is small letters, digits and _, a letter first: plasma_cell.")
    if UNIDENTIFIED in more:
        raise ApplianceRefused(
            f'"{UNIDENTIFIED}" is what a machine leaves to a person. It is no label of a set.'
        )
    chosen = list(dict.fromkeys([*panel, *more]))
    if len(chosen) > MOST_LABELS:
        raise ApplianceRefused(f"{len(chosen)} labels are too many for a screen: {MOST_LABELS} are the most.")
    return chosen


def _place(field: LabelField, cell: object) -> dict[str, Any]:
    if not isinstance(cell, dict):
        raise ApplianceRefused("A cell is an object with x, y and its crop.")
    x, y = _number(cell.get("x")), _number(cell.get("y"))
    if not (0 <= x <= field.width and 0 <= y <= field.height):
        raise ApplianceRefused("This place is outside the field.")
    radius = cell.get("radius_um")
    return {
        "x": x,
        "y": y,
        "crop": _crop(cell.get("crop")),
        "radius_um": None if radius is None else _number(radius),
    }


def _crop(text: object) -> bytes:
    crop = _bytes(text)
    if size_of(crop) != (PATCH_PX, PATCH_PX):
        raise ApplianceRefused(f"A crop has {PATCH_PX} × {PATCH_PX} px.")
    return crop


def _bytes(text: object) -> bytes:
    try:
        return b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError) as error:
        raise ApplianceRefused("A picture is sent in base64.") from error


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ApplianceRefused("Places and pixel sizes are numbers.")
    return float(value)


def _smear(text: object) -> str:
    if not isinstance(text, str) or not SMEAR.fullmatch(text):
        raise ApplianceRefused("A smear is called by letters, digits and hyphens that name nobody: 1, 2, 3.")
    return text
