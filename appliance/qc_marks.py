"""What a person marked in the fields of a quality control, and what it adds up to. Pure: no store, no clock.

A mark is never changed: one that is taken back is another mark. Fields that were not gone over say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from appliance.errors import ApplianceRefused

BORDER_UM = 9.6  # half of a cell's window: nearer to a field's border no cell is counted
NOT_ASKED = (
    f"Nearer than {BORDER_UM:g} µm to a field's border no cell is counted, and none is asked for. "
    "Leave the border out."
)


class Kind(StrEnum):
    """What a person may say of a field."""

    FALSE = "false"  # this find is no cell
    MISSED = "missed"  # here is a cell that was not located
    GONE_OVER = "gone over"


class What(StrEnum):
    """What the instrument made of a find."""

    CELL = "cell"
    OTHER = "other"  # taken for a platelet, a smudge, an artefact
    BORDER = "border"  # its window leaves the field


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that a person said of a field, or took back. field: its place in the plan.

    cell: which find is no cell.  x, y: where a cell was missed, px of the frame.
    """

    field: int
    kind: Kind
    present: bool = True
    cell: int | None = None
    x: int | None = None
    y: int | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Where the missed cell lies, px of the frame."""
        assert self.x is not None
        assert self.y is not None
        return self.x, self.y


@dataclass(frozen=True, slots=True)
class Find:
    """What was found in a field. x, y, radius: px of the frame."""

    cell: int
    x: float
    y: float
    radius: float
    what: What


@dataclass(frozen=True, slots=True)
class ReviewedField:
    """A field with what was found in it and what a person says of that.

    number: its place in the plan.  width, height, border: px of the frame.  false: finds that are no cells.
    missed: where cells were missed.
    """

    number: int
    width: int
    height: int
    border: float
    finds: tuple[Find, ...]
    false: frozenset[int] = frozenset()
    missed: tuple[tuple[int, int], ...] = ()
    gone_over: bool = False

    @property
    def located(self) -> int:
        """Cells that were located, less those that are none."""
        return sum(find.what is What.CELL and find.cell not in self.false for find in self.finds)

    def marked(self, mark: Mark) -> ReviewedField:
        """Return the field with one more mark. Raises ApplianceRefused for one that does not belong there."""
        if mark.kind is Kind.GONE_OVER:
            return replace(self, gone_over=mark.present)
        if mark.kind is Kind.FALSE:
            if not any(find.cell == mark.cell and find.what is What.CELL for find in self.finds):
                raise ApplianceRefused(f"No cell {mark.cell} was located in field {self.number}.")
            assert mark.cell is not None
            without = self.false - {mark.cell}
            return replace(self, false=without | {mark.cell} if mark.present else without)
        if mark.present and not self._asks_for(*mark.place):
            raise ApplianceRefused(NOT_ASKED)
        others = tuple(place for place in self.missed if place != mark.place)
        return replace(self, missed=(*others, mark.place) if mark.present else others)

    def _asks_for(self, x: int, y: int) -> bool:
        return all(
            self.border <= at <= side - self.border for at, side in ((x, self.width), (y, self.height))
        )


@dataclass(frozen=True, slots=True)
class Review:
    """The fields of one count for quality control, in the plan's order, as a person went over them."""

    run: str
    fields: tuple[ReviewedField, ...]

    @property
    def gone_over(self) -> tuple[ReviewedField, ...]:
        """The fields that a person has gone over."""
        return tuple(field for field in self.fields if field.gone_over)

    @property
    def located(self) -> int:
        """Cells located in the fields gone over, less the false finds."""
        return sum(field.located for field in self.gone_over)

    @property
    def missed(self) -> int:
        """Cells missed in the fields gone over."""
        return sum(len(field.missed) for field in self.gone_over)

    @property
    def false_finds(self) -> int:
        """Finds in the fields gone over that are no cells."""
        return sum(len(field.false) for field in self.gone_over)

    def marked(self, marks: Iterable[Mark]) -> Review:
        """Return the review with more marks, in their order."""
        fields = {field.number: field for field in self.fields}
        for mark in marks:
            if mark.field not in fields:
                raise ApplianceRefused(
                    f"There is no picture of field {mark.field} of the count {self.run}. Load the page again."
                )
            fields[mark.field] = fields[mark.field].marked(mark)
        return replace(self, fields=tuple(fields.values()))

    def refuse_unfinished(self) -> None:
        """Raise ApplianceRefused while there are fields that nobody has gone over."""
        left = len(self.fields) - len(self.gone_over)
        if left:
            raise ApplianceRefused(
                f"{left} of {len(self.fields)} fields are not gone over yet. Tick every one, then record the control."
            )
