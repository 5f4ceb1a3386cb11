"""Everything that `hemadiff evaluate cells` measures, in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models.cascade import Cascade
from models.crops import ARTEFACT, Crop, cells_of_split, others_of_split
from models.evaluation import CellReport, Judged, judge, report
from models.robustness import Robustness, robustness

_T = TypeVar("_T")
Track = Callable[[Iterable[_T], str], Iterable[_T]]
"""Shows how far a loop is. Takes what it goes through and what that is."""

NEUTROPHILS = ("band_neutrophil", "segmented_neutrophil")


@dataclass(frozen=True, slots=True)
class Specialised:
    """Shares of band and segmented neutrophils that are named right, with the deciding specialist and without."""

    band_neutrophil: float
    segmented_neutrophil: float
    band_neutrophil_without: float
    segmented_neutrophil_without: float


@dataclass(frozen=True, slots=True)
class CellEvaluation:
    """report: the cascade as it counts.  all_views: macro recall if every cell were looked at again.

    specialised: None where the cascade has no specialist that decides.  judged, artefacts: cell by cell.
    """

    report: CellReport
    all_views: float
    robustness: Robustness
    specialised: Specialised | None
    judged: list[Judged]
    artefacts: list[Judged]


def evaluate_cells(
    cascades: Mapping[str, Cascade], folder: Path, split: str, track: Track[Crop]
) -> CellEvaluation:
    """Judge cascades, by specimen, on every labelled cell and artefact of a split."""
    crops = list(track(cells_of_split(folder, split), "reading cells"))
    others = [crop for crop in others_of_split(folder, split) if crop[1] == ARTEFACT]
    judged = judge(cascades, track(crops, "cells"))
    artefacts = judge(cascades, track(others, "artefacts"))
    panel = next(iter(cascades.values())).panel
    always = {specimen: cascade.looking_always() for specimen, cascade in cascades.items()}
    whole = report(panel, judged, artefacts)
    return CellEvaluation(
        report=whole,
        all_views=report(panel, judge(always, track(crops, "all views"))).macro_recall,
        robustness=robustness(cascades, crops, judged),
        specialised=_specialised(cascades, crops, whole),
        judged=judged,
        artefacts=artefacts,
    )


def _specialised(
    cascades: Mapping[str, Cascade], crops: Sequence[Crop], whole: CellReport
) -> Specialised | None:
    if not any(cascade.decides_again for cascade in cascades.values()):
        return None
    alone = {specimen: cascade.without_deciders() for specimen, cascade in cascades.items()}
    neutrophils = [crop for crop in crops if crop[1] in NEUTROPHILS]
    panel = next(iter(cascades.values())).panel
    without = report(panel, judge(alone, neutrophils)).recall
    return Specialised(
        *(whole.recall[name] for name in NEUTROPHILS), *(without[name] for name in NEUTROPHILS)
    )
