"""The fields that every item is measured on: real ones where they are at hand, painted ones elsewhere."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelRefused

SEED = 1


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Fields of one scale, decoded. what: a few words on where they come from.  fields: uint8, H×W×3, RGB."""

    what: str
    um_per_px: float
    fields: list[NDArray[np.uint8]]


def pictures(cells: int, data: Path | None, painted: bool) -> Pictures:
    """Return fields that hold about so many whole white cells.

    Real ones are the blood cells' images of the test split (one labelled cell each), in a seeded order; they are
    repeated where there are too few. Raises ModelRefused for a stated folder without labelled images.
    """
    if not painted:
        try:
            return _real(cells, data)
        except ModelRefused:
            if data is not None:
                raise
    return _painted(cells)


def _real(cells: int, data: Path | None) -> Pictures:
    from models.data import UM_PER_PX, data_folder, labelled_cells, read_rgb

    known = labelled_cells(data_folder(data))
    chosen = [
        cell for cell in known if (cell.source, cell.split) == ("pbc", "test") and cell.label != "platelet"
    ]
    if not chosen:
        raise ModelRefused("The data set has no blood cells in its test split. Copy it again.")
    paths = random.Random(SEED).sample([cell.path for cell in chosen], len(chosen))
    fields = [read_rgb(paths[i % len(paths)]) for i in range(cells)]
    return Pictures("real fields of 36 µm with one labelled blood cell each", UM_PER_PX["pbc"], fields)


def _painted(cells: int) -> Pictures:
    from appliance.painted_smear import UM_PER_PX

    fields = []
    for field, whole in _painted_fields():
        fields.append(field)
        cells -= whole
        if cells <= 0:
            break
    return Pictures("painted fields of 120 × 90 µm", UM_PER_PX, fields)


def _painted_fields() -> Iterator[tuple[NDArray[np.uint8], int]]:
    from appliance.painted_smear import PaintedSmear

    smear = PaintedSmear(SEED, field_time_s=0.0)
    for index in range(smear.planned):
        pixels, truth = smear.painted(index)
        height, width = pixels.shape[:2]
        margin = 96  # half of a 19.2 µm window at 0.10 µm/px
        yield (
            pixels,
            sum(
                cell.label != "platelet"
                and margin <= cell.x < width - margin
                and margin <= cell.y < height - margin
                for cell in truth
            ),
        )
