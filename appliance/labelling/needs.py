"""How many cells of each label a set has, against what training needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from appliance.labelling.reading import FieldReading
from appliance.labelling.sets import LabelField, LabelSet, LabelSets
from appliance.labelling.splits import splits
from models.panel import load_panel

TRAINED_PANEL = "smear-13"
NEEDED: Mapping[str, int] = MappingProxyType({"train": 349, "val": 62, "test": 62})
"""The training command sets no floor. These are the rarest label's images (promyelocyte, of one laboratory) from which
the bundled networks learnt: with fewer nobody has shown that it works."""


@dataclass(frozen=True, slots=True)
class Count:
    """A label's cells whose label is known. trained: whether `hemadiff-train cells` knows the label."""

    label: str
    title: str
    split: Mapping[str, int]
    trained: bool

    @property
    def cells(self) -> int:
        """All of them."""
        return sum(self.split.values())

    @property
    def short(self) -> Mapping[str, int]:
        """How many are missing in each split that has too few."""
        return {name: most - self.split[name] for name, most in NEEDED.items() if self.split[name] < most}


@dataclass(frozen=True, slots=True)
class Overview:
    """A set's fields with what was said of them, and its counts in the order of its labels."""

    fields: Sequence[tuple[LabelField, FieldReading]]
    counts: Sequence[Count]

    @property
    def done(self) -> int:
        """How many fields are done."""
        return sum(reading.done for _, reading in self.fields)

    @property
    def disputed(self) -> int:
        """How many cells wait for a third person."""
        return sum(len(reading.disputed) for _, reading in self.fields)

    @property
    def cells(self) -> int:
        """How many cells have a label that is known."""
        return sum(count.cells for count in self.counts)


def overview(sets: LabelSets, of: LabelSet) -> Overview:
    """Return how far a set is."""
    fields = [(field, sets.reading(field)) for field in sets.fields(of.id)]
    singles = sets.singles(of.id)
    split = splits(sets.smears(of.id))
    found = [(label, split[field.smear]) for field, reading in fields for label in reading.labels().values()]
    found += [(single.label, split[single.smear]) for single in singles]
    panel = load_panel(TRAINED_PANEL)
    known = {*panel.names, *panel.outputs}
    return Overview(
        fields,
        [
            Count(
                label, of.title(label), {name: found.count((label, name)) for name in NEEDED}, label in known
            )
            for label in of.labels
        ],
    )
