"""The labelled cells and fields that networks are trained on and judged by."""

from __future__ import annotations

import csv
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data_option import DATA_BESIDE, DATA_VARIABLE
from models.errors import ModelRefused

# Estimated from red cells and optics, ± 8 %.
UM_PER_PX = {"pbc": 0.10, "mll": 0.086, "bccd": 0.076, "raabin": 0.058}
SPECIMEN = {"pbc": "blood", "mll": "marrow", "bccd": "blood", "raabin": "blood"}
# What an instrument's own labelling exports: resampled from its calibration.
OWN = {"blood": "hemadiff-blood", "marrow": "hemadiff-marrow"}
UM_PER_PX |= dict.fromkeys(OWN.values(), 0.20)
SPECIMEN |= {source: specimen for specimen, source in OWN.items()}
SMALLEST_WHITE_CELL_UM = 2.8  # a box whose narrower side is shorter is a slip of the annotator


@dataclass(frozen=True, slots=True)
class LabelledCell:
    """One image with one expert-labelled cell in its middle."""

    path: Path
    source: str
    label: str
    split: str

    @property
    def um_per_px(self) -> float:
        """The pixel size of its source, µm."""
        return UM_PER_PX[self.source]


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled box, in the image's pixels. kind: ``white``, ``red`` or ``platelet``."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class LabelledField:
    """One field with its boxes."""

    path: Path
    source: str
    split: str
    annotation: Path

    @property
    def um_per_px(self) -> float:
        """The pixel size of its source, µm."""
        return UM_PER_PX[self.source]


def data_folder(stated: Path | None = None) -> Path:
    """Return the folder of real images: as stated, else as `models.data_option` says.

    Raises ModelRefused where it holds neither cells nor fields.
    """
    folder = stated or Path(os.environ.get(DATA_VARIABLE, DATA_BESIDE))
    if not (folder / "cells" / "cells.csv").is_file() and not (folder / "fields" / "fields.csv").is_file():
        raise ModelRefused(
            f"{folder} holds no cells/cells.csv and no fields/fields.csv. "
            "Name the folder of labelled images with --data or HEMADIFF_DATA."
        )
    return folder


def labelled_cells(folder: Path) -> list[LabelledCell]:
    """Return every row of ``cells/cells.csv``, in its order."""
    return [
        LabelledCell(folder / row["path"], row["source"], row["label"], row["split"])
        for row in _rows(folder / "cells" / "cells.csv")
    ]


def labelled_fields(folder: Path) -> list[LabelledField]:
    """Return every row of ``fields/fields.csv``, in its order."""
    return [
        LabelledField(folder / row["path"], row["source"], row["split"], folder / row["annotation"])
        for row in _rows(folder / "fields" / "fields.csv")
    ]


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a labelled image as H×W×3 RGB. Raises ModelRefused where it cannot be read."""
    data = np.fromfile(path, dtype=np.uint8) if path.is_file() else np.empty(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ModelRefused(f"{path} cannot be read as an image. Copy the data set again.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def boxes(field: LabelledField, width: int, height: int) -> list[Box]:
    """Return the boxes of a field of width × height px (Pascal VOC or YOLO, by the annotation's name)."""
    if field.annotation.suffix == ".xml":
        return list(_voc(field.annotation))
    return list(_yolo(field.annotation, width, height))


def white_cells(field: LabelledField, width: int, height: int) -> list[Box]:
    """Return the boxes of a field's white cells, width × height px, without those too narrow to be one."""
    return [box for box in boxes(field, width, height) if box.kind == "white" and _wide_enough(box, field)]


def _wide_enough(box: Box, field: LabelledField) -> bool:
    narrower = min(box.right - box.left, box.bottom - box.top)
    return narrower * field.um_per_px >= SMALLEST_WHITE_CELL_UM


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise ModelRefused(
            f"{path} is missing. Name the folder of labelled images with --data or HEMADIFF_DATA."
        )
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


_VOC = {"WBC": "white", "RBC": "red", "Platelets": "platelet"}
_YOLO = ("white", "red", "platelet")


def _voc(path: Path) -> Iterator[Box]:
    for item in ElementTree.parse(path).getroot().iter("object"):
        edges = [float(item.findtext(f"bndbox/{edge}") or 0) for edge in ("xmin", "ymin", "xmax", "ymax")]
        yield Box(_VOC[item.findtext("name") or ""], *edges)


def _yolo(path: Path, width: int, height: int) -> Iterator[Box]:
    for line in path.read_text(encoding="ascii").splitlines():
        kind, x, y, w, h = line.split()
        cx, cy, half_w, half_h = (
            float(x) * width,
            float(y) * height,
            float(w) * width / 2,
            float(h) * height / 2,
        )
        yield Box(_YOLO[int(kind)], cx - half_w, cy - half_h, cx + half_w, cy + half_h)
