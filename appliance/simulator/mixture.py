"""What a smear is made of: the proportions that a caller sets, and the usual ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.simulator.looks import LOOKS
from models.panel import did_you_mean

LEFT_SHIFTED_BLOOD: Mapping[str, float] = MappingProxyType(
    {
        "segmented_neutrophil": 46, "lymphocyte": 21, "monocyte": 7, "band_neutrophil": 8, "eosinophil": 4,
        "basophil": 2, "metamyelocyte": 3, "myelocyte": 3, "promyelocyte": 2, "blast": 2, "erythroblast": 2,
    }
)  # fmt: skip
"""Blood with a left shift, so that a short count shows every label of smear-13 that is a cell."""

MARROW_SMEAR_13: Mapping[str, float] = MappingProxyType(
    {
        "blast": 2, "promyelocyte": 4, "myelocyte": 9, "metamyelocyte": 9, "band_neutrophil": 13,
        "segmented_neutrophil": 20, "eosinophil": 3, "basophil": 0.5, "monocyte": 2.5, "lymphocyte": 13,
        "erythroblast": 24,
    }
)  # fmt: skip
"""A normal marrow in the labels of smear-13 (University of Iowa's reference ranges, their middles)."""

MARROW_CHOI_10: Mapping[str, float] = MappingProxyType(
    {
        "myeloblast": 3, "promyelocyte": 5, "myelocyte": 13, "metamyelocyte": 13, "band_neutrophil": 16,
        "segmented_neutrophil": 20, "pronormoblast": 2, "basophilic_normoblast": 5, "polychromatic_normoblast": 14,
        "orthochromatic_normoblast": 9,
    }
)  # fmt: skip
"""A normal marrow in the ten stages of Choi 2017: M:E a little over 2."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a smear is made of.

    marrow: a marrow smear with particles and trails, else blood.  shares: of nucleated cells by label, in any unit.
    white_per_mm2: nucleated cells where the smear counts best (the monolayer; the densest trail). Blood with that
    many is no healthy blood: a healthy one has 20, and a count of 500 would visit 2000 fields.
    smudged: share of smudge cells beside them.  clustered: share of places that hold two to five touching cells.
    platelets_per_red: how many to a red cell.  precipitate_per_mm2, dust_per_mm2: how dirty the slide is.
    bubbles, clots, particles: how many (clots: 0 or 1; particles: in a marrow).
    cells: a folder laid out as ``cells.csv`` with labelled single-cell images, whose cells of the test split are
    blended in; None draws every cell.  sources: which of its sources to use; empty for all.
    """

    marrow: bool = False
    shares: Mapping[str, float] = field(default_factory=lambda: LEFT_SHIFTED_BLOOD)
    white_per_mm2: float = 260.0
    smudged: float = 0.02
    clustered: float = 0.04
    platelets_per_red: float = 0.06
    precipitate_per_mm2: float = 12.0
    dust_per_mm2: float = 2.0
    bubbles: int = 3
    clots: int = 1
    particles: int = 7
    cells: Path | None = None
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ApplianceRefused for a label that nobody can draw, and for shares that are none."""
        for label in self.shares:
            if label not in LOOKS:
                raise ApplianceRefused(f'No simulated cell is called "{label}".{did_you_mean(label, LOOKS)}')
        if not self.shares or min(self.shares.values()) < 0 or sum(self.shares.values()) <= 0:
            raise ApplianceRefused(
                "The shares of a simulated smear's cells must not be negative, nor all nought. Correct them."
            )


def blood(**changes: Any) -> Mixture:
    """Return a blood smear's usual mixture, with changes."""
    return Mixture(**changes)


def marrow(**changes: Any) -> Mixture:
    """Return a marrow smear's usual mixture, with changes."""
    usual: dict[str, Any] = {
        "marrow": True, "shares": MARROW_SMEAR_13, "white_per_mm2": 1800.0, "clustered": 0.10, "smudged": 0.04,
    }  # fmt: skip
    return Mixture(**{**usual, **changes})
