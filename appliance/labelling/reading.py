"""What people said of a field's cells, and what follows from it. Pure: no store, no clock.

Two people label blind, each sees only what is their own; where they differ a third settles. A set may also have one
labeller alone: then what that one says stands as soon as the field is finished.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import hypot

from appliance.errors import ApplianceRefused

SAME_CELL_UM = 4.0
"""So near, two taps are one cell: the centres of cells that touch lie 7 µm apart and more."""


class Origin(StrEnum):
    """Who put a cell's place there: a person who tapped, the detector, or a folder that was imported."""

    PERSON = "person"
    PROPOSAL = "proposal"
    IMPORTED = "imported"


class Standing(StrEnum):
    """Whether a cell's label is known."""

    OPEN = "open"
    AGREED = "agreed"
    DISPUTED = "disputed"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class LabelCell:
    """A place in a field. x, y: px of the field's picture.  radius_um: None where nobody measured it."""

    id: int
    x: float
    y: float
    origin: Origin
    radius_um: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cell's label so far. label: None while it is not known, and where there is no cell."""

    standing: Standing
    label: str | None = None

    @property
    def known(self) -> bool:
        """Whether it was agreed on or settled."""
        return self.standing in (Standing.AGREED, Standing.SETTLED)


@dataclass(frozen=True, slots=True)
class FieldReading:
    """A field with everything that was said of it.

    wanted: how many people label it; none where it came with labels.  readers: who began, the first first.
    finished: who is done.  said: each reader's labels, by cell; without what they took back.
    settled: what a third person said last, by cell; None: no cell.  withdrawn: whether the field or its set was.
    """

    cells: Sequence[LabelCell]
    wanted: int
    readers: Sequence[str] = ()
    finished: Collection[str] = ()
    said: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    settled: Mapping[int, str | None] = field(default_factory=dict)
    withdrawn: bool = False

    @property
    def read(self) -> bool:
        """Whether all who label it are done: only now may anybody see what others said."""
        return len(self.finished) >= self.wanted

    @property
    def disputed(self) -> list[LabelCell]:
        """The cells that wait for a third person."""
        return [cell for cell in self.cells if self.outcome(cell.id).standing is Standing.DISPUTED]

    @property
    def done(self) -> bool:
        """Whether every cell's label is known."""
        return self.read and not self.disputed

    def labels(self) -> dict[int, str]:
        """Return the label of every cell that has one, agreed on or settled."""
        known = {cell.id: self.outcome(cell.id).label for cell in self.cells}
        return {cell: label for cell, label in known.items() if label is not None}

    def outcome(self, cell: int) -> Outcome:
        """Return what is known of a cell. One that only one of two people saw is in dispute too."""
        if cell in self.settled:
            return Outcome(Standing.SETTLED, self.settled[cell])
        if not self.read or not self.wanted:
            return Outcome(Standing.OPEN)
        answers = self.answers(cell)
        return Outcome(Standing.AGREED, answers[0]) if len(set(answers)) == 1 else Outcome(Standing.DISPUTED)

    def answers(self, cell: int) -> list[str | None]:
        """Return what each reader says of a cell, the first first; None: there is none."""
        return [self.said.get(who, {}).get(cell) for who in self.readers]

    def seen_by(self, who: str) -> list[LabelCell]:
        """Return the cells that a reader may see: their own, and places that no person put there."""
        own = self.said.get(who, {})
        return [cell for cell in self.cells if cell.id in own or cell.origin is not Origin.PERSON]

    def near(self, x: float, y: float, um_per_px: float) -> LabelCell | None:
        """Return the cell that a tap there means; None where there is none yet."""
        away = {cell: hypot(cell.x - x, cell.y - y) * um_per_px for cell in self.cells}
        nearest = min(away, key=lambda cell: away[cell], default=None)
        return nearest if nearest is not None and away[nearest] <= SAME_CELL_UM else None

    def refuse_withdrawn(self) -> None:
        """Raise ApplianceRefused where the field, or its set, was withdrawn."""
        if self.withdrawn:
            raise ApplianceRefused("This field is withdrawn. Put it, or its set, back first.")

    def refuse_reading(self, who: str) -> None:
        """Raise ApplianceRefused where somebody may not label the field now."""
        self.refuse_withdrawn()
        if not self.wanted:
            raise ApplianceRefused("This field came with its labels: they stay as they are. Choose another.")
        if who not in self.readers and len(self.readers) >= self.wanted:
            people = "Somebody labels" if self.wanted == 1 else "Two people label"
            raise ApplianceRefused(f"{people} this field already. Choose another.")
        if who in self.finished and self.wanted > 1:
            raise ApplianceRefused("You finished this field: what you said of it stays. Choose another.")

    def refuse_settling(self, cell: int, who: str) -> None:
        """Raise ApplianceRefused where somebody may not settle a cell."""
        self.refuse_withdrawn()
        if who in self.readers:
            raise ApplianceRefused("You labelled this field yourself. A third person settles it.")
        if cell not in self.settled and self.outcome(cell).standing is not Standing.DISPUTED:
            raise ApplianceRefused("Nothing is to be settled there: the labellers agree, or are not done.")
