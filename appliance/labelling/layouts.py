"""A set as files: the layout that training reads, COCO's, and YOLO's. Pure: what is written where is up to the caller.

Every layout has `set.json`, which says what the others have no place for: panel, labels, scales, calibrations, smears.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.labelling.pictures import canonical, pixels_of
from appliance.labelling.whole import WholeCell, WholeField, WholeSet, box
from appliance.patches import to_png
from models.crops import ARTEFACT, PATCH_PX, PLATELET, REACH_PX
from models.data import OWN

File = tuple[str, bytes]
USE = "Research use only: not for diagnosis."
CELLS_COLUMNS = ("path", "source", "label", "split", "group", "field", "x", "y", "radius_um", "calibration")


def training(whole: WholeSet) -> Iterator[File]:
    """Yield the layout that `hemadiff-train` reads, and the fields' own pictures, by which it is imported again.

    `cells/cells.csv` names 106×106 px at 0.20 µm/px for each cell, `fields/fields.csv` the fields at that scale with
    a box for each. A cell without a field has 96 px; the 5 px around it are mirrored.
    """
    source, split = OWN[whole.specimen], whole.splits
    cells: list[Sequence[object]] = []
    fields: list[Sequence[object]] = []
    for field in whole.fields:
        picture = field.read()
        own = f"pictures/{field.name}.{_ending(picture)}"
        scaled = canonical(picture, field.um_per_px)
        image, boxes = f"fields/{source}/images/{field.name}.png", f"fields/{source}/labels/{field.name}.txt"
        yield own, picture
        yield image, to_png(scaled.pixels)
        yield boxes, _yolo(field, {label: _kind(label) for label in whole.labels if _kind(label) is not None})
        fields.append((image, boxes, source, split[field.smear]))
        for number, cell in enumerate(field.cells):
            path = f"cells/{source}/{cell.label}/{field.name}-{number}.png"
            crop = scaled.crop(cell.x, cell.y, REACH_PX)
            if crop is None:  # of a folder whose cells lie nearer to the border
                crop = _mirrored(scaled.crop(cell.x, cell.y))
            if crop is None:
                continue
            yield path, to_png(crop)
            said = own, repr(cell.x), repr(cell.y), "" if cell.radius_um is None else repr(cell.radius_um)
            cells.append(
                (path, source, cell.label, split[field.smear], field.smear, *said, field.calibration)
            )
    for number, single in enumerate(whole.singles):
        path = f"cells/{source}/{single.label}/single-{number}.png"
        yield path, to_png(_mirrored(pixels_of(single.crop)))
        cells.append((path, source, single.label, split[single.smear], single.smear, "", "", "", "", ""))
    yield "cells/cells.csv", _csv(CELLS_COLUMNS, cells)
    yield "fields/fields.csv", _csv(("path", "annotation", "source", "split"), fields)
    yield _about(whole, "pictures")


def coco(whole: WholeSet) -> Iterator[File]:
    """Yield `annotations.json` (COCO's object detection: cocodataset.org, format data) and `images/`."""
    images: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    number = {label: n for n, label in enumerate(whole.labels, 1)}
    for field in whole.fields:
        picture = field.read()
        name = f"{field.name}.{_ending(picture)}"
        yield f"images/{name}", picture
        images.append(
            {"id": len(images) + 1, "file_name": name, "width": field.width, "height": field.height}
        )
        for cell in field.cells:
            left, top, width, height = box(field, cell)
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": len(images),
                    "category_id": number[cell.label],
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "segmentation": [],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": n, "name": label, "supercategory": "cell"} for label, n in number.items()]
    info = {"description": whole.name, "version": "1", "contributor": "hemadiff", "use": USE}
    said = {"info": info, "licenses": [], "images": images, "annotations": found, "categories": categories}
    yield "annotations.json", _json(said)
    yield _about(whole, "images")


def yolo(whole: WholeSet) -> Iterator[File]:
    """Yield `data.yaml`, and `images/` and `labels/` of each split (docs.ultralytics.com, detection datasets)."""
    number = {label: n for n, label in enumerate(whole.labels)}
    for field in whole.fields:
        picture, where = field.read(), whole.splits[field.smear]
        yield f"images/{where}/{field.name}.{_ending(picture)}", picture
        yield f"labels/{where}/{field.name}.txt", _yolo(field, number)
    names = "".join(f"  {n}: {label}\n" for label, n in number.items())
    yield (
        "data.yaml",
        f"# {USE}\npath: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n{names}".encode(),
    )
    yield _about(whole, "images")


LAYOUTS: Mapping[str, Callable[[WholeSet], Iterator[File]]] = MappingProxyType(
    {"training": training, "coco": coco, "yolo": yolo}
)


def _yolo(field: WholeField, classes: Mapping[str, int | None]) -> bytes:
    return "".join(
        f"{classes[cell.label]} {_shares(field, cell)}\n" for cell in field.cells if cell.label in classes
    ).encode("ascii")


def _shares(field: WholeField, cell: WholeCell) -> str:
    """A box as shares of the picture: centre x, centre y, width, height."""
    _, _, width, height = box(field, cell)
    shares = cell.x / field.width, cell.y / field.height, width / field.width, height / field.height
    return " ".join(f"{share:.10f}" for share in shares)


def _kind(label: str) -> int | None:
    """What the detector's training takes a cell for: 0 a white cell, 2 a platelet; None: nothing."""
    return 2 if label == PLATELET else None if label == ARTEFACT else 0


def _mirrored(crop: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Return a 96×96 crop as 106×106: training shifts a cell by 5 px (1 µm) each way."""
    if crop is None:
        raise ValueError("A cell whose window leaves its field cannot be labelled.")
    edge = (REACH_PX - PATCH_PX) // 2
    wider = cv2.copyMakeBorder(crop, edge, edge, edge, edge, cv2.BORDER_REFLECT_101)
    return np.asarray(wider, dtype=np.uint8)


def _about(whole: WholeSet, folder: str) -> File:
    fields = [
        {
            "picture": f"{folder}/{field.name}", "um_per_px": field.um_per_px, "calibration": field.calibration,
            "smear": field.smear, "radii_um": [cell.radius_um for cell in field.cells],
        }
        for field in whole.fields
    ]  # fmt: skip
    said = {
        "use": USE, "name": whole.name, "panel": whole.panel, "specimen": whole.specimen, "labels": whole.labels,
        "fields": fields,
    }  # fmt: skip
    return "set.json", _json(said)


def _ending(picture: bytes) -> str:
    return "png" if picture.startswith(b"\x89PNG") else "jpg"


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()
