"""Runs on record over the API: a list, one with its reviewed result, its cells, and what leaves the instrument."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, jsonify
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from appliance.accounts.roles import Permission
from appliance.reports.result import Result, result_of
from appliance.review.case import Case
from appliance.review.listed import Listed, listed
from appliance.store import Store
from appliance.store_records import CellRecord
from appliance.view import RESEARCH_USE_ONLY, FieldsView
from web.access import allow, may_here, no_store
from web.api.review_said import notes_said, opened, said_at, standing_said, tally_said
from web.api.run_shapes import (
    BriefSaid,
    CellListed,
    CellsSaid,
    CellsWanted,
    ExportPath,
    ExportWanted,
    RunListed,
    RunSaid,
    RunsSaid,
    RunsWanted,
)
from web.api.shapes import RunPath
from web.blind import refuse_blind
from web.exporting import KINDS, exported
from web.rooms import Rooms
from web.run_list import Wanted, run_page, sample_here

TAG = Tag(name="runs", description="What was counted, as review has it now.")


def add_to(api: APIBlueprint, rooms: Rooms) -> None:
    """Add these to the API."""
    _listing(api, rooms)
    _opening(api, rooms)


def _listing(api: APIBlueprint, rooms: Rooms) -> None:
    @api.get("/runs", tags=[TAG], responses={200: RunsSaid})
    @allow(Permission.WATCH)
    def runs(query: RunsWanted) -> Response:
        """The runs on record, the newest first."""
        wanted = Wanted(state=query.state or "", since=query.since, until=query.until)
        with rooms.store() as store:
            page = run_page(store, wanted, query.skip, query.limit)
        said = RunsSaid(runs=[_listed_said(one, sample) for one, sample in page.runs], next=page.older)
        return no_store(jsonify(said.model_dump()))

    @api.get("/runs/<run>/standing", tags=[TAG], responses={200: BriefSaid})
    @allow(Permission.WATCH)
    def brief(path: RunPath) -> Response:
        """Where a run stands, in short."""
        with rooms.store() as store:
            run = store.run(path.run).id
            refuse_blind(store, run)
            (one,) = listed(store, [each for each in store.runs(among=run) if each.id == run])
        return no_store(jsonify(_brief(one)))


def _opening(api: APIBlueprint, rooms: Rooms) -> None:
    @api.get("/runs/<run>", tags=[TAG], responses={200: RunSaid})
    @allow(Permission.WATCH)
    def one_run(path: RunPath) -> Response:
        """A run with its reviewed result."""
        with rooms.store() as store:
            refuse_blind(store, store.run(path.run).id)
            said = _run_said(store, result_of(store, path.run, unmasked=may_here(Permission.SEE_IDENTITY)))
        return no_store(jsonify(said.model_dump()))

    @api.get("/runs/<run>/cells", tags=[TAG], responses={200: CellsSaid})
    @allow(Permission.WATCH)
    def cells(path: RunPath, query: CellsWanted) -> Response:
        """The cells of a run that has ended, with the labels of now."""
        with opened(rooms, path.run) as (store, case):
            refuse_blind(store, case.run.id)
            found = store.cells(case.run.id)
        end = query.skip + query.limit
        said = _cells_said(case, found[query.skip : end])
        return no_store(jsonify(CellsSaid(cells=said, next=end if end < len(found) else None).model_dump()))

    content: dict[str, Any] = {kind.partition(";")[0]: {} for kind in KINDS.values()}

    @api.get("/runs/<run>/exports/<kind>", tags=[TAG], responses={200: {"content": content}})
    @allow(Permission.EXPORT)
    def take_out(path: ExportPath, query: ExportWanted) -> Response:
        """A file of a run: report, table, everything on record, or its fields. The trail says who took it."""
        return exported(rooms, path.run, path.kind, unmasked=query.whose == "yes")


def _brief(one: Listed) -> dict[str, Any]:
    return {
        "run": one.run.id,
        "reviewed": None if one.withheld else one.reviewed,
        "said": str(one),
        "status": None if one.status is None else str(one.status),
        "by": one.by,
        "changed": one.changed,
        "relabelled": one.relabelled,
        "counted": one.run.counted,
        "unidentified": one.run.unidentified,
    }


def _listed_said(one: Listed, sample: str) -> RunListed:
    run = asdict(one.run)
    facts = {key: run[key] for key in ("state", "specimen", "camera", "simulated", "qc", "problem")}
    return RunListed(**_brief(one), **facts, started=said_at(one.run.started), sample=sample)


def _run_said(store: Store, result: Result) -> RunSaid:
    run, case = result.run, result.case
    machine = result.tally if case is None else case.machine_tally
    facts = {key: getattr(run, key) for key in ("camera", "engine", "weights", "simulated", "version")}
    return RunSaid(
        run=run.id,
        state=str(run.state),
        reason=run.reason,
        ended=run.state.ended,
        started=said_at(run.started),
        specimen=str(run.plan.specimen),
        panel=run.plan.panel,
        sample=sample_here(store, run.id),
        **facts,
        um_per_px=run.scale.um_per_px,
        calibration=run.scale.id,
        calibration_source=run.scale.source,
        marks=list(run.marks),
        fields=FieldsView(
            counted=result.fields,
            newest=store.last_counted(run.id),
            planned=run.planned,
            skipped=store.skipped(run.id),
        ),
        tally=tally_said(result.tally, machine, run.plan.min_cells),
        standing=None if case is None else standing_said(store, case),
        why_not=result.why_not,
        problems=list(result.problems),
        notes=notes_said(store, run.id),
        use=RESEARCH_USE_ONLY,
    )


def _cells_said(case: Case, found: list[CellRecord]) -> list[CellListed]:
    now = {cell.id: cell for cell in case.cells}
    counted = {label.name for label in case.tally.rules.counted}
    said = []
    for cell in found:
        one = now.get(cell.id)
        said.append(
            CellListed(
                cell=cell.id,
                field=cell.field,
                x=cell.x,
                y=cell.y,
                radius_um=cell.radius_um,
                label=one.label if one else None,
                machine=one.machine if one else None,
                probability=round(one.probability, 4) if one else None,
                by=one.last.who if one and one.last else "",
                counted=one is not None and one.label in counted,
                findings=list(cell.findings),
            )
        )
    return said
