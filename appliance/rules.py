"""A panel's rules for one run, with the laboratory's own ranges, limits and formula in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from appliance.errors import ApplianceRefused
from models.errors import ModelRefused
from models.panel import MEASURES, Label, Panel, Specimen, did_you_mean, is_percentage
from models.panel_file import limits, reference_range

_T = TypeVar("_T")


@dataclass(frozen=True)
class Overrides:
    """What a laboratory sets itself, for one specimen.

    reference: ranges by label, merged row or measure ("me_ratio", "nrbc_per_100", "erythroid_total").
    watched: decision limits (%) by label.
    An empty list takes away what the panel proposes.
    me_formula: "promyelocyte + myelocyte : erythroblast", every label of both sides by name; it replaces the
    panel's formula, and then monocytes_in_me says nothing.
    """

    merge_band_and_segmented: bool = False
    monocytes_in_me: bool = True
    reference: Mapping[str, Sequence[float]] = field(default_factory=dict)
    watched: Mapping[str, Sequence[float]] = field(default_factory=dict)
    me_formula: str | None = None


@dataclass(frozen=True)
class MeFormula:
    """What is divided by what for M:E, by label."""

    granulocytic: tuple[str, ...]
    erythroid: tuple[str, ...]

    @property
    def text(self) -> str:
        """The formula in words: "promyelocyte + myelocyte : erythroblast"."""
        return f"{' + '.join(self.granulocytic)} : {' + '.join(self.erythroid)}"


@dataclass(frozen=True)
class Rules:
    """How a run's cells become its numbers.

    reference, watched: with the laboratory's own in place of the panel's.
    me: None in blood, and where the panel lacks a side of it.
    """

    panel: Panel
    specimen: Specimen
    merge_band_and_segmented: bool
    reference: Mapping[str, tuple[float, float]]
    watched: Mapping[str, tuple[float, ...]]
    me: MeFormula | None

    @classmethod
    def resolve(cls, panel: Panel, specimen: Specimen, overrides: Overrides | None = None) -> Rules:
        """Return the rules in force. Raises ApplianceRefused for what does not fit, with the nearest name."""
        overrides = overrides or Overrides()
        if specimen not in panel.specimens:
            raise ApplianceRefused(
                f"The panel {panel.name} cannot count {specimen}: it is for {' and '.join(panel.specimens)}. "
                f"Choose another panel or specimen."
            )
        customs = panel.customs[specimen]
        return cls(
            panel=panel,
            specimen=specimen,
            merge_band_and_segmented=overrides.merge_band_and_segmented,
            reference=_replaced_ranges(customs.reference, overrides.reference, panel, specimen),
            watched=_replaced_limits(customs.watched, overrides.watched, panel, specimen),
            me=_me_formula(panel, specimen, overrides),
        )

    @property
    def counted(self) -> tuple[Label, ...]:
        """The labels of the denominator, in clinical order."""
        return self.panel.counted(self.specimen)


def known_ranges(panel: Panel, specimen: Specimen) -> tuple[str, ...]:
    """Return what may have a reference range: labels, the merged row and measures."""
    return (*panel.names, *((panel.merged.name,) if panel.merged else ()), *MEASURES)


def known_watched(panel: Panel, specimen: Specimen) -> tuple[str, ...]:
    """Return the labels that may have decision limits."""
    return tuple(label.name for label in panel.counted(specimen))


def _replaced_ranges(
    proposed: Mapping[str, tuple[float, float]],
    own: Mapping[str, Sequence[float]],
    panel: Panel,
    specimen: Specimen,
) -> dict[str, tuple[float, float]]:
    ranges = dict(proposed)
    known = known_ranges(panel, specimen)
    for name, value in own.items():
        if name not in known:
            raise ApplianceRefused(
                f'Reference ranges: the panel {panel.name} has no label "{name}".{did_you_mean(name, known)}'
            )
        ranges.pop(name, None)
        if len(value):
            check = partial(reference_range, percentage=is_percentage(name))
            ranges[name] = _checked(check, value, f"Reference range of {name}")
    return ranges


def _replaced_limits(
    proposed: Mapping[str, tuple[float, ...]],
    own: Mapping[str, Sequence[float]],
    panel: Panel,
    specimen: Specimen,
) -> dict[str, tuple[float, ...]]:
    watched = dict(proposed)
    known = known_watched(panel, specimen)
    for name, value in own.items():
        if name not in known:
            raise ApplianceRefused(
                f'Watched limits: "{name}" is not counted by the panel {panel.name} in {specimen}.'
                f"{did_you_mean(name, known)}"
            )
        watched.pop(name, None)
        if len(value):
            watched[name] = _checked(limits, value, f"Watched limits of {name}")
    return watched


def _checked(check: Callable[[object, str], _T], value: object, where: str) -> _T:
    try:
        return check(value, where)
    except ModelRefused as error:  # the laboratory's own number, not the panel's
        raise ApplianceRefused(str(error)) from error


def _me_formula(panel: Panel, specimen: Specimen, overrides: Overrides) -> MeFormula | None:
    if overrides.me_formula is not None:
        own = _parsed(overrides.me_formula, panel)  # refused early in blood too, where it is not used
        return own if specimen is Specimen.MARROW else None
    if specimen is Specimen.BLOOD:
        return None
    counted = panel.counted(specimen)
    granulocytic = tuple(
        label.name
        for label in counted
        if label.side == "granulocytic" or (overrides.monocytes_in_me and label.lineage == "monocytic")
    )
    erythroid = tuple(label.name for label in counted if label.side == "erythroid")
    return MeFormula(granulocytic, erythroid) if granulocytic and erythroid else None


def _parsed(text: str, panel: Panel) -> MeFormula:
    sides = [[name.strip() for name in side.split("+")] for side in text.split(":")]
    if len(sides) != 2 or not all(name for side in sides for name in side):
        raise ApplianceRefused(
            f'The M:E formula "{text}" cannot be read. Write labels joined by +, the two sides by a colon: '
            f'"promyelocyte + myelocyte : erythroblast".'
        )
    names = sides[0] + sides[1]
    for name in names:
        if name not in panel.names:
            raise ApplianceRefused(
                f'The M:E formula names "{name}", which the panel {panel.name} does not have.'
                f"{did_you_mean(name, panel.names)}"
            )
        if not panel.label(name).counted:
            raise ApplianceRefused(
                f'The M:E formula names "{name}", which is outside the count. Leave it out.'
            )
        if names.count(name) > 1:
            raise ApplianceRefused(f'The M:E formula names "{name}" twice. Name each label once.')
    return MeFormula(tuple(sides[0]), tuple(sides[1]))
