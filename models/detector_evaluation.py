"""Everything that is measured of a detector: boxed cells, marrow mosaics, and what it finds where there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data import LabelledField, labelled_fields
from models.empty_regions import FalseFinds, false_finds
from models.field_evaluation import HELD_OUT, FieldReport, Find, report
from models.marrow_mosaics import MosaicReport, mosaics
from models.marrow_mosaics import report as mosaic_report

Tracked = Callable[[Iterable[Any], str], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """What a detector achieves.

    sources: boxed white cells of held-out fields.  marrow_mosaics: labelled cells, found exactly once or not.
    without_white_cells: false finds in the parts of the held-out fields that show no white cell.
    """

    sources: tuple[FieldReport, ...]
    marrow_mosaics: MosaicReport
    without_white_cells: tuple[FalseFinds, ...]


def evaluate_detector(
    folder: Path, find_all: Find, score_from: float, split: str, tracked: Tracked = lambda items, _: items
) -> DetectorReport:
    """Judge a detector on held-out fields and on the marrow cells of a split.

    find_all: returns every candidate with its score.  score_from: the threshold that the detector is used with.
    tracked: passes items through and may show how far it is.
    """
    fields = {source: held_out(folder, source) for source in HELD_OUT}
    return DetectorReport(
        sources=tuple(
            report(source, tracked(chosen, source), find_all, score_from) for source, chosen in fields.items()
        ),
        marrow_mosaics=mosaic_report(
            split, tracked(mosaics(folder, split), "marrow mosaics"), find_all, score_from
        ),
        without_white_cells=tuple(
            false_finds(source, tracked(chosen, f"{source}, no white cells"), find_all, score_from)
            for source, chosen in fields.items()
        ),
    )


def held_out(folder: Path, source: str) -> list[LabelledField]:
    """Return the fields of a source that no training reads."""
    return [
        item for item in labelled_fields(folder) if (item.source, item.split) == (source, HELD_OUT[source])
    ]


def card_figures(result: DetectorReport) -> dict[str, float]:
    """Return the figures that a model card states, by name."""
    figures = {
        f"{item.source} {item.split} {what}": round(getattr(item, what), 4)
        for item in result.sources
        for what in ("average_precision", "precision", "recall")
    }
    marrow = result.marrow_mosaics
    for one in (marrow.near, marrow.half_a_cell):
        figures[f"marrow mosaics {marrow.split} found once within {one.within_um:g} µm"] = round(one.share, 4)
    for item in result.without_white_cells:
        figures[f"{item.source} {item.split} false finds per mm²"] = round(item.per_mm2, 1)
    return figures
