"""How a network does in a laboratory that it has never seen: the figure that counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.cascade import Cascade
from models.crops import Crop
from models.data import SPECIMEN
from models.errors import ModelRefused
from models.evaluation import Judged, judge

# The labels that both sources of single cells have.
LEFT_OUT = {"mll": "cells-without-mll", "pbc": "cells-without-pbc"}  # the networks that show it
SHARED = ("promyelocyte", "segmented_neutrophil", "monocyte", "lymphocyte", "eosinophil")


@dataclass(frozen=True, slots=True)
class AcrossReport:
    """What a network makes of a source that it was trained without. All figures are shares, 0 to 1.

    macro_recall: over the shared labels, where the network chooses among these five.
    macro_recall_of_all: the same where it chooses among all its outputs and may leave a cell unidentified.
    """

    source: str
    cells: int
    macro_recall: float
    macro_recall_of_all: float
    recall: dict[str, float]


def refuse_missing(weights: Path) -> None:
    """Raise ModelRefused where a folder does not hold both networks that `LEFT_OUT` names."""
    for source, network in LEFT_OUT.items():
        if not (weights / f"{network}.onnx").is_file():
            raise ModelRefused(
                f"There is no {network}.onnx in {weights}. Train it: hemadiff-train cells --without {source} "
                f"--epochs 4 --refine 0 --weights {weights}"
            )


def across(cascades: Mapping[str, Cascade], crops: Iterable[Crop], source: str) -> AcrossReport:
    """Judge cascades, by specimen, on the shared labels of a source that their network was trained without."""
    cells = judge(cascades, (crop for crop in crops if crop[1] in SHARED and crop[2] == source))
    outputs = cascades[SPECIMEN[source]].outputs
    best = [_best_shared(cell, outputs) for cell in cells]
    recall = {name: _recall(cells, best, name) for name in SHARED}
    of_all = [_recall(cells, [cell.opinion.label for cell in cells], name) for name in SHARED]
    return AcrossReport(
        source, len(cells), float(np.nanmean(list(recall.values()))), float(np.nanmean(of_all)), recall
    )


def _best_shared(cell: Judged, outputs: tuple[str, ...]) -> str:
    return max(SHARED, key=lambda name: float(cell.opinion.probabilities[outputs.index(name)]))


def _recall(cells: list[Judged], answers: list[str], label: str) -> float:
    mine = [answer for cell, answer in zip(cells, answers, strict=True) if cell.expected == label]
    return mine.count(label) / len(mine) if mine else float("nan")
