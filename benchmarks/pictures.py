"""The fields that every item is measured on: real ones where they are at hand, simulated ones elsewhere."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelRefused

if TYPE_CHECKING:
    from appliance.simulator.microscope import CellInFrame

SEED = 1


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Fields of one scale, decoded. what: a few words on where they come from.  fields: uint8, H×W×3, RGB."""

    what: str
    um_per_px: float
    fields: list[NDArray[np.uint8]]


def pictures(cells: int, data: Path | None, simulated: bool) -> Pictures:
    """Return fields that hold about so many whole white cells.

    Real ones are the blood cells' images of the test split (one labelled cell each), in a seeded order; they are
    repeated where there are too few. Raises ModelRefused for a stated folder without labelled images.
    """
    if not simulated:
        try:
            return _real(cells, data)
        except ModelRefused:
            if data is not None:
                raise
    return _simulated(cells)


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


def _simulated(cells: int) -> Pictures:
    from appliance.simulator.objectives import objective_named
    from appliance.simulator.still import still_fields

    um_per_px = objective_named("100x").um_per_px
    fields = []
    for field in still_fields(SEED):
        fields.append(field.pixels)
        cells -= sum(each.cell.countable and _whole(each, field.pixels) for each in field.cells)
        if cells <= 0:
            break
    return Pictures("simulated fields of 139 × 104 µm", um_per_px, fields)


def _whole(cell: CellInFrame, pixels: NDArray[np.uint8]) -> bool:
    """Whether a cell's 19.2 µm window lies in the field."""
    margin, (height, width) = 96, pixels.shape[:2]
    return margin <= cell.x_px < width - margin and margin <= cell.y_px < height - margin
