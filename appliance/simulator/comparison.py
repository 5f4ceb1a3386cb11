"""A count against the truth of the simulated slide: what was found, named rightly, counted twice or imagined.

Asked for are cells whose window lies in a counted field, as a count itself has it. A cell at the window's very border
may be counted or not, so it is not asked for: neither where it was found nor where it was missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulator.slide import NOT_COUNTED, TrueCell

Numbers = NDArray[np.float64]
SAME_CELL_UM = 4.0  # half of the smallest cell that is counted
BORDER_UM = 1.5  # a centre is not found better than this
SMALL = ("platelet", "artefact")  # where they lie on a nucleated cell, what is found there is the cell


@dataclass(frozen=True, slots=True)
class CountedField:
    """A field on record: the slide's place of its upper left corner, and its size, µm."""

    x_um: float
    y_um: float
    width_um: float
    height_um: float

    def inset_um(self, x_um: Numbers, y_um: Numbers) -> Numbers:
        """How far places lie inside; negative outside."""
        across = np.minimum(x_um - self.x_um, self.x_um + self.width_um - x_um)
        down = np.minimum(y_um - self.y_um, self.y_um + self.height_um - y_um)
        return np.asarray(np.minimum(across, down))


@dataclass(frozen=True, slots=True)
class FoundCell:
    """A cell on record: its place on the slide, its label, and whether that label is counted."""

    x_um: float
    y_um: float
    label: str
    counted: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a count was worth. A share of nothing is not a number.

    true_cells: countable cells in the counted fields.  detection_recall: the share of them that was found, under
    whatever label.  detection_precision: the share of the counted finds that are countable cells, each once: what is
    found and named a platelet or an artefact costs nothing, what is counted twice does.
    classification_accuracy: of those found, how many have their label.  system_accuracy: of all true cells, how many
    were found and have it.  counted_twice: cells that were counted more often than once.
    at_edge: counted though they lie where nobody counts.  artefacts_counted: share of the counted that are no white
    cell at all.  intervals_covering: share of the counted labels whose 95 % limits hold the slide's true percentage.
    """

    true_cells: int
    counted: int
    detection_recall: float
    detection_precision: float
    classification_accuracy: float
    system_accuracy: float
    counted_twice: int
    at_edge: int
    artefacts_counted: float
    intervals_covering: float

    def figures(self) -> dict[str, float | None]:
        """Return everything by name; None, as JSON can have it, where a share is not a number."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def compare(
    fields: Sequence[CountedField],
    found: Sequence[FoundCell],
    truth: Iterable[TrueCell],
    window_um: float,
    limits: Mapping[str, tuple[float, float]],
    true_percent: Mapping[str, float],
) -> Comparison:
    """Compare a count with the truth.

    truth: everything in these fields; what is named twice, where fields overlap, counts once.
    window_um: the side of a cell's window.
    limits: the 95 % limits (%) of each label of the differential.  true_percent: the slide's own.
    """
    cells = list(dict.fromkeys(truth))
    finds, wanted = _matched(fields, found, cells, window_um)
    owner = {n: k for k, each in enumerate(finds) for n in each}
    seen = [k for k in wanted if finds[k]]
    right = [k for k in seen if found[finds[k][0]].label == cells[k].label]
    counted = [n for n, cell in enumerate(found) if cell.counted]
    real = {owner[n] for n in counted if n in owner and cells[owner[n]].countable}
    nothing = [n for n in counted if n not in owner or cells[owner[n]].label in NOT_COUNTED]
    return Comparison(
        true_cells=len(wanted),
        counted=len(counted),
        detection_recall=_share(len(seen), len(wanted)),
        detection_precision=_share(len(real), len(counted)),
        classification_accuracy=_share(len(right), len(seen)),
        system_accuracy=_share(len(right), len(wanted)),
        counted_twice=sum(sum(found[n].counted for n in each) > 1 for each in finds),
        at_edge=sum(n in owner and cells[owner[n]].at_edge for n in counted),
        artefacts_counted=_share(len(nothing), len(counted)),
        intervals_covering=_share(
            sum(low <= true_percent[label] <= high for label, (low, high) in limits.items()), len(limits)
        ),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """A cell that the count should have: its true label, and the one that it was given; None where it was missed."""

    label: str
    given: str | None


def named(
    fields: Sequence[CountedField], found: Sequence[FoundCell], truth: Iterable[TrueCell], window_um: float
) -> list[Named]:
    """Return what became of every true cell that `compare` asks for."""
    cells = list(dict.fromkeys(truth))
    finds, wanted = _matched(fields, found, cells, window_um)
    return [Named(cells[k].label, found[finds[k][0]].label if finds[k] else None) for k in wanted]


def _matched(
    fields: Sequence[CountedField], found: Sequence[FoundCell], cells: Sequence[TrueCell], window_um: float
) -> tuple[list[list[int]], list[int]]:
    """Return what was found of each true cell, and which of them are asked for."""
    x, y = np.array([cell.x_um for cell in cells]), np.array([cell.y_um for cell in cells])
    whole = _inset_um(fields, x, y) >= window_um / 2 + BORDER_UM
    return _finds(found, cells, x, y), [k for k, cell in enumerate(cells) if cell.countable and whole[k]]


def _finds(found: Sequence[FoundCell], cells: Sequence[TrueCell], x: Numbers, y: Numbers) -> list[list[int]]:
    """Return for each true cell what was found of it, the nearest first.

    What is found within a cell's radius, or within `SAME_CELL_UM`, is that cell: of several the nearest, and a platelet
    or an artefact only where there is no other.
    """
    finds: list[list[tuple[float, int]]] = [[] for _ in cells]
    reach = np.array([max(SAME_CELL_UM, cell.radius_um) for cell in cells])
    small = np.array([cell.label in SMALL for cell in cells])
    for n, one in enumerate(found):
        away = np.hypot(x - one.x_um, y - one.y_um)
        near = np.flatnonzero(away <= reach)
        if len(near):
            cell = int(near[np.lexsort((away[near], small[near]))[0]])
            finds[cell].append((float(away[cell]), n))
    return [[n for _, n in sorted(each)] for each in finds]


def _inset_um(fields: Sequence[CountedField], x: Numbers, y: Numbers) -> Numbers:
    """How far places lie inside the field that they lie in; negative where they lie in none."""
    inset = np.full(len(x), -math.inf)
    for field in fields:
        np.maximum(inset, field.inset_um(x, y), out=inset)
    return inset


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
