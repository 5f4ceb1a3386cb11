"""What the API says of a run under review, made of what the store holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime

from flask import abort
from flask_babel import gettext

from appliance.accounts.roles import Permission
from appliance.errors import ApplianceRefused
from appliance.review.case import Case, open_case
from appliance.review.gallery import Section, is_doubtful, sections
from appliance.review.notes import notes
from appliance.review.reclassifications import undoable
from appliance.review.second_reading import refuse_second_reader, second_readers
from appliance.review.signature import signatures, standing
from appliance.review.trend import trend
from appliance.rules import Rules
from appliance.store import Store
from appliance.tally import Row, Tally
from appliance.view import RowView
from models.panel import UNIDENTIFIED
from web.access import may_here, who
from web.api.review_shapes import (
    CellSaid,
    LabelSaid,
    NoteSaid,
    ReviewSaid,
    SectionSaid,
    SignatureSaid,
    StandingSaid,
    TallySaid,
    TrendLine,
    TrendRun,
    TrendSaid,
)
from web.earlier import patient_runs_here
from web.rooms import Rooms
from web.standing_words import phrase_said


@contextmanager
def opened(rooms: Rooms, run: str) -> Iterator[tuple[Store, Case]]:
    """Read a run for review: 404 where it is not there, 409 where it cannot be reviewed."""
    with rooms.store() as store:
        found = store.run(run)
        try:
            case = open_case(store, found.id)
        except ApplianceRefused as refusal:
            abort(409, str(refusal))
        yield store, case


def review_said(store: Store, case: Case) -> ReviewSaid:
    """Return a run under review, for who asks."""
    rules, why_not = case.tally.rules, _why_not(store, case)
    return ReviewSaid(
        run=case.run.id,
        panel=rules.panel.name,
        specimen=str(rules.specimen),
        labels=labels_said(rules),
        sections=[section_said(one, rules) for one in sections(case.cells, case.tally)],
        tally=tally_said(case.tally, case.machine_tally, case.run.plan.min_cells),
        standing=standing_said(store, case),
        notes=notes_said(store, case.run.id),
        undoable=undoable(case.history, who().name),
        may_review=not why_not,
        may_sign=may_here(Permission.SIGN),
        why_not=why_not,
        second_readers=second_readers(store, case.run.id),
    )


def labels_said(rules: Rules) -> list[LabelSaid]:
    """Return every label that a person may give, in clinical order, "unidentified" last."""
    counted = {label.name for label in rules.counted}
    known = [
        LabelSaid(
            label=one.name, title=gettext(one.title), short=gettext(one.short), counted=one.name in counted
        )
        for one in rules.panel.labels
    ]
    unsure = LabelSaid(
        label=UNIDENTIFIED, title=gettext("Unidentified"), short=gettext("Unident."), counted=False
    )
    return [*known, unsure]


def section_said(section: Section, rules: Rules) -> SectionSaid:
    """Return the cells of one label."""
    return SectionSaid(
        label=section.label,
        near=section.near,
        watched=section.label in rules.watched,
        cells=[
            CellSaid(
                cell=cell.id,
                machine=cell.machine,
                probability=round(cell.probability, 4),
                by=cell.last.who if cell.last else "",
                looked=cell.looked,
                doubtful=is_doubtful(cell),
            )
            for cell in section.cells
        ],
    )


def notes_said(store: Store, run: str) -> list[NoteSaid]:
    """Return a run's notes, the oldest first. run: the whole id."""
    return [NoteSaid(who=one.who, at=said_at(one.at), text=one.text) for one in notes(store, run)]


def tally_said(tally: Tally, machine: Tally, least: int) -> TallySaid:
    """Return the differential, and what the machine counted. least: the cells that were asked for at least."""
    return TallySaid(
        counted=tally.counted,
        least=least,
        unidentified=tally.unidentified,
        at_border=tally.at_border,
        rows=[row_said(row) for row in tally.rows],
        machine=_counts(machine),
        not_counted=tally.not_counted,
        me_ratio=tally.me_ratio,
        me_formula=tally.me_formula,
        erythroid_percent=tally.erythroid_percent,
        nrbc_per_100=tally.nrbc_per_100,
    )


def trend_said(store: Store, case: Case) -> TrendSaid:
    """Return the patient's runs and every class through them."""
    points = patient_runs_here(store, case.run.id)
    return TrendSaid(
        runs=[
            TrendRun(
                run=one.run,
                started=said_at(one.started),
                panel=one.panel,
                counted=one.tally.counted,
                status=one.status,
                simulated=one.simulated,
            )
            for one in points
        ],
        lines=[
            TrendLine(label=line.label, title=gettext(line.title), rows=_through(line.rows))
            for line in trend(points)
        ],
    )


def row_said(row: Row) -> RowView:
    """Return a row of the differential."""
    limits = None if row.reference is None else list(row.reference)
    return RowView(**{**asdict(row), "reference": limits})  # type: ignore[typeddict-item]


def said_at(at: datetime) -> str:
    """Return a time as the API says it: UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _through(rows: Sequence[Row | None]) -> list[RowView | None]:
    return [None if row is None else row_said(row) for row in rows]


def _counts(tally: Tally) -> dict[str, int]:
    return {row.label: row.count for row in tally.rows} | tally.not_counted


def standing_said(store: Store, case: Case) -> StandingSaid:
    """Return where a run stands with its signatures."""
    signed = signatures(store, case.run.id)
    now = standing(case, signed)
    return StandingSaid(
        said=str(now),
        changed=now.changed,
        may=[str(status) for status in now.may],
        why_not=" ".join(map(phrase_said, now.obstacles)),
        note_needed="" if now.needs_note is None else phrase_said(now.needs_note),
        digest=case.digest,
        signatures=[
            SignatureSaid.model_validate(
                {
                    "status": str(one.status),
                    "who": one.who,
                    "at": said_at(one.at),
                    "note": one.note,
                    "digest": one.digest,
                }
            )
            for one in signed
        ],
    )


def _why_not(store: Store, case: Case) -> str:
    if not may_here(Permission.REVIEW):
        return str(gettext("You are looking on: your role may not change labels."))
    try:
        refuse_second_reader(store, case.run.id, who().name)
    except ApplianceRefused as refusal:
        return str(refusal)
    return ""
