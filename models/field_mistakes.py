"""The white cells that a detector misses and what it finds that nobody labelled, as pictures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cells import Detection
from models.data import LabelledField, read_rgb
from models.field_evaluation import Find, Rectangle, overlap, square, taken, true_rectangles
from models.marrow_mosaics import HALF_A_CELL_UM, Mosaic, sightings
from models.pictures import boxed


@dataclass(frozen=True, slots=True, eq=False)
class Mistake:
    """One missed cell, or one find that nobody labelled.

    where: the field's file, or the cell's label where fields are made of single cells.  picture: it and what lies
    around it, 192×192×3 RGB, with its box.  score: of the best candidate that overlaps it, or of the find itself; nan
    where there is none.  overlap: with that candidate, or with the nearest labelled cell: 0 where there is none,
    nan where cells have no box.
    """

    where: str
    picture: NDArray[np.uint8]
    score: float
    overlap: float


@dataclass(frozen=True, slots=True, eq=False)
class FieldAnswers:
    """What a detector makes of fields.

    scores, right: of every candidate.  total: labelled white cells.  missed: the largest score first, those without a
    candidate last.  unlabelled: finds that are no labelled cell, the largest score first.
    """

    scores: tuple[float, ...]
    right: tuple[bool, ...]
    total: int
    missed: tuple[Mistake, ...]
    unlabelled: tuple[Mistake, ...]


class Remembering:
    """A detector that looks at each field once, however often it is asked."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[tuple[bytes, float], list[Detection]] = {}

    def __call__(self, pixels: NDArray[np.uint8], um_per_px: float) -> list[Detection]:
        """Return what the detector finds; see `Find`."""
        key = hashlib.sha256(pixels.tobytes()).digest(), um_per_px
        if key not in self._known:
            self._known[key] = self._find(pixels, um_per_px)
        return self._known[key]


def answers(fields: Iterable[LabelledField], find_all: Find, score_from: float) -> FieldAnswers:
    """Compare a detector with the labels of fields, cell by cell.

    find_all: returns every candidate with its score.  score_from: from which on a candidate is a find.
    """
    each = [_in_field(item, find_all, score_from) for item in fields]
    return FieldAnswers(
        scores=tuple(score for one in each for score in one.scores),
        right=tuple(right for one in each for right in one.right),
        total=sum(one.total for one in each),
        missed=_best_first(mistake for one in each for mistake in one.missed),
        unlabelled=_best_first(mistake for one in each for mistake in one.unlabelled),
    )


def marrow_misses(shown: Iterable[Mosaic], find_all: Find, score_from: float) -> tuple[Mistake, ...]:
    """Return the labelled cells of mosaics without a find within half a cell of their place, as `answers` does."""
    missed = []
    for mosaic in shown:
        reach = HALF_A_CELL_UM / mosaic.um_per_px
        for place, seen in zip(mosaic.places, sightings([mosaic], find_all), strict=True):
            score = max(seen.score[seen.distance_um <= HALF_A_CELL_UM].tolist(), default=math.nan)
            if not score >= score_from:
                edges = (place.x - reach, place.y - reach, place.x + reach, place.y + reach)
                missed.append(Mistake(place.label, boxed(mosaic.pixels, edges), score, math.nan))
    return _best_first(missed)


def _in_field(item: LabelledField, find_all: Find, score_from: float) -> FieldAnswers:
    pixels = read_rgb(item.path)
    height, width = pixels.shape[:2]
    truth = true_rectangles(item, width, height)
    candidates = find_all(pixels, item.um_per_px)
    scores = [one.score for one in candidates]
    squares = [square(one, item.um_per_px, width, height) for one in candidates]
    takes = taken(squares, truth)
    used = [i for i, score in zip(takes, scores, strict=True) if score >= score_from]
    missed = [
        Mistake(item.path.name, boxed(pixels, edges), *_nearest(edges, squares, scores))
        for i, edges in enumerate(truth)
        if i not in used
    ]
    unlabelled = [
        Mistake(item.path.name, boxed(pixels, edges), score, _nearest(edges, truth, [score] * len(truth))[1])
        for edges, one, score in zip(squares, takes, scores, strict=True)
        if one is None and score >= score_from
    ]
    right = tuple(one is not None for one in takes)
    return FieldAnswers(tuple(scores), right, len(truth), tuple(missed), tuple(unlabelled))


def _nearest(edges: Rectangle, others: Sequence[Rectangle], scores: Sequence[float]) -> tuple[float, float]:
    """Return the score and the overlap of the rectangle that overlaps most: nan and 0 where none does."""
    overlaps = [overlap(edges, other) for other in others]
    best = max(overlaps, default=0.0)
    return (scores[overlaps.index(best)], best) if best > 0 else (math.nan, 0.0)


def _best_first(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    return tuple(
        sorted(mistakes, key=lambda one: -math.inf if math.isnan(one.score) else one.score, reverse=True)
    )
