"""The report of `hemadiff evaluate fields`: its figures, and the cells behind them, to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from models.curves import precision_recall
from models.field_evaluation import FieldReport
from models.field_mistakes import FieldAnswers, Mistake
from models.report_charts import draw_precision_recall
from models.report_page import draw_both, today, write_page

SHOWN = 36  # misses, and finds that nobody labelled, of a source
CONTENTS = (
    ("figures", "Figures"),
    ("precision-recall", "Precision over recall"),
    ("misses", "What it misses"),
    ("unlabelled", "What nobody labelled"),
)


def write_field_report(
    folder: Path,
    detector: str,
    score_from: float,
    reports: Sequence[FieldReport],
    found: Mapping[str, FieldAnswers],
    marrow: Sequence[Mistake],
    tables: Sequence[Table],
) -> Path:
    """Write ``fields.html`` and, in ``charts/``, its chart, which shows no cell; return the page.

    detector: its name and digest.  found: by source, cell by cell, what `reports` says in figures.
    marrow: the cells of marrow mosaics that it misses.  tables: everything that was measured, as the command prints it.
    """
    folder.mkdir(exist_ok=True)
    return write_page(
        folder,
        "fields.html",
        title="How well are the cells found?",
        facts=[
            ("Detector", detector),
            ("Finds from a score of", f"{score_from:g}"),
            ("Date", today()),
            ("Fields", ", ".join(f"{item.fields:,} of {item.source} ({item.split})" for item in reports)),
            ("White cells in them", f"{sum(item.white_cells for item in reports):,}"),
        ],
        contents=CONTENTS,
        tables=tables,
        chart_name=_draw_curves(folder, detector, score_from, reports, found),
        reports=reports,
        found=found,
        marrow=marrow,
        most=SHOWN,
    )


def _draw_curves(
    folder: Path,
    detector: str,
    score_from: float,
    reports: Sequence[FieldReport],
    found: Mapping[str, FieldAnswers],
) -> str:
    curves = {
        item.source: precision_recall(
            found[item.source].scores, found[item.source].right, found[item.source].total
        )
        for item in reports
    }
    achieved = {item.source: (item.recall, item.precision) for item in reports}
    title = f"Precision over recall of {detector}: {sum(item.fields for item in reports):,} fields"
    dot = f"what is found from a score of {score_from:g} on"
    return draw_both(
        folder,
        "fields-precision-recall",
        lambda path: draw_precision_recall(curves, achieved, path, title, dot),
    )
