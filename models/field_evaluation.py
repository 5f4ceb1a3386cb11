"""How well a detector finds white cells: average precision at an overlap of one half."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cells import Detection
from models.data import LabelledField, read_rgb, white_cells

IOU = 0.5
HELD_OUT = {"bccd": "val", "raabin": "test"}  # the splits that no training reads

Find = Callable[[NDArray[np.uint8], float], list[Detection]]
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class FieldReport:
    """What a detector achieves on one source. Precision and recall are at its own threshold."""

    source: str
    split: str
    fields: int
    white_cells: int
    average_precision: float
    precision: float
    recall: float


def report(source: str, fields: Iterable[LabelledField], find_all: Find, score_from: float) -> FieldReport:
    """Judge a detector on the held-out fields of one source.

    find_all: returns every candidate with its score.  score_from: the threshold that the detector is used with.
    """
    chosen = list(fields)
    hits, total = compare(chosen, find_all)
    used = [hit for score, hit in hits if score >= score_from]
    return FieldReport(
        source=source,
        split=HELD_OUT[source],
        fields=len(chosen),
        white_cells=total,
        average_precision=average_precision([hit for _, hit in hits], total),
        precision=sum(used) / len(used) if used else 0.0,
        recall=sum(used) / total if total else 0.0,
    )


def compare(fields: Iterable[LabelledField], find_all: Find) -> tuple[list[tuple[float, bool]], int]:
    """Return score and rightness of every candidate, best first, and how many white cells there are."""
    hits: list[tuple[float, bool]] = []
    total = 0
    for item in fields:
        pixels = read_rgb(item.path)
        height, width = pixels.shape[:2]
        truth = true_rectangles(item, width, height)
        total += len(truth)
        found = find_all(pixels, item.um_per_px)
        squares = [square(d, item.um_per_px, width, height) for d in found]
        hits += zip([d.score for d in found], matched(squares, truth), strict=True)
    return sorted(hits, key=lambda hit: -hit[0]), total


def matched(found: Sequence[Rectangle], truth: Sequence[Rectangle]) -> list[bool]:
    """For each found rectangle, best first, whether it overlaps a true one that nothing before it took."""
    return [one is not None for one in taken(found, truth)]


def taken(found: Sequence[Rectangle], truth: Sequence[Rectangle]) -> list[int | None]:
    """For each found rectangle, best first, the true one that it overlaps and nothing before it took."""
    free = dict(enumerate(truth))
    result: list[int | None] = []
    for rectangle in found:
        overlaps = {i: overlap(rectangle, other) for i, other in free.items()}
        best = max(overlaps, key=lambda i: overlaps[i], default=None)
        if best is not None and overlaps[best] < IOU:
            best = None
        if best is not None:
            del free[best]
        result.append(best)
    return result


def overlap(one: Rectangle, other: Rectangle) -> float:
    """Intersection over union of two rectangles (left, top, right, bottom)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((r[2] - r[0]) * (r[3] - r[1]) for r in (one, other))
    return both / (areas - both) if areas > both else 0.0


def average_precision(hits: Sequence[bool], total: int) -> float:
    """Area under the precision envelope over recall (all points; Everingham et al. 2010, revised 2012)."""
    if not total or not hits:
        return 0.0
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[np.asarray(hits, dtype=bool)].sum() / total)


def true_rectangles(item: LabelledField, width: int, height: int) -> list[Rectangle]:
    """Return the labelled white cells of a field of width × height px."""
    return [(box.left, box.top, box.right, box.bottom) for box in white_cells(item, width, height)]


def square(found: Detection, um_per_px: float, width: int, height: int) -> Rectangle:
    """Return the square around a detection, as far as it lies within the field."""
    radius = found.radius_um / um_per_px
    return (
        max(0.0, found.x - radius),
        max(0.0, found.y - radius),
        min(float(width), found.x + radius),
        min(float(height), found.y + radius),
    )
