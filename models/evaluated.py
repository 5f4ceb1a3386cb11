"""What a report is made from: a cascade's answers to the labelled cells of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.curves import PrecisionRecall, precision_recall
from models.evaluation import CellReport, Judged, report
from models.panel import UNIDENTIFIED, Panel


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """A cascade, by its name and engine, and what it said.

    outputs: of the cascade, in the order of every opinion's probabilities.  cells, artefacts: with their patches.
    result: the figures of all of them.  figures: what is said of the whole, by name.
    """

    weights: str
    engine: str
    split: str
    panel: Panel
    outputs: tuple[str, ...]
    cells: Sequence[Judged]
    artefacts: Sequence[Judged]
    result: CellReport
    figures: Mapping[str, float]

    @property
    def counted(self) -> list[str]:
        """The counted labels, in clinical order."""
        return [label.name for label in self.panel.labels if label.counted]

    @property
    def sources(self) -> list[str]:
        """Where the labelled cells come from."""
        return list(dict.fromkeys(cell.source for cell in self.cells))

    @property
    def everything(self) -> list[Judged]:
        """Cells and artefacts."""
        return [*self.cells, *self.artefacts]

    @property
    def misnamed(self) -> list[Judged]:
        """The cells and artefacts of a wrong name, the most probable first; not those left unidentified."""
        wrong = [cell for cell in self.everything if cell.opinion.label not in (cell.expected, UNIDENTIFIED)]
        return sorted(wrong, key=lambda cell: -cell.opinion.probability)

    def of_source(self, source: str) -> list[Judged]:
        """Return the cells of one source."""
        return [cell for cell in self.cells if cell.source == source]

    def figures_of(self, source: str) -> CellReport:
        """Return the figures of one source alone."""
        artefacts = [cell for cell in self.artefacts if cell.source == source]
        return report(self.panel, self.of_source(source), artefacts)

    def curve(self, label: str) -> PrecisionRecall:
        """Return precision over recall of a label among the cells, by the probability that it was given."""
        mine = [self.panel.final(output) == label for output in self.outputs]
        scores = [float(cell.opinion.probabilities[mine].sum()) for cell in self.cells]
        right = [cell.expected == label for cell in self.cells]
        return precision_recall(scores, right, sum(right))

    def likeliest(self, cell: Judged) -> str:
        """Return the output that a cell's answer rests on."""
        return self.outputs[int(cell.opinion.probabilities.argmax())]

    def standing_for(self, label: str) -> str:
        """Return the output that stands for a final label."""
        return next(output for output in self.outputs if self.panel.final(output) == label)


def patches(cells: Sequence[Judged]) -> NDArray[np.uint8]:
    """Return the patches of cells, N×96×96×3. Raises ValueError where a cell was kept without its own."""
    kept = [cell.patch for cell in cells if cell.patch is not None]
    if len(kept) < len(cells):
        raise ValueError("A report needs the patch of every cell.")
    return np.stack(kept)
