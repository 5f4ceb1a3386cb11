"""What cell types there are: a panel is a list of labels in clinical order, and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from importlib.resources import files

from models.errors import ModelRefused

UNIDENTIFIED = "unidentified"
"""The label of a cell that waits for a person. In every panel, never in its file, never counted."""

MEASURES = ("counted", "me_ratio", "erythroid_total", "nrbc_per_100")
"""What a count reports beside its labels, as named in reference ranges and LOINC tables."""


def is_percentage(name: str) -> bool:
    """Whether the values of a label or measure are percentages: a ratio, a number and NRBC per 100 are none."""
    return name not in ("counted", "me_ratio", "nrbc_per_100")


class Specimen(StrEnum):
    """What the smear is of."""

    MARROW = "marrow"
    BLOOD = "blood"


@dataclass(frozen=True, slots=True)
class Label:
    """A cell type of a panel.

    name: as in files and results ("band_neutrophil").  title: for a person ("Band neutrophil").
    short: for a narrow column.  lineage: one of `LINEAGES` in `models.panel_file`.
    maturation: rank within the lineage, 1 the youngest; None where it has none.
    counted: may be in the denominator (see `Panel.counted`; in blood, erythroid cells never are).
    side: "granulocytic" or "erythroid" where it is part of M:E.
    """

    name: str
    title: str
    short: str
    lineage: str
    maturation: int | None
    counted: bool
    side: str | None


@dataclass(frozen=True, slots=True)
class Merged:
    """A row that stands for several labels when the laboratory merges them (band and segmented)."""

    name: str
    title: str
    short: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loinc:
    """A LOINC code, and whether someone compared it with the LOINC table."""

    code: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Customs:
    """What a panel proposes for one specimen. A laboratory may replace every range and limit.

    watched: percentages that decide a diagnosis, by label.  reference: lowest and highest usual percentage,
    by label, merged row or measure.  reference_source: where the ranges come from.
    loinc: codes by label or measure.
    """

    watched: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reference: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reference_source: str = ""
    loinc: Mapping[str, Loinc] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """Labels in clinical order, and the customs of each specimen that the panel can count.

    outputs: what a network may say that is no label of the panel, and the label it stands for.
    """

    name: str
    title: str
    source: str
    labels: tuple[Label, ...]
    customs: Mapping[Specimen, Customs]
    merged: Merged | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names in clinical order."""
        return tuple(label.name for label in self.labels)

    @property
    def specimens(self) -> tuple[Specimen, ...]:
        """The specimens that the panel can count."""
        return tuple(self.customs)

    def label(self, name: str) -> Label:
        """Return the label of that name, or raise ModelRefused naming the nearest one."""
        for label in self.labels:
            if label.name == name:
                return label
        raise ModelRefused(f'The panel {self.name} has no label "{name}".{did_you_mean(name, self.names)}')

    def final(self, output: str) -> str:
        """Return the final label for what a network says: a label of the panel, or `unidentified`.

        Raises ModelRefused where the panel does not know the output: such weights do not fit it.
        """
        name = self.outputs.get(output, output)
        return name if name == UNIDENTIFIED else self.label(name).name

    def counted(self, specimen: Specimen) -> tuple[Label, ...]:
        """Return the labels of the denominator, in clinical order.

        In blood, erythroid cells are reported per 100 white cells and stay outside.
        """
        return tuple(
            label
            for label in self.labels
            if label.counted and not (specimen is Specimen.BLOOD and label.side == "erythroid")
        )

    def exportable_loinc(self, name: str, specimen: Specimen) -> str | None:
        """Return the LOINC code of a label or measure, or None where there is none or nobody verified it."""
        customs = self.customs.get(specimen)
        loinc = customs.loinc.get(name) if customs else None
        return loinc.code if loinc and loinc.verified else None


def panel_names() -> tuple[str, ...]:
    """Return the names of the bundled panels, sorted."""
    folder = files("models") / "panels"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def load_panel(name: str) -> Panel:
    """Return the bundled panel of that name, or raise ModelRefused naming the nearest one, and those with weights."""
    from models.panel_file import read_panel

    if name not in panel_names():
        from models.card import BUNDLED
        from models.cascade_file import cascades_in

        weights = f" Panels with weights: {', '.join(cascades_in(BUNDLED)) or 'none'}."
        raise ModelRefused(f'There is no panel "{name}".{did_you_mean(name, panel_names())}{weights}')
    return read_panel((files("models") / "panels" / f"{name}.toml").read_text("utf-8"), f"{name}.toml")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a refusal: the nearest known name, or all of them where none is near."""
    known = tuple(known)
    near = get_close_matches(name, known, n=1)
    if near:
        return f' Did you mean "{near[0]}"?'
    return f" Choose one of: {', '.join(known)}." if known else ""
