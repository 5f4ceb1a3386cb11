"""A run as others see it: what the socket carries, the page shows and ``count --json`` publishes.

The same functions serve a run that counts now and one from the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from appliance.cause import Cause
from appliance.frame import Point
from appliance.red_cell_check import RedCellsView
from appliance.run import State
from appliance.step import StepView, step_of
from appliance.stopping import Doubt
from appliance.tally import Row, Tally
from models.panel import MEASURES, UNIDENTIFIED, Panel

LATEST = 24
"""How many of the latest cells a run's view carries."""

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."


class CellView(TypedDict):
    """One cell. label, title, short and probability are null where its window leaves the frame."""

    cell: int
    label: str | None
    title: str | None
    short: str | None
    probability: float | None
    views: int
    counted: bool


class RowView(TypedDict):
    """One row of the differential; percent, low and high (95 % limits) are percentages."""

    label: str
    title: str
    short: str
    count: int
    percent: float
    low: float
    high: float
    reference: list[float] | None


class DoubtView(TypedDict):
    """A label that the last look found in doubt. limits: decision limits within its 99 % interval.

    percent: its share then.  low, high: the 99 % interval of that.  All in percent.
    """

    label: str
    title: str
    limits: list[float]
    percent: float
    low: float
    high: float


class FieldsView(TypedDict):
    """Fields of the plan: analysed and committed, planned (null: endless), and skipped by reason.

    newest: the number of the one that was committed last; null before the first.
    """

    counted: int
    newest: int | None
    planned: int | None
    skipped: dict[str, int]


class FieldView(TypedDict):
    """One field on the slide's map. number: its place in the plan, from 0, without gaps.

    x_um, y_um: its upper left corner; width_um, height_um: its size; null where they are not known.
    skipped: the reason; null for a field that was counted.
    """

    number: int
    x_um: float | None
    y_um: float | None
    width_um: float | None
    height_um: float | None
    skipped: str | None


class SlideView(TypedDict):
    """That a run has a picture of its slide, and the newest field on it (null before the first)."""

    newest: FieldView | None


class ChangedRun(TypedDict):
    """A run without its latest cells: what a change carries.

    cause: the kind of the reason (`appliance.cause`), of a run that stands still or has ended.
    erythroid_percent, erythroid_limits: all erythroid cells of a marrow and their 95 % limits.
    measure_reference: reference ranges by measure (me_ratio, erythroid_total, nrbc_per_100).  version: of hemadiff.
    near: what the last look found in doubt, in short; empty where nothing was.  doubts: the same, in parts.
    watches: whether there are percentages that a look asks about.
    qc: counted for quality control, so no result of a patient.
    step: what is done, of a run that is being prepared; null where its reason is not one of the usual steps.
    slide: null for a run without a picture of its slide (a folder's, or before the slide was looked over).
    red_cells: what the red cells of the first fields say of the scale; null before that is decided.
    marks: sentences that a person must know of the result (an expired calibration, no quality control).
    withheld: true, and there at all, only for who reads the run blind: then whatever tells a label is empty, and
    "aim" and "cause" are those of any count that ended with enough cells.
    """

    run: str
    state: str
    reason: str
    cause: str | None
    ended: bool
    specimen: str
    panel: str
    min_cells: int
    max_cells: int
    aim: int
    counted: int
    unidentified: int
    not_counted: dict[str, int]
    at_border: int
    tally: list[RowView]
    me_ratio: float | None
    me_formula: str | None
    erythroid_percent: float | None
    erythroid_limits: list[float] | None
    nrbc_per_100: float | None
    measure_reference: dict[str, list[float]]
    engine: str
    weights: str
    um_per_px: float
    calibration: str
    calibration_source: str
    marks: list[str]
    simulated: bool
    camera: str
    fields: FieldsView
    started: str
    version: str
    near: str
    doubts: list[DoubtView]
    watches: bool
    qc: bool
    step: StepView | None
    slide: SlideView | None
    red_cells: RedCellsView | None
    withheld: NotRequired[bool]


class RunView(ChangedRun):
    """A run, with its latest cells, newest first."""

    latest: list[CellView]


class InstrumentView(TypedDict):
    """The instrument. engine and weights are null until they are loaded.

    camera, simulated, calibration: what a start without a plan counts (the settings'), and not the current run's;
    camera and calibration (the scale's id, or where it will come from) are null where the settings give no plan.
    calibration_source: who says that scale; null where it is not known yet.
    run: the id of the current run.  why_not: a sentence when no run can be started now.
    """

    engine: str | None
    weights: str | None
    camera: str | None
    simulated: bool
    calibration: str | None
    calibration_source: str | None
    version: str
    can_start: bool
    why_not: str | None
    run: str | None


class Snapshot(TypedDict):
    """The whole state; ``seq`` is that of the last change it contains."""

    event: Literal["snapshot"]
    seq: int
    instrument: InstrumentView
    run: RunView | None


class Change(TypedDict):
    """What a follower hears after its snapshot: the run, and the cells of the field just committed."""

    event: Literal["run"]
    seq: int
    instrument: InstrumentView
    run: ChangedRun
    cells: list[CellView]


@dataclass(frozen=True)
class RunFacts:
    """What a run's view says beside its tally. ``started`` is ISO 8601, UTC."""

    run: str
    state: str
    reason: str
    ended: bool
    min_cells: int
    max_cells: int
    aim: int
    engine: str
    weights: str
    um_per_px: float
    calibration: str
    simulated: bool
    camera: str
    fields_counted: int
    fields_planned: int | None
    skipped: Mapping[str, int]
    started: str
    version: str
    slide: SlideView | None = None
    calibration_source: str = ""
    marks: Sequence[str] = ()
    red_cells: RedCellsView | None = None
    near: str = ""
    doubts: Sequence[Doubt] = ()
    newest_field: int | None = None
    cause: Cause | None = None
    qc: bool = False


