"""Cells beside what the network looks at in them: for every label some right answers and the worst mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.attention import FeatureNetwork
from models.evaluated import Evaluated, patches
from models.evaluation import Judged
from models.pictures import spotlight


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One cell, and pictures under their names: itself, and itself lit where a label's reasons lie.

    squares: the rows and columns of the map behind the light.
    """

    cell: Judged
    pictures: tuple[tuple[str, NDArray[np.uint8]], ...]
    squares: tuple[int, int]

    @property
    def right(self) -> bool:
        """Whether the answer is what experts say."""
        return self.cell.opinion.label == self.cell.expected


def looks(found: Evaluated, network: FeatureNetwork) -> dict[str, list[Look]]:
    """Return for each counted label that cells have: one right answer a source and the worst mistake, where there are.

    Raises AnalysisError where the network fails.
    """
    wrong = found.misnamed
    chosen = {}
    for label in found.counted:
        mine = [cell for cell in found.cells if cell.expected == label]
        right = [cell for cell in mine if cell.opinion.label == label]
        typical = [_middling([cell for cell in right if cell.source == source]) for source in found.sources]
        worst = [cell for cell in wrong if cell.expected == label][:1]
        chosen[label] = [cell for some in typical for cell in some] + worst
    return {
        label: [_look(cell, found, network) for cell in cells] for label, cells in chosen.items() if cells
    }


def _middling(cells: Sequence[Judged]) -> list[Judged]:
    """The cell whose probability has as many above it as below: neither the best nor the worst is typical."""
    ordered = sorted(cells, key=lambda cell: cell.opinion.probability)
    return ordered[len(ordered) // 2 : len(ordered) // 2 + 1]


def _look(cell: Judged, found: Evaluated, network: FeatureNetwork) -> Look:
    asked = [found.likeliest(cell)]
    if cell.opinion.label != cell.expected:
        asked.append(found.standing_for(cell.expected))
    patch = patches([cell])[0]
    weights = network.attention(np.stack([patch] * len(asked)), asked)
    lit = [(f"for {name}", spotlight(patch, weight)) for name, weight in zip(asked, weights, strict=True)]
    return Look(cell, (("cell", patch), *lit), (weights.shape[1], weights.shape[2]))
