"""The report of `hemadiff evaluate cells`: its figures, and the cells behind them, to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.attention import FeatureNetwork
from models.cell_charts import draw_confusions, draw_curves, draw_maps
from models.crops import CANONICAL_UM_PER_PX, PATCH_PX
from models.curves import PrecisionRecall
from models.evaluated import Evaluated
from models.evaluation import CellReport, Judged
from models.figures import shown
from models.looks import looks
from models.panel import UNIDENTIFIED
from models.report_page import percent, today, write_page

WORST = 48  # mistakes that are shown
COMMONEST = 12
CONTENTS = (
    ("figures", "Main figures"),
    ("labels", "Label by label"),
    ("confusion", "What is taken for what"),
    ("precision-recall", "Precision over recall"),
    ("reliability", "Do the probabilities hold?"),
    ("mistakes", "The worst mistakes"),
    ("attention", "Where it looks"),
    ("map", "What it takes to be alike"),
)
MEANINGS = {
    "macro_recall": "mean of the counted labels' recall, every label with the same weight",
    "macro_recall_single_view": "the same, had no doubtful cell been looked at again",
    "macro_recall_neighbours_right": "the same, the stage before or after in its own series taken as right",
    "blood_groups_accuracy": "blood: share of cells in the right one of the eight groups of Acevedo et al. 2020",
    "blood_groups_macro_recall": "the same, every group with the same weight",
    "blast_recall": "share of the blasts that are called blast",
    "other_marrow_called_blast": "marrow: share of the other cells that are called blast",
    "looked_at_again": "share of the cells that were doubtful at first sight",
    "calibration_error_blood": "blood: how far probabilities lie from the share that is right, in the mean",
    "calibration_error_marrow": "marrow: the same",
    "artefacts_counted": "share of the artefacts that would be counted as a cell",
    "macro_recall_all_views": "macro recall, were every cell looked at again",
    "views_per_cell": "how often a cell is looked at, in the mean",
    "label_unchanged": "share of answers that stay when a cell is turned, mirrored or shifted by 1 µm",
    "cells_unchanged": "share of the cells whose answer stays at every such look",
    "accuracy": "share of all cells that are named right",
    "accuracy_recoloured": "the same, every source in the other's colours",
    "recolouring_cost": "what that loses",
}
NO_SHARES = ("views_per_cell",)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What is said of one label. by_source: number of cells and recall, per source."""

    name: str
    cells: int
    recall: float
    precision: float
    sent_away: float
    average_precision: float
    by_source: tuple[tuple[int, float], ...]


def write_cell_report(
    folder: Path, found: Evaluated, describing: FeatureNetwork, looking: FeatureNetwork
) -> Path:
    """Write ``cells.html`` and, in ``charts/``, its charts, which show no cell; return the page.

    describing, looking: in floating point, of the same outputs: asked what it takes to be alike, and where it looks.
    Raises AnalysisError where one of them fails.
    """
    folder.mkdir(exist_ok=True)
    curves = {name: found.curve(name) for name in found.counted}
    by_source = {source: found.figures_of(source) for source in found.sources}
    draw_curves(folder, found, curves)
    doubted = [
        cell
        for cell in found.everything
        if cell.opinion.label == UNIDENTIFIED and cell.expected != UNIDENTIFIED
    ]
    return write_page(
        folder,
        "cells.html",
        title="How well are the cells named?",
        facts=_facts(found, describing, looking),
        contents=CONTENTS,
        figures=_figures(found),
        sources=found.sources,
        labels=_rows(found, curves, by_source),
        confusions=draw_confusions(folder, found, by_source),
        common=_commonest(found.everything),
        misnamed=len(found.misnamed),
        worst=found.misnamed[:WORST],
        doubted=len(doubted),
        total=len(found.everything),
        width_um=PATCH_PX * CANONICAL_UM_PER_PX,
        attention=looks(found, looking),
        looking=looking.name,
        maps=draw_maps(folder, found, describing),
        features=describing.width,
    )


def _facts(found: Evaluated, describing: FeatureNetwork, looking: FeatureNetwork) -> list[tuple[str, str]]:
    return [
        ("Weights", found.weights),
        ("Engine", found.engine),
        ("Split", found.split),
        ("Date", today()),
        ("Cells", f"{len(found.cells):,} of {', '.join(found.sources) or 'no source'}"),
        ("Artefacts", f"{len(found.artefacts):,}"),
        ("Network for maps", f"{describing.name} {describing.sha256[:12]}"),
        ("Network for light", f"{looking.name} {looking.sha256[:12]}"),
    ]


def _figures(found: Evaluated) -> list[tuple[str, str, str]]:
    """Name, value and meaning of every figure of the whole."""
    return [
        (name, shown(value, 2) if name in NO_SHARES else f"{percent(value)} %", MEANINGS.get(name, ""))
        for name, value in found.figures.items()
    ]


def _rows(
    found: Evaluated, curves: Mapping[str, PrecisionRecall], by_source: Mapping[str, CellReport]
) -> list[Row]:
    each = Counter((cell.expected, cell.source) for cell in found.cells)
    return [
        Row(
            name=name,
            cells=curve.total,
            recall=found.result.recall[name],
            precision=found.result.precision[name],
            sent_away=found.result.sent_away[name],
            average_precision=curve.average,
            by_source=tuple(
                (each[name, source], figures.recall[name]) for source, figures in by_source.items()
            ),
        )
        for name, curve in curves.items()
    ]


def _commonest(cells: Sequence[Judged]) -> list[tuple[str, str, int, float]]:
    """Expected label, answer, number, and share of that label's cells, of the commonest mistakes."""
    of_label = Counter(cell.expected for cell in cells)
    wrong = Counter(
        (cell.expected, cell.opinion.label) for cell in cells if cell.expected != cell.opinion.label
    )
    return [
        (expected, answer, number, number / of_label[expected])
        for (expected, answer), number in wrong.most_common(COMMONEST)
    ]