def changed_run(facts: RunFacts, tally: Tally) -> ChangedRun:
    """Return what a change says of the run."""
    return ChangedRun(
        run=facts.run,
        state=facts.state,
        reason=facts.reason,
        cause=None if facts.cause is None else str(facts.cause),
        ended=facts.ended,
        specimen=str(tally.rules.specimen),
        panel=tally.rules.panel.name,
        min_cells=facts.min_cells,
        max_cells=facts.max_cells,
        aim=facts.aim,
        counted=tally.counted,
        unidentified=tally.unidentified,
        not_counted=dict(tally.not_counted),
        at_border=tally.at_border,
        tally=[_row(row) for row in tally.rows],
        me_ratio=tally.me_ratio,
        me_formula=tally.me_formula,
        erythroid_percent=tally.erythroid_percent,
        erythroid_limits=None if tally.erythroid_limits is None else list(tally.erythroid_limits),
        nrbc_per_100=tally.nrbc_per_100,
        measure_reference={
            name: list(tally.rules.reference[name]) for name in MEASURES if name in tally.rules.reference
        },
        engine=facts.engine,
        weights=facts.weights,
        um_per_px=facts.um_per_px,
        calibration=facts.calibration,
        calibration_source=facts.calibration_source,
        marks=list(facts.marks),
        simulated=facts.simulated,
        camera=facts.camera,
        fields=FieldsView(
            counted=facts.fields_counted,
            newest=facts.newest_field,
            planned=facts.fields_planned,
            skipped=dict(facts.skipped),
        ),
        started=facts.started,
        version=facts.version,
        near=facts.near,
        doubts=[_doubt(each) for each in facts.doubts],
        watches=bool(tally.rules.watched),
        qc=facts.qc,
        step=step_of(facts.reason or "") if facts.state == State.PREPARING else None,
        slide=facts.slide,
        red_cells=facts.red_cells,
    )


def run_view(facts: RunFacts, tally: Tally, latest: Sequence[CellView]) -> RunView:
    """Return the whole view of a run; ``latest`` newest first, of which the first `LATEST` are kept."""
    return RunView(**changed_run(facts, tally), latest=list(latest[:LATEST]))


def cell_view(cell: int, label: str | None, probability: float | None, views: int, tally: Tally) -> CellView:
    """Return one cell's view; ``label`` None means that its window leaves the frame."""
    title, short = _names(label, tally.rules.panel)
    counted = label is not None and any(label == each.name for each in tally.rules.counted)
    return CellView(
        cell=cell,
        label=label,
        title=title,
        short=short,
        probability=None if probability is None else round(float(probability), 4),
        views=views,
        counted=counted,
    )


def field_view(
    number: int, place: Point | None, size_um: tuple[float, float] | None, skipped: str | None = None
) -> FieldView:
    """Return one field's view. place: of its upper left corner.  size_um: width and height."""
    x_um, y_um = (None, None) if place is None else (round(place.x_um, 1), round(place.y_um, 1))
    width_um, height_um = (None, None) if size_um is None else (round(size_um[0], 1), round(size_um[1], 1))
    return FieldView(
        number=number, x_um=x_um, y_um=y_um, width_um=width_um, height_um=height_um, skipped=skipped
    )


def with_new_cells(latest: Sequence[CellView], new: Sequence[CellView]) -> list[CellView]:
    """Return the latest cells, newest first, after ``new`` (oldest first). Cells at the border stay out."""
    shown = [cell for cell in reversed(new) if cell["label"] is not None]
    return [*shown, *latest][:LATEST]


def published(run: RunView | ChangedRun) -> dict[str, Any]:
    """Return what ``count --json`` publishes: these keys are stable."""
    rows = [{key: row[key] for key in ("label", "count", "percent", "low", "high")} for row in run["tally"]]
    return {
        "run": run["run"],
        "state": run["state"],
        "reason": run["reason"],
        "counted": run["counted"],
        "unidentified": run["unidentified"],
        "not_counted": run["not_counted"],
        "tally": rows,
        "me_ratio": run["me_ratio"],
        "engine": run["engine"],
        "weights": run["weights"],
        "um_per_px": run["um_per_px"],
        "fields": {"counted": run["fields"]["counted"], "skipped": run["fields"]["skipped"]},
        "calibration": run["calibration"],
        "calibration_source": run["calibration_source"],
        "marks": run["marks"],
        "red_cells": run["red_cells"],
        "specimen": run["specimen"],
        "camera": run["camera"],
        "simulated": run["simulated"],
        "use": RESEARCH_USE_ONLY,
    }


def _doubt(doubt: Doubt) -> DoubtView:
    return DoubtView(
        label=doubt.label,
        title=doubt.title,
        limits=list(doubt.limits),
        percent=doubt.percent,
        low=doubt.low,
        high=doubt.high,
    )


def _row(row: Row) -> RowView:
    return RowView(
        label=row.label,
        title=row.title,
        short=row.short,
        count=row.count,
        percent=row.percent,
        low=row.low,
        high=row.high,
        reference=None if row.reference is None else list(row.reference),
    )


def _names(label: str | None, panel: Panel) -> tuple[str | None, str | None]:
    if label is None:
        return None, None
    if label == UNIDENTIFIED:
        return "Unidentified", "?"
    found = panel.label(label)
    return found.title, found.short
