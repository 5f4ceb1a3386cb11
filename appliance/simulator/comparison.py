"""A count against the truth of the simulated slide: what was found, named rightly, counted twice or imagined.

Compared are cells whose window lies in a counted field, as a count itself has it; a cell at the window's very border
may be counted or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from appliance.simulator.slide import NOT_COUNTED, TrueCell

SAME_CELL_UM = 4.0  # half of the smallest cell that is counted
BORDER_UM = 1.5  # a centre is not found better than this


@dataclass(frozen=True, slots=True)
class CountedField:
    """A field on record: the slide's place of its upper left corner, and its size, µm."""

    x_um: float
    y_um: float
    width_um: float
    height_um: float

    def inset_um(self, x_um: float, y_um: float) -> float:
        """How far a place lies inside; negative outside."""
        return min(
            x_um - self.x_um,
            y_um - self.y_um,
            self.x_um + self.width_um - x_um,
            self.y_um + self.height_um - y_um,
        )


@dataclass(frozen=True, slots=True)
class FoundCell:
    """A cell on record: its place on the slide, its label, and whether that label is counted."""

    x_um: float
    y_um: float
    label: str
    counted: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a count was worth.

    true_cells: countable cells in the counted fields.  detection_recall: the share of them that was found.
    detection_precision: the share of found, counted cells that are countable ones.
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


def compare(
    fields: Sequence[CountedField],
    found: Sequence[FoundCell],
    truth: Iterable[TrueCell],
    window_um: float,
    limits: Mapping[str, tuple[float, float]],
    true_percent: Mapping[str, float],
) -> Comparison:
    """Compare a count with the truth.

    truth: everything in these fields, once each.  window_um: the side of a cell's window.
    limits: the 95 % limits (%) of each label of the differential.  true_percent: the slide's own.
    """
    cells = list(truth)
    pairs = _pairs(found, cells)
    inset = [
        max((field.inset_um(cell.x_um, cell.y_um) for field in fields), default=-math.inf) for cell in cells
    ]
    by_cell = [[n for n, cell in pairs.items() if cell == k] for k in range(len(cells))]
    wanted = [
        k
        for k, cell in enumerate(cells)
        if cell.countable
        and (inset[k] >= window_um / 2 + BORDER_UM or (by_cell[k] and inset[k] >= window_um / 2 - BORDER_UM))
    ]
    seen = [k for k in wanted if by_cell[k]]
    right = [k for k in seen if any(found[n].label == cells[k].label for n in by_cell[k])]
    counted = [n for n, cell in enumerate(found) if cell.counted]
    real = [n for n in counted if n in pairs and cells[pairs[n]].countable]
    nothing = [n for n in counted if n not in pairs or cells[pairs[n]].label in NOT_COUNTED]
    return Comparison(
        true_cells=len(wanted),
        counted=len(counted),
        detection_recall=_share(len(seen), len(wanted)),
        detection_precision=_share(len(real), len(counted)),
        classification_accuracy=_share(len(right), len(seen)),
        system_accuracy=_share(len(right), len(wanted)),
        counted_twice=sum(sum(found[n].counted for n in each) > 1 for each in by_cell),
        at_edge=sum(n in pairs and cells[pairs[n]].at_edge for n in counted),
        artefacts_counted=_share(len(nothing), len(counted)),
        intervals_covering=_share(
            sum(low <= true_percent[label] <= high for label, (low, high) in limits.items()), len(limits)
        ),
    )


def _pairs(found: Sequence[FoundCell], cells: Sequence[TrueCell]) -> dict[int, int]:
    """Return for each found cell the true one that it is: the nearest within `SAME_CELL_UM` or its own radius."""
    pairs = {}
    for n, one in enumerate(found):
        away = [math.hypot(one.x_um - cell.x_um, one.y_um - cell.y_um) for cell in cells]
        near = [k for k, cell in enumerate(cells) if away[k] <= max(SAME_CELL_UM, cell.radius_um)]
        if near:
            pairs[n] = min(near, key=lambda k: (not cells[k].countable, away[k]))
    return pairs


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
