"""Cells, artefacts and platelets as crops at the canonical scale, the same reach for every source.

Every crop shows 21.2 µm around a centre and nothing of the image's border, so that neither padding nor
the width of a source's images tells where it came from.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import Box, LabelledCell, LabelledField, boxes, labelled_cells, labelled_fields, read_rgb
from models.resample import to_scale, window

CANONICAL_UM_PER_PX = 0.20
PATCH_PX = 96
REACH_PX = 106  # 96 and a shift of 5 on either side: the most that the narrower source (21.5 µm) has
ARTEFACT = "artefact"
PLATELET = "platelet"
WHITE_CELL = "white_cell"  # of a kind that nobody named: it only teaches what is no artefact

HALF_CELL_PX = 44.0  # a white cell's centre at least this far off (8.8 µm): half a cell at most
ARTEFACTS_PER_FIELD = 4


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """images: uint8 N×106×106×3.  labels, sources: one per image."""

    images: NDArray[np.uint8]
    labels: tuple[str, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        """How many."""
        return len(self.labels)


Crop = tuple[NDArray[np.uint8], str, str]


def cells_of_split(folder: Path, split: str) -> Iterator[Crop]:
    """Yield the labelled cells of a split."""
    return (_centre(cell) for cell in labelled_cells(folder) if cell.split == split)


def others_of_split(folder: Path, split: str) -> Iterator[Crop]:
    """Yield artefacts, platelets and unnamed white cells from the blood cells and the fields of a split.

    Artefacts are red cells, background and half cells: cut away from the middle of blood images, and
    from fields away from every white cell. Their places depend on the file's name alone.
    """
    blood = [cell for cell in labelled_cells(folder) if cell.split == split and cell.source == "pbc"]
    for cell in blood[::3]:
        yield from _off_centre(cell)
    for item in labelled_fields(folder):
        if item.split == split:
            yield from _of_field(item)


def stacked(crops: Iterable[Crop]) -> Crops:
    """Put crops into one array."""
    images, labels, sources = zip(*crops, strict=True)
    return Crops(np.stack(images), labels, sources)


def _centre(cell: LabelledCell) -> Crop:
    image = to_scale(read_rgb(cell.path), cell.um_per_px, CANONICAL_UM_PER_PX)
    height, width = image.shape[:2]
    crop = window(image, width / 2, height / 2, REACH_PX)
    if crop is None:
        raise ValueError(f"{cell.path} is narrower than {REACH_PX * CANONICAL_UM_PER_PX:.1f} µm.")
    return crop, cell.label, cell.source


def _generator(path: Path) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(path.name.encode()))


def _off_centre(cell: LabelledCell) -> Iterator[Crop]:
    image = to_scale(read_rgb(cell.path), cell.um_per_px, CANONICAL_UM_PER_PX)
    height, width = image.shape[:2]
    random = _generator(cell.path)
    margin = REACH_PX / 2
    for _ in range(20):
        x, y = random.uniform(margin, width - margin), random.uniform(margin, height - margin)
        if np.hypot(x - width / 2, y - height / 2) >= HALF_CELL_PX:
            crop = window(image, x, y, REACH_PX)
            if crop is not None:
                yield crop, ARTEFACT, cell.source
                return


def _of_field(field: LabelledField) -> Iterator[Crop]:
    pixels = read_rgb(field.path)
    found = boxes(field, pixels.shape[1], pixels.shape[0])
    image = to_scale(pixels, field.um_per_px, CANONICAL_UM_PER_PX)
    ratio = image.shape[1] / pixels.shape[1]
    centres = {
        kind: [_centre_of(box, ratio) for box in found if box.kind == kind]
        for kind in ("white", "red", "platelet")
    }
    random = _generator(field.path)
    height, width = image.shape[:2]
    anywhere = [(random.uniform(0, width), random.uniform(0, height)) for _ in range(12)]
    red = [centres["red"][i] for i in random.permutation(len(centres["red"]))[:6]]
    far = [place for place in red + anywhere if _far(place, centres["white"] + centres["platelet"])]
    yield from _cut(image, far, ARTEFACT, field.source, ARTEFACTS_PER_FIELD)
    alone = [place for place in centres["platelet"] if _far(place, centres["white"])]
    yield from _cut(image, alone, PLATELET, field.source, 2)
    yield from _cut(image, centres["white"], WHITE_CELL, field.source, 2)


def _centre_of(box: Box, ratio: float) -> tuple[float, float]:
    return (box.left + box.right) / 2 * ratio, (box.top + box.bottom) / 2 * ratio


def _far(place: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    return all(np.hypot(place[0] - x, place[1] - y) >= HALF_CELL_PX for x, y in others)


def _cut(
    image: NDArray[np.uint8], places: list[tuple[float, float]], label: str, source: str, most: int
) -> Iterator[Crop]:
    crops = (window(image, x, y, REACH_PX) for x, y in places)
    fitting = [crop for crop in crops if crop is not None]
    for crop in fitting[:most]:
        yield crop, label, source
