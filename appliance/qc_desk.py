"""What is asked of the instrument for the quality control: to take a mark, and to put the control on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from appliance.audit import AuditTrail
from appliance.calibrations import Calibrations
from appliance.errors import ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.qc_history import QcHistory
from appliance.qc_marks import Kind, Mark, Review
from appliance.qc_review import QcReviews
from appliance.store import Store
from calibration.qc import QcLimits, judge_qc

SAYS = {Kind.FALSE: {"cell"}, Kind.MISSED: {"x", "y"}, Kind.GONE_OVER: set()}


def mark_qc(
    store: Store,
    at: datetime,
    *,
    by: str,
    run: str,
    field: int,
    kind: str,
    present: bool,
    cell: int | None = None,
    x: int | None = None,
    y: int | None = None,
) -> dict[str, Any]:
    """Take what a person says of a field, or takes back (`Mark`); return what the fields gone over add up to."""
    mark = _mark(field, kind, present, cell=cell, x=x, y=y)
    with store.atomic():
        review = QcReviews(store).mark(run, mark, at)
        said = {"field": field, "kind": str(mark.kind), "present": mark.present}
        AuditTrail(store).add(by, "quality control", review.run, said, at=at)
    return sums(review)


def record_qc(
    store: Store,
    at: datetime,
    *,
    by: str,
    slide: str,
    located: int | None,
    missed: int | None,
    false_finds: int | None,
    run: str | None,
    note: str,
    limits: Mapping[str, Any],
) -> dict[str, Any]:
    """Judge a quality control and put it on record.

    missed, false_finds: both None takes what was marked in the fields of the run.
    located: None takes the cells of the run, less the false finds.
    """
    asked = QcLimits(**limits)
    calibration = None
    if run is None:
        calibration = _in_force(store)
    else:
        _refuse_unless_for_qc(store, run)
    if missed is None and false_finds is None:
        located, missed, false_finds = _marked(store, run, located, asked)
    elif missed is None or false_finds is None:
        raise ApplianceRefused(
            "Say both how many cells were missed (--missed N) and how many finds are none (--false N), or neither "
            "to take what was marked on the page."
        )
    elif located is None:
        if run is None:
            raise ApplianceRefused(
                "Say how many cells were located (--located N), or in which count (--run RUN)."
            )
        tally = store.tally(store.run(run).id)
        located = tally.counted + tally.unidentified - false_finds
    result = judge_qc(located, missed, false_finds, asked)
    pictures = FieldPictures(store)
    with store.atomic():
        control = QcHistory(store).record(result, by, slide, at, run=run, calibration=calibration, note=note)
        numbers = {"located": located, "missed": missed, "false finds": false_finds}
        AuditTrail(store).add(
            by, "quality control", control.run or "", {"passed": result.passed, **numbers}, at=at
        )
        if control.run is not None and result.passed:
            pictures.forget(control.run)
        pictures.forget_old(at)
    return {"passed": result.passed, "said": str(result)}


def _refuse_unless_for_qc(store: Store, run: str) -> None:
    """Raise ApplianceRefused for a count that is no control, or whose control is on record."""
    record = store.run(run)
    if not record.plan.qc:
        raise ApplianceRefused(
            f"The run {record.id} was not counted for quality control. Count with: hemadiff count --qc."
        )
    QcReviews(store).refuse_unless_open(record)


def _in_force(store: Store) -> str | None:
    """Return under what a control without a count was done, where only one calibration is in force."""
    found = Calibrations(store).all_in_force()
    return found[0].id if len(found) == 1 else None


def sums(review: Review) -> dict[str, int]:
    """Return what the fields gone over add up to."""
    return {
        "fields": len(review.fields),
        "gone_over": len(review.gone_over),
        "located": review.located,
        "missed": review.missed,
        "false_finds": review.false_finds,
    }


def _marked(store: Store, run: str | None, located: int | None, limits: QcLimits) -> tuple[int, int, int]:
    """Return the numbers that a person marked in the fields of a count."""
    if run is None or located is not None:
        raise ApplianceRefused(
            "Say how many cells were missed (--missed N) and how many finds are none (--false N); or give --run RUN "
            "alone, and what was marked on the page is taken."
        )
    record = store.run(run)
    review = QcReviews(store).review(record.id)
    review.refuse_unfinished()
    cells = review.located + review.missed
    if cells < limits.cells:
        raise ApplianceRefused(
            f"The fields of the count {record.id} hold {cells} cells, and a control needs {limits.cells}. "
            "Count again, with more: hemadiff count --qc --min-cells N --max-cells N."
        )
    return review.located, review.missed, review.false_finds


def _mark(field: object, kind: str, present: object, **where: object) -> Mark:
    """Return the mark that was asked for. Raises ApplianceRefused for one that says too little, or too much."""
    try:
        said = Kind(kind)
    except ValueError:
        raise ApplianceRefused(f'There is no mark "{kind}": {", ".join(Kind)}.') from None
    given = {name: value for name, value in where.items() if value is not None}
    whole = all(type(value) is int for value in (field, *given.values()))
    if set(given) != SAYS[said] or not whole or not isinstance(present, bool):
        raise ApplianceRefused("A mark names its field, and its find or its place, in whole numbers.")
    return Mark(field, said, present, **given)  # type: ignore[arg-type]
