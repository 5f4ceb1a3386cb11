"""In which order a person goes through the cells: what weighs most for the diagnosis and what is doubtful first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from appliance.review.reviewed import ReviewedCell
from appliance.rules import Rules
from appliance.stopping import limits_in_doubt
from appliance.tally import Tally
from models.panel import UNIDENTIFIED

DOUBTFUL_BELOW = 0.80  # Choi 2018, 4.3.3: what calls for guidance; here of the probability after it


class Weight(IntEnum):
    """Why a cell comes early. The smaller, the earlier."""

    NEAR_LIMIT = 0  # its label's 99 % interval contains a decision limit: one cell may tip the diagnosis
    UNIDENTIFIED = 1  # nothing can be signed while it is
    WATCHED = 2  # its label decides a diagnosis (blasts, plasma cells)
    DOUBTFUL = 3  # the machine is not sure, and nobody has looked
    REST = 4


@dataclass(frozen=True, slots=True)
class Section:
    """The cells of one label. title: for a person.  near: "5 or 10" where it is near these decision limits (%)."""

    label: str
    title: str
    counted: bool
    near: str
    cells: tuple[ReviewedCell, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cells are wanted. Everything that is given must hold.

    labels: one of these now; empty: any.  machine: what the machine said.
    below: the machine's probability is under it (0 to 1).  changed: has another label than the machine's, or not.
    doubtful: the machine is in doubt, and nobody has looked.
    """

    labels: frozenset[str] = frozenset()
    machine: frozenset[str] = frozenset()
    below: float | None = None
    changed: bool | None = None
    doubtful: bool | None = None

    def keeps(self, cell: ReviewedCell) -> bool:
        """Whether a cell is wanted."""
        return (
            (not self.labels or cell.label in self.labels)
            and (not self.machine or cell.machine in self.machine)
            and (self.below is None or cell.probability < self.below)
            and (self.changed is None or cell.changed is self.changed)
            and (self.doubtful is None or is_doubtful(cell) is self.doubtful)
        )


def is_doubtful(cell: ReviewedCell) -> bool:
    """Whether the machine is in doubt about a cell and nobody has looked at it."""
    return not cell.looked and (cell.probability < DOUBTFUL_BELOW or cell.label == UNIDENTIFIED)


def weight(cell: ReviewedCell, near: Iterable[str], rules: Rules) -> Weight:
    """Return how early a cell comes. near: the labels that are near a decision limit."""
    if cell.label in near:
        return Weight.NEAR_LIMIT
    if cell.label == UNIDENTIFIED:
        return Weight.UNIDENTIFIED
    if cell.label in rules.watched:
        return Weight.WATCHED
    return Weight.DOUBTFUL if is_doubtful(cell) else Weight.REST


def worklist(cells: Sequence[ReviewedCell], tally: Tally) -> list[ReviewedCell]:
    """Return the cells in the order in which a person should see them; within a weight the most doubtful first.

    tally: of these cells as they are now.
    """
    near, order = limits_in_doubt(tally), _clinical(tally.rules)

    def rank(cell: ReviewedCell) -> tuple[int, bool, int, float, int]:
        weighs = weight(cell, near, tally.rules)
        by_label = 0 if weighs is Weight.DOUBTFUL else order[cell.label]
        return weighs, cell.looked, by_label, cell.probability, cell.id

    return sorted(cells, key=rank)


def sections(cells: Sequence[ReviewedCell], tally: Tally) -> list[Section]:
    """Return the cells by label, in the order of `Weight`, then clinical; what is not counted last.

    Within a label the most doubtful first, and those that a person has looked at last. A label without cells has no
    section.
    """
    near = limits_in_doubt(tally)
    rules, order = tally.rules, _clinical(tally.rules)
    counted = {label.name for label in rules.counted}
    by_label: dict[str, list[ReviewedCell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.looked, cell.probability, cell.id)):
        by_label.setdefault(cell.label, []).append(cell)

    def rank(label: str) -> tuple[int, int]:
        if label in near:
            return Weight.NEAR_LIMIT, order[label]
        if label == UNIDENTIFIED:
            return Weight.UNIDENTIFIED, 0
        first = Weight.WATCHED if label in rules.watched else Weight.REST
        return (first if label in counted else Weight.REST + 1), order[label]

    return [
        Section(label, title(rules, label), label in counted, near.get(label, ""), tuple(by_label[label]))
        for label in sorted(by_label, key=rank)
    ]


def title(rules: Rules, label: str) -> str:
    """Return a label's name for a person."""
    return "Unidentified" if label == UNIDENTIFIED else rules.panel.label(label).title


def _clinical(rules: Rules) -> dict[str, int]:
    return {name: place for place, name in enumerate((*rules.panel.names, UNIDENTIFIED))}
