"""Labelled folders read back: the layout that training reads, COCO's and YOLO's, our own or another program's."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.image_file import SUFFIXES
from appliance.labelling.pictures import MOST_BYTES, canonical, size_of, taken
from appliance.labelling.whole import WholeCell, WholeField, WholeSet, WholeSingle
from appliance.patches import to_png
from models.data import SPECIMEN, UM_PER_PX

SMEAR = re.compile(r"[^A-Za-z0-9-]+")
NAMES = re.compile(r"^\s*(\d+)\s*:\s*['\"]?([^'\"#\n]+?)['\"]?\s*$", re.MULTILINE)
NAME_LIST = re.compile(r"^names:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a person says of a folder, where it does not say it itself."""

    name: str | None = None
    panel: str | None = None
    specimen: str | None = None
    um_per_px: float | None = None


def read_folder(folder: Path, stated: Stated) -> WholeSet:
    """Return the set in a folder. Raises ApplianceRefused where it holds none, or something is missing."""
    about = _about(folder)
    kinds = {"cells/cells.csv": _Training, "annotations.json": _Coco, "data.yaml": _Yolo}
    kind: type[_Reader] | None = next(
        (each for name, each in kinds.items() if (folder / name).is_file()), None
    )
    if kind is None:
        raise ApplianceRefused(
            f"{folder} holds no cells/cells.csv, no annotations.json (COCO) and no data.yaml (YOLO). Name another."
        )
    try:
        reader = kind(folder, about, stated)
        fields, singles = list(reader.fields()), list(reader.singles())
    except (KeyError, ValueError, TypeError, IndexError, OSError) as error:
        raise ApplianceRefused(f"{folder} is not as its layout has it: {error!r}. Export it anew.") from error
    labels = about.get("labels") or [
        *dict.fromkeys(
            [cell.label for field in fields for cell in field.cells] + [each.label for each in singles]
        )
    ]
    specimen = stated.specimen or about.get("specimen") or reader.specimen
    if not specimen:
        raise ApplianceRefused(f"{folder} does not say of what it is. Say it: --specimen marrow or blood.")
    return WholeSet(
        stated.name or about.get("name") or folder.name,
        stated.panel or about.get("panel") or "smear-13",
        specimen,
        tuple(labels),
        fields,
        singles,
    )


class _Reader(ABC):
    """What the layouts have in common: pictures, and what `set.json` says of them."""

    specimen = ""

    def __init__(self, folder: Path, about: Mapping[str, Any], stated: Stated) -> None:
        self.folder, self.stated = folder, stated
        self.about = {each["picture"].rpartition("/")[2]: each for each in about.get("fields", ())}

    @abstractmethod
    def fields(self) -> Iterator[WholeField]:
        """Return every field with its cells."""

    def singles(self) -> Iterator[WholeSingle]:
        return iter(())

    def field(self, path: Path, cells: list[WholeCell]) -> WholeField:
        """Return a field. cells: radii are taken from what is said of the picture."""
        said = self.about.get(path.stem, {})
        um_per_px = self.stated.um_per_px or said.get("um_per_px")
        picture = self.picture(path)
        width, height = size_of(picture)
        if um_per_px is None:
            raise ApplianceRefused(f"{self.folder} does not say how large a pixel is. Say it: --um-per-px F.")
        radii = said.get("radii_um", ())
        if len(radii) == len(cells):
            cells = [
                WholeCell(cell.x, cell.y, cell.label, radius)
                for cell, radius in zip(cells, radii, strict=True)
            ]
        return WholeField(
            hashlib.sha256(picture).hexdigest(), width, height, float(um_per_px),
            said.get("calibration") or f"stated: {um_per_px:.6g} µm/px", said.get("smear") or path.stem[:40],
            tuple(cells), lambda: self.picture(path),
        )  # fmt: skip

    def picture(self, path: Path) -> bytes:
        """Return a picture: as it is where we wrote it, else with nothing in it but the picture."""
        if not path.resolve().is_relative_to(self.folder.resolve()) or path.stat().st_size > MOST_BYTES * 3:
            raise ApplianceRefused(f"{path} is outside the folder, or too large. Leave it out.")
        data = path.read_bytes()
        return data if hashlib.sha256(data).hexdigest()[:16] == path.stem else taken(data, path.name)[0]


