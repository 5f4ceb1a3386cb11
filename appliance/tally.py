"""Counts by label, and what the rules make of them: percentages, limits, M:E, what waits for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from appliance.interval import clopper_pearson
from appliance.rules import MeFormula, Overrides, Rules
from models.panel import UNIDENTIFIED, Specimen

__all__ = ["MeFormula", "Overrides", "Row", "Rules", "Tally"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the differential.

    percent, low, high: of the counted cells, with exact 95 % limits (0, 0 and 100 while nothing is counted).
    reference: usual percentages, or None where neither panel nor laboratory gives any.
    """

    label: str
    title: str
    short: str
    count: int
    percent: float
    low: float
    high: float
    reference: tuple[float, float] | None

    @property
    def beyond(self) -> str:
        """On which side both limits lie outside the reference: "above", "below", or empty."""
        if self.reference is None:
            return ""
        usual_low, usual_high = self.reference
        return "above" if self.low > usual_high else "below" if self.high < usual_low else ""


@dataclass(frozen=True)
class Tally:
    """Every final label that was seen, under the rules of a run.

    counts: by label, `unidentified` and uncounted ones too.  at_border: cells whose window left the frame.
    """

    rules: Rules
    counts: Mapping[str, int] = field(default_factory=dict)
    at_border: int = 0

    def __post_init__(self) -> None:
        """Keep the labels that were seen. Raises ModelRefused for one that the panel does not know."""
        for name in self.counts:
            if name != UNIDENTIFIED:
                self.rules.panel.label(name)
        object.__setattr__(self, "counts", {name: n for name, n in self.counts.items() if n})

    def adding(self, labels: Iterable[str | None]) -> Tally:
        """Return this tally with more cells; None stands for a cell whose window left the frame.

        Raises ModelRefused for a label that the panel does not know.
        """
        counts, at_border = dict(self.counts), self.at_border
        for output in labels:
            if output is None:
                at_border += 1
            else:
                name = self.rules.panel.final(output)
                counts[name] = counts.get(name, 0) + 1
        return replace(self, counts=counts, at_border=at_border)

    def count(self, name: str) -> int:
        """Return how many cells have that label, or one of a merged row's labels."""
        merged = self.rules.panel.merged
        members = merged.members if merged and merged.name == name else (name,)
        return sum(self.counts.get(member, 0) for member in members)

    @property
    def counted(self) -> int:
        """The denominator: cells with a label that counts in this specimen."""
        return sum(self.counts.get(label.name, 0) for label in self.rules.counted)

    @property
    def unidentified(self) -> int:
        """Cells that wait for a person. While there are any, the run cannot be signed."""
        return self.counts.get(UNIDENTIFIED, 0)

    @property
    def not_counted(self) -> dict[str, int]:
        """Cells outside the denominator, by label in clinical order; only labels that were seen."""
        inside = {label.name for label in self.rules.counted}
        return {
            name: self.counts[name]
            for name in self.rules.panel.names
            if name not in inside and self.counts.get(name, 0)
        }

    @property
    def rows(self) -> tuple[Row, ...]:
        """A row per counted label in clinical order, zero counts too; band and segmented as one if merged."""
        rows: list[Row] = []
        merged = self.rules.panel.merged if self.rules.merge_band_and_segmented else None
        for label in self.rules.counted:
            if merged is None or label.name not in merged.members:
                rows.append(self._row(label.name, label.title, label.short))
            elif all(row.label != merged.name for row in rows):
                rows.append(self._row(merged.name, merged.title, merged.short))
        return tuple(rows)

    def _row(self, name: str, title: str, short: str) -> Row:
        count, total = self.count(name), self.counted
        low, high = clopper_pearson(count, total)
        percent = 100 * count / total if total else 0.0
        return Row(name, title, short, count, percent, low, high, self.rules.reference.get(name))

    @property
    def me_ratio(self) -> float | None:
        """Granulocytic to erythroid cells; None in blood and while there is no erythroid cell."""
        me = self.rules.me
        erythroid = sum(self.count(name) for name in me.erythroid) if me else 0
        if me is None or erythroid == 0:
            return None
        return sum(self.count(name) for name in me.granulocytic) / erythroid

    @property
    def me_formula(self) -> str | None:
        """What was divided by what for M:E, in labels; None in blood."""
        return self.rules.me.text if self.rules.me else None

    @property
    def erythroid_percent(self) -> float | None:
        """All erythroid cells in percent of the counted ones; None in blood, and where it cannot be known."""
        if self.rules.specimen is Specimen.BLOOD or not self._knows_erythroid:
            return None
        return 100 * self.erythroid / self.counted

    @property
    def erythroid_limits(self) -> tuple[float, float] | None:
        """The exact 95 % limits of `erythroid_percent`."""
        return None if self.erythroid_percent is None else clopper_pearson(self.erythroid, self.counted)

    @property
    def nrbc_per_100(self) -> float | None:
        """Erythroblasts per 100 white cells; None in marrow, and where nothing is counted or can be known."""
        if self.rules.specimen is Specimen.MARROW or not self._knows_erythroid:
            return None
        return 100 * self.erythroid / self.counted

    @property
    def erythroid(self) -> int:
        """How many erythroid cells were seen."""
        return sum(self.count(label.name) for label in self.rules.panel.labels if label.side == "erythroid")

    @property
    def _knows_erythroid(self) -> bool:
        return self.counted > 0 and any(label.side == "erythroid" for label in self.rules.panel.labels)
