"""From which score on a detector's candidate is taken for a white cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.data import labelled_fields
from models.field_evaluation import Find, compare
from models.marrow_mosaics import HALF_A_CELL_UM, found, mosaics, sightings

NEARLY = 0.005
THRESHOLDS = tuple(float(score) for score in np.round(np.arange(0.05, 0.951, 0.005), 3))


def fitted_threshold(folder: Path, find_all: Find) -> float:
    """Return the middle of the scores at which cells of blood and of marrow are found nearly as well as they can be.

    Blood: precision and recall in the fields of the train splits.  Marrow: cells found exactly once, within half a
    cell, in mosaics of the val split. Nearly: the mean of the two within 0.005 of its best.  The middle is farthest
    from what would lose cells in another laboratory and from what would find too much there.
    """
    hits, total = compare([item for item in labelled_fields(folder) if item.split == "train"], find_all)
    seen = sightings(mosaics(folder, "val"), find_all)
    merits = []
    for score_from in THRESHOLDS:
        merit = harmonic_mean(hits, total, score_from)
        once = found(seen, HALF_A_CELL_UM, score_from).share
        merits.append((merit + once) / 2 if seen else merit)
    return middle_of_the_best(THRESHOLDS, merits)


def harmonic_mean(hits: Sequence[tuple[float, bool]], total: int, score_from: float) -> float:
    """Return the harmonic mean of precision and recall at a threshold. hits, total: see `compare`."""
    used = [hit for score, hit in hits if score >= score_from]
    return 2 * sum(used) / (len(used) + total) if total else 0.0


def middle_of_the_best(thresholds: Sequence[float], merits: Sequence[float]) -> float:
    """Return the middle of the unbroken run of thresholds nearly as good as the best, the best among them."""
    best = int(np.argmax(merits))
    good = [merit >= merits[best] - NEARLY for merit in merits]
    first, last = best, best
    while first > 0 and good[first - 1]:
        first -= 1
    while last + 1 < len(good) and good[last + 1]:
        last += 1
    return (thresholds[first] + thresholds[last]) / 2
