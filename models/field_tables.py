"""The tables of `hemadiff evaluate fields`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from models.detector_evaluation import DetectorReport
from models.empty_regions import FalseFinds
from models.field_evaluation import FieldReport
from models.figures import shown
from models.marrow_mosaics import Found, MosaicReport


def detector_tables(name: str, result: DetectorReport) -> list[Table]:
    """Return everything that is measured of a detector."""
    return [
        field_table(name, result.sources),
        mosaic_table(result.marrow_mosaics),
        false_find_table(result.without_white_cells),
    ]


def field_table(name: str, reports: Sequence[FieldReport]) -> Table:
    """Boxed white cells of whole fields, by source."""
    table = Table("source", "split", "fields", "white cells", "AP", "precision", "recall", title=name)
    for item in reports:
        figures = (item.average_precision, item.precision, item.recall)
        table.add_row(
            item.source, item.split, str(item.fields), str(item.white_cells), *(shown(x, 3) for x in figures)
        )
    return table


def mosaic_table(result: MosaicReport) -> Table:
    """Labelled cells of marrow mosaics: found once, missed, found more than once."""
    quantiles = ", ".join(f"{share} {shown(value, 2)}" for share, value in result.distance_um.items())
    table = Table(
        "labelled cells",
        "within µm",
        "cells",
        "found once %",
        "missed",
        "more than once",
        title=f"Marrow mosaics of mll {result.split}, {result.mosaics} fields",
        caption=f"Left out, no cell in the image's middle: {result.left_out}. µm to the nearest find: {quantiles}.",
    )
    rows = {"all": result.near, "all, within half a cell": result.half_a_cell, **result.by_label}
    for name, item in rows.items():
        table.add_row(name, *_cells_of(item))
    return table


def false_find_table(results: Sequence[FalseFinds]) -> Table:
    """Finds in the parts of fields that show no white cell, by source."""
    table = Table(
        "source", "split", "parts", "mm²", "finds", "per mm²", title="Where there are no white cells"
    )
    for item in results:
        table.add_row(
            item.source,
            item.split,
            str(item.regions),
            f"{item.area_mm2:.3f}",
            str(item.finds),
            shown(item.per_mm2, 1),
        )
    return table


def _cells_of(item: Found) -> tuple[str, ...]:
    return (
        f"{item.within_um:g}",
        str(item.cells),
        shown(100 * item.share, 1),
        str(item.missed),
        str(item.more_than_once),
    )
