"""How fields and cells come into a set: pictures that are given, kept fields of runs, cells of signed runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.labelling.pictures import refuse_too_coarse, size_of
from appliance.labelling.reading import Origin
from appliance.labelling.sets import LabelSet, smear_of
from appliance.review.case import open_case
from appliance.review.signature import Status, signatures
from appliance.store import Store
from appliance.store_file import iso
from appliance.store_records import RunRecord
from calibration import Scale
from models.panel import UNIDENTIFIED


def add_picture(
    store: Store,
    into: LabelSet,
    picture: bytes,
    um_per_px: float,
    smear: str,
    by: str,
    at: datetime,
    *,
    calibration: str | None = None,
    labelled: bool = False,
    run: str | None = None,
) -> int:
    """Put a picture into a set and return the field's id. calibration: the id of its scale; None where it was stated.

    Raises ApplianceRefused for no picture, one that is too coarse to learn from, and one that is there already.
    """
    width, height = size_of(picture)
    refuse_too_coarse(um_per_px)
    stated = Scale.stated(um_per_px).id
    digest = hashlib.sha256(picture).hexdigest()
    if store.rows("SELECT 1 FROM label_fields WHERE label_set = ? AND digest = ?", into.id, digest):
        raise ApplianceRefused("This picture is in the set already, perhaps withdrawn: put it back then.")
    row = {
        "label_set": into.id, "picture": picture, "width": width, "height": height, "um_per_px": um_per_px,
        "calibration": calibration or stated, "smear": smear, "labelled": int(labelled), "run": run, "digest": digest,
        "who": by, "at": iso(at),
    }  # fmt: skip
    return store.insert("label_fields", row)


def add_run_picture(
    store: Store, into: LabelSet, run: RunRecord, numbers: list[int], by: str, at: datetime
) -> list[int]:
    """Put kept pictures of a run's fields into a set; those that are there already stay as they are.

    numbers: their places in the plan. Raises ApplianceRefused where they are not kept.
    """
    _refuse_other(into, run)
    kept, pictures = kept_fields(store, run), FieldPictures(store)
    if not all(number in kept for number in numbers):
        raise ApplianceRefused(_not_kept(run))
    sizes = {field.number: field.size_px for field in store.fields(run.id)}
    there = {
        row["digest"] for row in store.rows("SELECT digest FROM label_fields WHERE label_set = ?", into.id)
    }
    added = []
    for number in numbers:
        picture, size = pictures.picture(run.id, number), sizes[number]
        if size is None or hashlib.sha256(picture).hexdigest() in there:
            continue
        um_per_px = run.scale.um_per_px * size[0] / size_of(picture)[0]
        smear = smear_of(into.id, run.slide)
        added.append(
            add_picture(store, into, picture, um_per_px, smear, by, at, calibration=run.scale.id, run=run.id)
        )
    return added


def kept_fields(store: Store, run: RunRecord) -> list[int]:
    """Return which fields of a run have their picture still. Raises ApplianceRefused where none has."""
    kept = FieldPictures(store).numbers(run.id)
    if not kept:
        raise ApplianceRefused(_not_kept(run))
    return list(kept)


def join_cells(store: Store, into: LabelSet, run: RunRecord, labels: object, by: str, at: datetime) -> int:
    """Let cells of a signed run join a set, as they were signed; return how many.

    Each joins once, and again where an amendment was signed under which it has another label: the last stands.
    labels: only these; empty for all that the set knows. Raises ApplianceRefused for a run that is not signed.
    """
    _refuse_other(into, run)
    signed = [each for each in signatures(store, run.id) if each.status in (Status.FINAL, Status.AMENDED)]
    if not signed:
        raise ApplianceRefused(f"The run {run.id[:8]} is not signed as final. Sign it first.")
    if not isinstance(labels, list):
        raise ApplianceRefused("Name the labels that join, or none for all.")
    wanted = {into.checked(label) for label in labels} or {*into.labels} - {UNIDENTIFIED}
    sql = "SELECT cell, label FROM label_singles WHERE label_set = ? AND cell > 0 ORDER BY id"
    there = {row["cell"]: row["label"] for row in store.rows(sql, into.id)}
    cells = [
        cell
        for cell in open_case(store, run.id).until(signed[-1].after).cells
        if cell.label in wanted and there.get(cell.id) != cell.label
    ]
    for cell in cells:
        row = {
            "label_set": into.id, "crop": store.patch(cell.id), "label": cell.label,
            "smear": smear_of(into.id, run.slide), "cell": cell.id, "who": by, "at": iso(at),
        }  # fmt: skip
        store.insert("label_singles", row)
    return len(cells)


def put_cells(
    store: Store, field: int, cells: Sequence[dict[str, Any]], origin: Origin, by: str, at: datetime
) -> list[int]:
    """Put places into a field and return their ids. cells: x, y, radius_um and crop of each."""
    made = {"field": field, "origin": str(origin), "who": by, "at": iso(at)}
    return [store.insert("label_cells", {**cell, **made}) for cell in cells]


def _not_kept(run: RunRecord) -> str:
    return (
        f"The run {run.id[:8]} keeps no such picture (any more): they are kept for seven days at most. "
        "Add an exported picture instead."
    )


def _refuse_other(into: LabelSet, run: RunRecord) -> None:
    if run.simulated:
        raise ApplianceRefused(
            "This run is simulated: a network would learn the simulator. Choose a real one."
        )
    specimen = run.plan.rules().specimen
    if specimen is not into.specimen:
        raise ApplianceRefused(
            f"This run is of {specimen}, the set {into.name} of {into.specimen}. Choose another."
        )
