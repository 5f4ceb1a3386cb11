"""Curves that say how far scores and probabilities can be relied on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15  # Guo et al. 2017


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecall:
    """Precision over recall, one point per threshold, the highest threshold first.

    recall, precision: shares, equally long; precision is the envelope, the best at this recall or a higher one.
    total: how many there were to find.  average: the area below; nan where there was nothing to find.
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    total: int
    average: float


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """How often answers of about one probability are right.

    count, probability, right: per equal bin of 0 to 1, the number of answers, their mean probability and the
    share of them that is right (nan in an empty bin).  error: the expected calibration error; nan without answers.
    """

    count: NDArray[np.int64]
    probability: NDArray[np.float64]
    right: NDArray[np.float64]
    error: float


def precision_recall(scores: ArrayLike, right: ArrayLike, total: int) -> PrecisionRecall:
    """Return the curve of candidates with their scores and whether each is right, in any order.

    total: how many there are to find, found or not.  Candidates of one score share one point.  The area is that
    below the envelope, over all points (Everingham et al. 2010, revised 2012).
    """
    score = np.asarray(scores, dtype=float)
    best_first = np.argsort(-score, kind="stable")
    hits = np.cumsum(np.asarray(right, dtype=bool)[best_first])
    last = np.flatnonzero(np.diff(score[best_first], append=-np.inf))  # of each run of equal scores
    if not total or not len(last):
        nothing = np.empty(0)
        return PrecisionRecall(nothing, nothing, total, 0.0 if total else float("nan"))
    recall = hits[last] / total
    precision = np.maximum.accumulate((hits[last] / (last + 1))[::-1])[::-1]
    average = float((np.diff(recall, prepend=0.0) * precision).sum())
    return PrecisionRecall(recall, precision, total, average)


def reliability(probabilities: ArrayLike, right: ArrayLike, bins: int = BINS) -> Reliability:
    """Return how often answers of each probability are right, and the expected calibration error.

    The error is the mean, over answers, of the distance between a bin's mean probability and its share of right
    answers (Naeini et al. 2015; Guo et al. 2017, equation 3).
    """
    probability = np.asarray(probabilities, dtype=float)
    place = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = [
        np.bincount(place, np.asarray(values, dtype=float), minlength=bins) for values in (probability, right)
    ]
    with np.errstate(invalid="ignore"):
        mean, share = (each / count for each in sums)
    error = float(np.abs(sums[0] - sums[1]).sum() / len(probability)) if len(probability) else float("nan")
    return Reliability(count, mean, share, error)