class _Training(_Reader):
    def __init__(self, folder: Path, about: Mapping[str, Any], stated: Stated) -> None:
        super().__init__(folder, about, stated)
        with (folder / "cells" / "cells.csv").open(newline="", encoding="utf-8") as file:
            self.rows = list(csv.DictReader(file))
        found = {SPECIMEN.get(row["source"], "") for row in self.rows}
        self.specimen = found.pop() if len(found) == 1 else ""

    def fields(self) -> Iterator[WholeField]:
        cells: dict[str, list[WholeCell]] = {f"{each['picture']}": [] for each in self.about.values()}
        for row in self.rows:
            if row.get("field"):
                radius = float(row["radius_um"]) if row["radius_um"] else None
                cell = WholeCell(float(row["x"]), float(row["y"]), row["label"], radius)
                cells.setdefault(row["field"].rpartition(".")[0], []).append(cell)
        for name, mine in cells.items():
            (path,) = self.folder.glob(f"{name}.*")
            yield self.field(path, mine)

    def singles(self) -> Iterator[WholeSingle]:
        for row in self.rows:
            if not row.get("field"):
                size = self.stated.um_per_px or UM_PER_PX.get(row["source"])
                if size is None:
                    raise ApplianceRefused(
                        f'Nobody knows the scale of the source "{row["source"]}". Say it: --um-per-px.'
                    )
                picture = self.picture(self.folder / row["path"])
                seen = canonical(taken(picture)[0], size)
                height, width = seen.pixels.shape[:2]
                crop = seen.crop(width / 2 / seen.across, height / 2 / seen.down)
                if crop is None:
                    raise ApplianceRefused(f"{row['path']} is narrower than 19.2 µm. Leave it out.")
                yield WholeSingle(to_png(crop), row["label"], SMEAR.sub("-", row["group"])[:40] or "1")


class _Coco(_Reader):
    def fields(self) -> Iterator[WholeField]:
        said = json.loads((self.folder / "annotations.json").read_text("utf-8"))
        names = {each["id"]: each["name"] for each in said["categories"]}
        for image in said["images"]:
            mine = [each for each in said["annotations"] if each["image_id"] == image["id"]]
            cells = [_centre(*map(float, each["bbox"]), label=names[each["category_id"]]) for each in mine]
            yield self.field(self.folder / "images" / image["file_name"], cells)


class _Yolo(_Reader):
    def fields(self) -> Iterator[WholeField]:
        names = _yolo_names((self.folder / "data.yaml").read_text("utf-8"))
        every = sorted(
            path for path in (self.folder / "images").rglob("*") if path.suffix.lower() in SUFFIXES
        )
        order = {name: n for n, name in enumerate(self.about)}  # as they came, where we wrote them
        for path in sorted(every, key=lambda path: order.get(path.stem, len(order))):
            labels = self.folder / "labels" / path.relative_to(self.folder / "images").with_suffix(".txt")
            width, height = size_of(self.picture(path))
            cells = []
            for line in labels.read_text("ascii").splitlines() if labels.is_file() else ():
                kind, x, y, w, h = line.split()
                share = float(w) * width, float(h) * height
                left, top = float(x) * width - share[0] / 2, float(y) * height - share[1] / 2
                cells.append(_centre(left, top, *share, label=names[int(kind)]))
            yield self.field(path, cells)


def _centre(left: float, top: float, width: float, height: float, *, label: str) -> WholeCell:
    """Return the cell in a box, px."""
    return WholeCell(round(left + width / 2, 4), round(top + height / 2, 4), label)


def _yolo_names(text: str) -> dict[int, str]:
    """Return the names of a data.yaml: a table by number, or a list in one line."""
    if listed := NAME_LIST.search(text):
        return dict(enumerate(each.strip().strip("'\"") for each in listed[1].split(",") if each.strip()))
    return {int(number): name for number, name in NAMES.findall(text.partition("names:")[2])}


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "set.json"
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ApplianceRefused(f"{path} is no JSON ({error}). Export the set anew.") from error
    return said if isinstance(said, dict) else {}
