"""One cell, one detection."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from models.cells import Detection


def distinct(found: Sequence[Detection], um_per_px: float) -> list[Detection]:
    """Return the detections, best first; of two that are closer than half a cell, the better one.

    Half a cell is the mean of the two radii.
    """
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda d: (-d.score, d.y, d.x)):
        if all(_apart(candidate, other, um_per_px) for other in kept):
            kept.append(candidate)
    return kept


def _apart(one: Detection, other: Detection, um_per_px: float) -> bool:
    distance_um = hypot(one.x - other.x, one.y - other.y) * um_per_px
    return distance_um >= (one.radius_um + other.radius_um) / 2
