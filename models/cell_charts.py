"""The charts of an evaluation of cells, as files of stable names that show no cell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from models.attention import FeatureNetwork
from models.confusion import draw_confusion
from models.curves import PrecisionRecall, reliability
from models.embedding import FEWEST, flat_map
from models.evaluated import Evaluated, patches
from models.evaluation import CellReport
from models.panel import UNIDENTIFIED
from models.report_charts import draw_map, draw_precision_recall, draw_reliability
from models.report_page import draw_both


def draw_confusions(folder: Path, found: Evaluated, by_source: Mapping[str, CellReport]) -> list[str]:
    """Draw ``cells-confusion`` and one ``cells-confusion-SOURCE`` per source; return their names, in this order."""
    names = []
    for name, figures, whose in (
        ("cells-confusion", found.result, "all sources"),
        *(
            (f"cells-confusion-{source}", figures, f"source {source}")
            for source, figures in by_source.items()
        ),
    ):
        artefacts = sum(map(sum, figures.confusion)) - figures.cells
        title = f"What is taken for what, {whose}: {_what(found, figures.cells, artefacts)}"
        draw = partial(draw_confusion, figures.labels, figures.confusion, title=title)
        names.append(draw_both(folder, name, draw))
    return names


def draw_curves(folder: Path, found: Evaluated, curves: Mapping[str, PrecisionRecall]) -> None:
    """Draw ``cells-precision-recall`` of the counted labels and ``cells-reliability`` of the sources."""
    result = found.result
    achieved = {name: (result.recall[name], result.precision[name]) for name in curves}
    title = f"Precision over recall, label by label: {_what(found, result.cells)}"
    dot = "what the answers achieve"
    draw_both(
        folder,
        "cells-precision-recall",
        lambda path: draw_precision_recall(curves, achieved, path, title, dot),
    )
    held = {
        source: reliability(
            [float(cell.opinion.probabilities.max()) for cell in found.of_source(source)],
            [cell.top == cell.expected for cell in found.of_source(source)],
        )
        for source in found.sources
    }
    heading = f"How often answers of each probability are right: {_what(found, result.cells)}"
    draw_both(folder, "cells-reliability", lambda path: draw_reliability(held, path, heading))


def draw_maps(folder: Path, found: Evaluated, network: FeatureNetwork) -> list[str]:
    """Draw ``cells-map-labels`` and ``cells-map-sources`` of cells and artefacts; return their names.

    None where there are too few cells.  Raises AnalysisError where the network fails.
    """
    cells = found.everything
    if len(cells) < FEWEST:
        return []
    places = flat_map(network.features(patches(cells)))
    labels, sources = ([cell.expected for cell in cells], [cell.source for cell in cells])
    what = _what(found, len(found.cells), len(found.artefacts))
    names = []
    for name, kinds, order, by in (
        ("cells-map-labels", labels, (*found.panel.names, UNIDENTIFIED), "label"),
        ("cells-map-sources", sources, tuple(dict.fromkeys(sources)), "source"),
    ):
        title = f"What the network takes to be alike, by {by}: {what}"
        draw = partial(draw_map, places, kinds, order, sources, title=title)
        names.append(draw_both(folder, name, draw))
    return names


def _what(found: Evaluated, cells: int, artefacts: int = 0) -> str:
    return f"{cells:,} cells of {found.split}" + (f" and {artefacts:,} artefacts" if artefacts else "")
