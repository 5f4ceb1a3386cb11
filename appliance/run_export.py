"""A run as other programs take it: a table of its differential, and one object with everything behind it.

Only LOINC codes that someone compared with the LOINC table leave the house.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.frame import SkippedField
from appliance.red_cell_check import RedCellCheck
from appliance.store_records import CellRecord, RunRecord
from appliance.tally import Tally
from appliance.view import RESEARCH_USE_ONLY
from models.panel import MEASURES, UNIDENTIFIED

Limits = tuple[float, float]
FORMULAS = ("=", "+", "-", "@")  # what a spreadsheet would compute instead of showing it

COLUMNS = (
    "run",
    "sample",
    "state",
    "specimen",
    "simulated",
    "camera",
    "kind",
    "label",
    "title",
    "count",
    "value",
    "unit",
    "low",
    "high",
    "reference_low",
    "reference_high",
    "loinc",
    "note",
)


def rows(record: RunRecord, tally: Tally, standing: str = "", sample: str = "") -> list[dict[str, Any]]:
    """Return the differential in clinical order, the measures, and what is outside the denominator.

    standing: what the result is worth, for the note of every row.  sample: its number, masked or not; empty without.
    kind: "counted" (value: % of the counted cells; low, high: its exact 95 % limits), "measure" or "not counted".
    """
    table = [
        _row(record, tally, "counted", row.label, row.title, row.count, row.percent, "%", (row.low, row.high))
        for row in tally.rows
    ]
    table += [_row(record, tally, "measure", *measure) for measure in _measures(tally)]
    table.append(_row(record, tally, "not counted", UNIDENTIFIED, "Unidentified", tally.unidentified))
    for label, count in tally.not_counted.items():
        table.append(_row(record, tally, "not counted", label, tally.rules.panel.label(label).title, count))
    table = [{**row, "sample": sample.replace("•", "*")} for row in table]  # any character set has it
    if standing:
        table = [{**row, "note": f"{row['note']} {standing}"} for row in table]
    return table


def _measures(tally: Tally) -> Iterator[tuple[str, str, int | None, float, str, Limits | None]]:
    """Give name, title, count, value, unit and limits of every measure that is known."""
    yield "counted", "Cells counted", tally.counted, tally.counted, "cells", None
    if tally.me_ratio is not None:
        yield "me_ratio", f"M:E ({tally.me_formula})", None, tally.me_ratio, "ratio", None
    if tally.erythroid_percent is not None:
        share, limits = tally.erythroid_percent, tally.erythroid_limits
        yield "erythroid_total", "Erythroid cells", tally.erythroid, share, "%", limits
    if tally.nrbc_per_100 is not None:
        title, unit = "Erythroblasts per 100 white cells", "per 100 white cells"
        yield "nrbc_per_100", title, None, tally.nrbc_per_100, unit, None


def _row(
    record: RunRecord,
    tally: Tally,
    kind: str,
    label: str,
    title: str,
    count: int | None,
    value: float | None = None,
    unit: str | None = None,
    limits: Limits | None = None,
) -> dict[str, Any]:
    low, high = limits or (None, None)
    reference = tally.rules.reference.get(label) if kind != "not counted" else None
    reference_low, reference_high = reference or (None, None)
    loinc = tally.rules.panel.exportable_loinc(label, tally.rules.specimen) if kind != "not counted" else None
    note = " ".join((RESEARCH_USE_ONLY, *record.marks))
    whose = (record.id, "", str(record.state), str(tally.rules.specimen), record.simulated, record.camera)
    numbers = (value, unit, low, high, reference_low, reference_high, loinc, note)
    return dict(zip(COLUMNS, (*whose, kind, label, title, count, *numbers), strict=True))


def to_csv(table: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as CSV (RFC 4180), numbers to four decimals; every row says what it is for."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    writer.writerows({key: _in_csv(value) for key, value in row.items()} for row in table)
    return buffer.getvalue()


def _in_csv(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    if isinstance(value, bool):
        return str(value).lower()  # as JSON has it
    return round(value, 4) if isinstance(value, float) else value


def to_object(
    record: RunRecord,
    tally: Tally,
    skipped: Sequence[SkippedField],
    fields_counted: int,
    cells: Sequence[CellRecord],
    red_cells: RedCellCheck | None = None,
) -> dict[str, Any]:
    """Return everything on record of a run but its patches. The keys of `count --json` mean the same here."""
    panel, specimen = tally.rules.panel, tally.rules.specimen
    return {
        "use": RESEARCH_USE_ONLY,
        "run": record.id,
        "slide": record.slide,
        "state": str(record.state),
        "reason": record.reason,
        "started": record.started.isoformat(),
        "changed": record.changed.isoformat(),
        "specimen": str(specimen),
        "panel": panel.name,
        "counted": tally.counted,
        "unidentified": tally.unidentified,
        "not_counted": dict(tally.not_counted),
        "at_border": tally.at_border,
        "tally": [
            {
                "label": row.label,
                "title": row.title,
                "count": row.count,
                "percent": row.percent,
                "low": row.low,
                "high": row.high,
                "reference": None if row.reference is None else list(row.reference),
                "loinc": panel.exportable_loinc(row.label, specimen),
            }
            for row in tally.rows
        ],
        "counts": dict(tally.counts),
        "me_ratio": tally.me_ratio,
        "me_formula": tally.me_formula,
        "erythroid_percent": tally.erythroid_percent,
        "erythroid_limits": None if tally.erythroid_limits is None else list(tally.erythroid_limits),
        "nrbc_per_100": tally.nrbc_per_100,
        "measure_reference": {
            name: list(tally.rules.reference[name]) for name in MEASURES if name in tally.rules.reference
        },
        "loinc": {name: code for name in MEASURES if (code := panel.exportable_loinc(name, specimen))},
        "engine": record.engine,
        "weights": record.weights,
        "um_per_px": record.scale.um_per_px,
        "calibration": record.scale.id,
        "calibration_source": record.scale.source,
        "marks": list(record.marks),
        "red_cells": None if red_cells is None else red_cells.view(),
        "camera": record.camera,
        "simulated": record.simulated,
        "version": record.version,
        "fields": {
            "counted": fields_counted,
            "planned": record.planned,
            "skipped": dict(Counter(field.reason for field in skipped)),
        },
        "skipped_fields": [
            {"name": field.name, "reason": field.reason, "detail": field.detail} for field in skipped
        ],
        "cells": [_cell(cell, record, tally) for cell in cells],
    }


def _cell(cell: CellRecord, record: RunRecord, tally: Tally) -> dict[str, Any]:
    names = record.outputs

    def named(values: Any) -> dict[str, float] | list[float] | None:
        if values is None:
            return None
        numbers = [float(str(value)) for value in values]
        return dict(zip(names, numbers, strict=True)) if len(names) == len(numbers) else numbers

    return {
        "cell": cell.id,
        "field": cell.field,
        "image": cell.image,
        "x": cell.x,
        "y": cell.y,
        "radius_um": cell.radius_um,
        "score": cell.score,
        "label": cell.label,
        "probability": cell.probability,
        "probabilities": named(cell.probabilities),
        "label_single_view": cell.label_single_view,
        "probability_single_view": cell.probability_single_view,
        "single_view": named(cell.single_view),
        "views": cell.views,
        "counted": any(label.name == cell.label for label in tally.rules.counted),
        "findings": list(cell.findings),
    }
