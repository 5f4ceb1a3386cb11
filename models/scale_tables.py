"""What `hemadiff evaluate scales` prints."""

from __future__ import annotations

from rich.table import Table

from models.figures import shown
from models.scale_evaluation import ScaleEvaluation


def scale_tables(found: ScaleEvaluation) -> list[Table]:
    """Return accuracy by pixel size and by how wrong the stated one is, and each laboratory at the other's scale."""
    sizes = list(dict.fromkeys(each.um_per_px for each in found.resampled))
    errors = list(dict.fromkeys(each.wrong_by for each in found.resampled))
    cells = found.resampled[0].cells if found.resampled else 0
    whole = Table(
        "pixel, µm", *(_stated(error) for error in errors), title=f"Accuracy, %, of {cells} cells, by what is stated"
    )  # fmt: skip
    for size in sizes:
        whole.add_row(f"{size:.2f}", *(shown(100 * found.at(size, error).accuracy, 1) for error in errors))
    others = Table("pictures of", "pixel, µm", "stated, µm", "cells", "accuracy %", title="Two laboratories")
    for source, each in found.own.items():
        for one in each:
            others.add_row(
                source, f"{one.um_per_px:g}", f"{one.stated_um_per_px:g}", str(one.cells), shown(100 * one.accuracy, 1)
            )  # fmt: skip
    return [whole, others]


def _stated(wrong_by: float) -> str:
    return "right" if wrong_by == 0 else f"{100 * wrong_by:+.0f} %".replace("-", "−")
