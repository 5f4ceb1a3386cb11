"""What the store gives back: runs and cells as they were written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from appliance.cause import Cause, cause_named
from appliance.frame import Point
from appliance.plan import Plan
from appliance.run import State
from appliance.tally import Tally
from calibration import Scale
from models.cells import Cell, Probabilities

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run on record.

    outputs: the names of its cells' probabilities, in order.
    planned: fields; None where the plan has no end.  digest: of all its fields and their order.
    started, changed: UTC.  version: of hemadiff.  marks: what a person must know of its result.
    cause: the kind of its reason; None while it goes on, and where another version knew of none.
    """

    id: str
    slide: str
    state: State
    reason: str
    plan: Plan
    scale: Scale
    engine: str
    weights: str
    outputs: tuple[str, ...]
    camera: str
    simulated: bool
    planned: int | None
    digest: str
    version: str
    started: datetime
    changed: datetime
    marks: tuple[str, ...] = ()
    cause: Cause | None = None

    @classmethod
    def from_row(cls, row: Row) -> RunRecord:
        """Return the run of a row of the table `runs`."""
        return cls(
            id=row["id"],
            slide=row["slide"],
            state=State(row["state"]),
            reason=row["reason"],
            plan=Plan.from_json(row["plan"]),
            scale=Scale(row["um_per_px"], row["calibration_source"], row["calibration"]),
            engine=row["engine"],
            weights=row["weights"],
            outputs=tuple(json.loads(row["outputs"])),
            camera=row["camera"],
            simulated=bool(row["simulated"]),
            planned=row["planned"],
            digest=row["digest"],
            version=row["version"],
            started=datetime.fromisoformat(row["started"]),
            changed=datetime.fromisoformat(row["changed"]),
            marks=tuple(json.loads(row["marks"])),
            cause=cause_named(row["cause"]),
        )


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list.

    specimen, counted and unidentified are None where this version cannot read its plan or its panel; then
    problem says why. started: UTC.  qc: counted for quality control, so no result of a patient.
    """

    id: str
    state: str
    camera: str
    simulated: bool
    started: datetime
    specimen: str | None
    counted: int | None
    unidentified: int | None
    problem: str | None
    qc: bool = False

    @classmethod
    def from_row(
        cls, row: Row, plan: Plan | None = None, tally: Tally | None = None, problem: str | None = None
    ) -> RunSummary:
        """Return the summary of a row of the table `runs`, with what could be read beside it."""
        return cls(
            id=row["id"],
            state=row["state"],
            camera=row["camera"],
            simulated=bool(row["simulated"]),
            started=datetime.fromisoformat(row["started"]),
            specimen=plan.specimen if plan else None,
            counted=tally.counted if tally else None,
            unidentified=tally.unidentified if tally else None,
            problem=problem,
            qc=plan.qc if plan else False,
        )


@dataclass(frozen=True, slots=True)
class FieldRecord:
    """A field on record.

    number: its place in the plan.  place: of its upper left corner; size_px: width and height; None where the
    source did not know them.  skipped: the reason; None for a field that was analysed.
    """

    number: int
    place: Point | None
    size_px: tuple[int, int] | None
    skipped: str | None

    @classmethod
    def from_row(cls, row: Row) -> FieldRecord:
        """Return the field of a row of the table `fields`."""
        size = None if row["width"] is None else (row["width"], row["height"])
        return cls(row["number"], place_of(row), size, row["skipped"])


def place_of(row: Row) -> Point | None:
    """Return where the field of a row of the table `fields` lies, where that is on record."""
    return None if row["x_um"] is None else Point(row["x_um"], row["y_um"], row["z_um"] or 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class CellRecord:
    """A cell on record, without its patch (`Store.patch`).

    field: its field's place in the plan; image: that field's name.  x, y: px of the frame.
    label, probability, probabilities and the single view are None where its window left the frame.
    """

    id: int
    field: int
    image: str
    x: float
    y: float
    radius_um: float
    score: float
    x_um: float
    y_um: float
    label: str | None
    probability: float | None
    probabilities: Probabilities | None
    label_single_view: str | None
    probability_single_view: float | None
    single_view: Probabilities | None
    views: int
    findings: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Row) -> CellRecord:
        """Return the cell of a row of the table `cells`, joined with its field's number and name."""
        return cls(
            id=row["id"],
            field=row["number"],
            image=row["name"],
            x=row["x"],
            y=row["y"],
            radius_um=row["radius_um"],
            score=row["score"],
            x_um=row["x_um"],
            y_um=row["y_um"],
            label=row["label"],
            probability=row["probability"],
            probabilities=_probabilities(row["probabilities"]),
            label_single_view=row["label_single_view"],
            probability_single_view=row["probability_single_view"],
            single_view=_probabilities(row["single_view"]),
            views=row["views"],
            findings=tuple(json.loads(row["findings"])),
        )


def cell_row(cell: Cell, run: str, field: int) -> dict[str, Any]:
    """Return the row of the table `cells` for a cell of a field."""
    opinion = cell.opinion
    return {
        "run": run,
        "field": field,
        "x": float(cell.detection.x),
        "y": float(cell.detection.y),
        "radius_um": float(cell.detection.radius_um),
        "score": float(cell.detection.score),
        "x_um": float(cell.x_um),
        "y_um": float(cell.y_um),
        "label": opinion.label if opinion else None,
        "probability": float(opinion.probability) if opinion else None,
        "probabilities": _json(opinion.probabilities) if opinion else None,
        "label_single_view": opinion.label_single_view if opinion else None,
        "probability_single_view": float(opinion.probability_single_view) if opinion else None,
        "single_view": _json(opinion.single_view) if opinion else None,
        "views": int(opinion.views) if opinion else 0,
        "findings": json.dumps(list(opinion.findings) if opinion else []),
    }


def _json(probabilities: Probabilities | Sequence[float]) -> str:
    """Write float32 with as few digits as bring back the same float32."""
    return f"[{', '.join(str(value) for value in np.asarray(probabilities, dtype=np.float32))}]"


def _probabilities(text: str | None) -> Probabilities | None:
    return None if text is None else np.array(json.loads(text), dtype=np.float32)
