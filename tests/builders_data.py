"""A small labelled data set in the layout of the real one, drawn at test time."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

LABELS = {"pbc": ("monocyte", "platelet", "basophil"), "mll": ("blast", "not_identifiable")}
SIDE = {"pbc": (360, 0.10), "mll": (250, 0.086)}


def small_data_set(folder: Path, per_label: int = 2) -> Path:
    """Write cells (every split) and fields of both sources below ``folder``; return it."""
    random = np.random.default_rng(5)
    rows = [
        _cell(folder, random, source, label, split, k)
        for source, labels in LABELS.items()
        for label in labels
        for split in ("train", "val", "test")
        for k in range(per_label)
    ]
    _table(folder / "cells" / "cells.csv", ("path", "source", "label", "split", "group"), rows)
    fields = [_field(folder, random, *item) for item in FIELDS]
    _table(folder / "fields" / "fields.csv", ("path", "annotation", "source", "split"), fields)
    return folder


FIELDS = (("bccd", "train"), ("bccd", "val"), ("raabin", "train"), ("raabin", "test"))


def _cell(
    folder: Path, random: np.random.Generator, source: str, label: str, split: str, k: int
) -> tuple[str, ...]:
    side, um_per_px = SIDE[source]
    image = _blank(random, side, side)
    colour = [int(c) for c in random.integers(40, 160, 3)]
    cv2.circle(image, (side // 2, side // 2), int(6 / um_per_px), colour, -1)
    name = f"cells/{source}/{label}/{split}_{k}.png"
    _write(folder / name, image)
    return name, source, label, split, f"{source}-{label}-{split}-{k}"


def _field(folder: Path, random: np.random.Generator, source: str, split: str) -> tuple[str, ...]:
    image = _blank(random, 480, 640)
    cv2.circle(image, (200, 240), 90, (140, 60, 90), -1)
    cv2.circle(image, (520, 240), 45, (160, 160, 220), -1)
    name = f"fields/{source}/images/{split}.png"
    _write(folder / name, image)
    annotation = f"fields/{source}/labels/{split}.{'xml' if source == 'bccd' else 'txt'}"
    (folder / annotation).parent.mkdir(parents=True, exist_ok=True)
    (folder / annotation).write_text(_voc() if source == "bccd" else _yolo())
    return name, annotation, source, split


def _voc() -> str:
    def item(name: str, box: tuple[int, int, int, int]) -> str:
        edges = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        return f"<object><name>{name}</name><bndbox>{edges}</bndbox></object>"

    return f"<annotation>{item('WBC', (110, 150, 290, 330))}{item('RBC', (475, 195, 565, 285))}</annotation>"


def _yolo() -> str:
    return f"0 {200 / 640} 0.5 {180 / 640} {180 / 480}\n1 {520 / 640} 0.5 {90 / 640} {90 / 480}\n"


def _blank(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    return random.integers(215, 235, (height, width, 3), dtype=np.uint8)


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def _table(path: Path, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
