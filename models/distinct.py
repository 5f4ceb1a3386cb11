"""One cell, one detection."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from models.cells import Detection

ONE_CELL = 0.7
"""So near, as a share of their radii together, two detections are one cell: cells that touch are 1 apart. Settled on
labelled cells of the train and val splits (docs/decisions/nearer-than-cells-can-lie.md)."""


def distinct(found: Sequence[Detection], um_per_px: float, one_cell: float = ONE_CELL) -> list[Detection]:
    """Return the detections, best first; of two that lie nearer than two cells can, the better one.

    one_cell: how near, as a share of their radii together.
    """
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda d: (-d.score, d.y, d.x)):
        if all(_apart(candidate, other, um_per_px, one_cell) for other in kept):
            kept.append(candidate)
    return kept


def _apart(one: Detection, other: Detection, um_per_px: float, one_cell: float) -> bool:
    distance_um = hypot(one.x - other.x, one.y - other.y) * um_per_px
    return distance_um >= one_cell * (one.radius_um + other.radius_um)
