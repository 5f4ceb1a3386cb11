"""A labelled set as it travels: no store, no person, no patient, no address of this instrument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from appliance.errors import ApplianceRefused
from appliance.labelling.reading import FieldReading
from appliance.labelling.sets import LabelField, LabelSet, LabelSets
from appliance.labelling.splits import splits
from appliance.wording import number_of

NOMINAL_RADIUS_UM = 7.0
"""Half the side of a box around a cell that nobody measured."""


@dataclass(frozen=True, slots=True)
class WholeCell:
    """A cell of a field. x, y: px of its picture.  radius_um: None where nobody measured it."""

    x: float
    y: float
    label: str
    radius_um: float | None = None


@dataclass(frozen=True, slots=True)
class WholeField:
    """A field with the cells whose label is known.

    digest: SHA-256 of the picture, which ``read`` returns (PNG or JPEG).  width, height: px of it.
    """

    digest: str
    width: int
    height: int
    um_per_px: float
    calibration: str
    smear: str
    cells: tuple[WholeCell, ...]
    read: Callable[[], bytes] = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """What its files are called; its picture says which ending."""
        return self.digest[:16]


@dataclass(frozen=True, slots=True)
class WholeSingle:
    """A cell without a field: its 96×96 crop (PNG) at 0.20 µm/px."""

    crop: bytes = field(repr=False)
    label: str
    smear: str


@dataclass(frozen=True, slots=True)
class WholeSet:
    """A set. specimen: "marrow" or "blood".  left_out: fields that were not done.

    smears: in the order in which they came, where that is known: those of fields that are left out too.
    """

    name: str
    panel: str
    specimen: str
    labels: tuple[str, ...]
    fields: Sequence[WholeField]
    singles: Sequence[WholeSingle]
    left_out: int = field(default=0, compare=False)
    smears: Sequence[str] = field(default=(), compare=False)

    @property
    def splits(self) -> dict[str, str]:
        """The split of every smear."""
        return splits(
            [*self.smears, *(each.smear for each in self.fields), *(each.smear for each in self.singles)]
        )


def whole_set(sets: LabelSets, of: LabelSet, *, unfinished: bool = False) -> WholeSet:
    """Return a set to be exported. unfinished: leave fields out that are not done, instead of refusing.

    What was withdrawn is left out. Raises ApplianceRefused where a cell's label is not known yet, where there is
    nothing, and for a set that was withdrawn.
    """
    sets.standing(of.id)
    read = [(each, sets.reading(each)) for each in sets.fields(of.id)]
    waiting = [each for each, reading in read if not reading.done]
    if waiting and not unfinished:
        disputed = sum(len(reading.disputed) for _, reading in read)
        raise ApplianceRefused(
            f"{number_of(len(waiting), 'field')} of {of.name} wait to be finished or settled "
            f"({number_of(disputed, 'cell')} in dispute). Do that, or leave these fields out (--unfinished)."
        )
    fields = [_field(sets, each, reading) for each, reading in read if reading.done]
    singles = [
        WholeSingle(sets.single_crop(single.id), single.label, single.smear) for single in sets.singles(of.id)
    ]
    if not fields and not singles:
        raise ApplianceRefused(f"The set {of.name} has nothing to export yet. Label a field first.")
    smears = sets.smears(of.id)
    return WholeSet(of.name, of.panel, str(of.specimen), of.labels, fields, singles, len(waiting), smears)


def box(field: WholeField, cell: WholeCell) -> tuple[float, float, float, float]:
    """Return the box around a cell, px: left, top, width, height. It is about the place that was tapped."""
    half = (cell.radius_um or NOMINAL_RADIUS_UM) / field.um_per_px
    half = min(half, cell.x, cell.y, field.width - cell.x, field.height - cell.y)
    return cell.x - half, cell.y - half, 2 * half, 2 * half


def _field(sets: LabelSets, of: LabelField, reading: FieldReading) -> WholeField:
    labels = reading.labels()
    cells = tuple(
        WholeCell(cell.x, cell.y, labels[cell.id], cell.radius_um)
        for cell in reading.cells
        if cell.id in labels
    )
    return WholeField(
        of.digest,
        of.width,
        of.height,
        of.um_per_px,
        of.calibration,
        of.smear,
        cells,
        lambda: sets.picture(of.id),
    )
