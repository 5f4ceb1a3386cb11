"""Parts of labelled fields that show no white cell, and what a detector finds in them all the same.

Red cells, platelets, stain and background are what most of a smear is. The parts are cut out, so that no white
cell is in sight and every find is false. A field without a single boxed white cell is left out: both sources
photographed white cells, and those three fields show one that nobody boxed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.data import LabelledField, boxes, read_rgb
from models.field_evaluation import HELD_OUT, Find, Rectangle

MARGIN_UM = 1.5  # around every box: annotators draw them close, some cut the cell's rim
LEAST_SIDE_UM = 8.0  # a narrower part shows no red cell whole


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a field without white cells. pixels: uint8 H×W×3, RGB."""

    pixels: NDArray[np.uint8]
    um_per_px: float

    @property
    def area_mm2(self) -> float:
        """How much of a smear it shows."""
        return math.prod(self.pixels.shape[:2]) * self.um_per_px**2 / 1e6


@dataclass(frozen=True, slots=True)
class FalseFinds:
    """What a detector finds, at its own threshold, where there is no white cell. per_mm2: nan for no area."""

    source: str
    split: str
    regions: int
    area_mm2: float
    finds: int
    per_mm2: float


def false_finds(
    source: str, fields: Iterable[LabelledField], find_all: Find, score_from: float
) -> FalseFinds:
    """Judge a detector on the parts of held-out fields of one source that show no white cell."""
    regions, finds, area = 0, 0, 0.0
    for item in fields:
        for region in regions_without_white_cells(item):
            found = find_all(region.pixels, region.um_per_px)
            finds += sum(d.score >= score_from for d in found)
            area += region.area_mm2
            regions += 1
    return FalseFinds(
        source=source,
        split=HELD_OUT[source],
        regions=regions,
        area_mm2=area,
        finds=finds,
        per_mm2=finds / area if area else float("nan"),
    )


def regions_without_white_cells(item: LabelledField) -> Iterator[Region]:
    """Yield the parts of a field that show no part of a white cell, largest first, none shown twice."""
    pixels = read_rgb(item.path)
    height, width = pixels.shape[:2]
    margin = MARGIN_UM / item.um_per_px
    taken = [
        (box.left - margin, box.top - margin, box.right + margin, box.bottom + margin)
        for box in boxes(item, width, height)
        if box.kind == "white"
    ]
    if not taken:
        return
    least = LEAST_SIDE_UM / item.um_per_px
    while (free := largest_free(width, height, taken, least)) is not None:
        left, top, right, bottom = (round(edge) for edge in free)
        yield Region(pixels[top:bottom, left:right], item.um_per_px)
        taken.append(free)


def largest_free(
    width: float, height: float, taken: Sequence[Rectangle], least_side: float
) -> Rectangle | None:
    """Return the largest rectangle of a field that touches none of those taken; None where all are too narrow.

    Its edges are the field's or those of what is taken.
    """
    across = sorted({0.0, float(width), *(x for r in taken for x in (r[0], r[2]) if 0 < x < width)})
    down = sorted({0.0, float(height), *(y for r in taken for y in (r[1], r[3]) if 0 < y < height)})
    best, area = None, 0.0
    for (left, right), (top, bottom) in product(_spans(across, least_side), _spans(down, least_side)):
        size = (right - left) * (bottom - top)
        if size > area and not any(
            r[0] < right and left < r[2] and r[1] < bottom and top < r[3] for r in taken
        ):
            best, area = (left, top, right, bottom), size
    return best


def _spans(edges: Sequence[float], least: float) -> list[tuple[float, float]]:
    return [(a, b) for k, a in enumerate(edges) for b in edges[k + 1 :] if b - a >= least]
