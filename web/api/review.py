"""Review over the API: cells by label, labels given anew and taken back, signatures, notes, earlier runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, abort, jsonify, url_for
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from appliance.accounts.lockout import Wanted
from appliance.accounts.roles import Permission
from appliance.errors import ApplianceRefused
from appliance.review.closer import Closer, closer
from appliance.review.drawn_references import drawn_count
from appliance.review.reference_cells import reference_cells
from web.access import allow, no_store, who
from web.api import second
from web.api.review_said import opened, review_said, said_at, trend_said
from web.api.review_shapes import (
    BatchPath,
    CellPath,
    CloserSaid,
    HistorySaid,
    LabelPath,
    NoteAsked,
    Reclassified,
    ReclassifyAsked,
    ReferencesSaid,
    ReviewSaid,
    SignAsked,
    TrendSaid,
)
from web.api.shapes import Nothing, RunPath
from web.blind import reads_blind, refuse_blind
from web.proving import Proving, way_of
from web.rooms import Rooms

TAG = Tag(name="review", description="What people make of a run that has ended.")


def add_to(api: APIBlueprint, rooms: Rooms) -> None:
    """Add these to the API."""
    _looking(api, rooms)
    _relabelling(api, rooms)
    _writing(api, rooms)
    second.add_to(api, rooms)


def _looking(api: APIBlueprint, rooms: Rooms) -> None:
    @api.get("/runs/<run>/review", tags=[TAG], responses={200: ReviewSaid})
    @allow(Permission.WATCH)
    def review(path: RunPath) -> Response:
        """A run under review."""
        return no_store(jsonify(_now(rooms, path.run)))

    @api.get("/runs/<run>/review/cells/<cell>", tags=[TAG], responses={200: CloserSaid})
    @allow(Permission.WATCH)
    def cell_closely(path: CellPath) -> Response:
        """A cell, looked at closely."""
        with opened(rooms, path.run) as (store, case):
            try:
                found = closer(store, case, path.cell)
            except ApplianceRefused as refusal:
                abort(404, str(refusal))
            blind = reads_blind(store, case.run.id)
        return no_store(jsonify(_closer_said(found, blind).model_dump()))

    @api.get("/runs/<run>/review/references/<label>", tags=[TAG], responses={200: ReferencesSaid})
    @allow(Permission.WATCH)
    def references(path: LabelPath) -> Response:
        """Cells to compare with: of signed runs, and drawn ones."""
        with rooms.store() as store:
            signed = [one.cell for one in reference_cells(store, path.run, path.label)]
        drawn = [url_for("review.drawn", label=path.label, number=n) for n in range(drawn_count(path.label))]
        return no_store(jsonify(ReferencesSaid(signed=signed, drawn=drawn).model_dump()))

    @api.get("/runs/<run>/review/trend", tags=[TAG], responses={200: TrendSaid})
    @allow(Permission.WATCH)
    def earlier(path: RunPath) -> Response:
        """The patient's runs side by side."""
        with opened(rooms, path.run) as (store, case):
            refuse_blind(store, case.run.id)
            said = trend_said(store, case)
        return no_store(jsonify(said.model_dump()))


def _relabelling(api: APIBlueprint, rooms: Rooms) -> None:
    @api.post("/runs/<run>/review/changes", tags=[TAG], responses={200: Reclassified})
    @allow(Permission.REVIEW)
    def reclassify(path: RunPath, body: ReclassifyAsked) -> Response:
        """Give cells a label. Refused where one has another by now than was seen."""
        asked = {"cells": body.cells, "to": body.to, "expected": body.expected}
        return _changed(
            rooms, path.run, rooms.instrument.ask("reclassify", run=path.run, by=who().name, **asked)
        )

    @api.post("/runs/<run>/review/changes/<batch>/undo", tags=[TAG], responses={200: Reclassified})
    @allow(Permission.REVIEW)
    def undo(path: BatchPath, body: Nothing) -> Response:
        """Take a change back."""
        done = rooms.instrument.ask("undo_reclassification", run=path.run, batch=path.batch, by=who().name)
        return _changed(rooms, path.run, done)


def _writing(api: APIBlueprint, rooms: Rooms) -> None:
    proving = Proving(rooms)

    @api.post("/runs/<run>/review/signatures", tags=[TAG], responses={200: ReviewSaid})
    @allow(Permission.SIGN)
    def sign(path: RunPath, body: SignAsked) -> Response:
        """Sign, proving anew who does. Refused where the run is no longer what the digest is of."""
        asked = {"status": body.status, "digest": body.digest, "note": body.note}
        me = who()
        # not whoever stands at a screen that somebody left open
        proving.proved(me.name, me.how, body.secret, Wanted.SIGNATURE)
        rooms.instrument.ask("sign", run=path.run, by=me.name, how=way_of(me.how), **asked)
        return no_store(jsonify(_now(rooms, path.run)))

    @api.post("/runs/<run>/review/notes", tags=[TAG], responses={200: ReviewSaid})
    @allow(Permission.REVIEW)
    def add_note(path: RunPath, body: NoteAsked) -> Response:
        """Put a note on the run."""
        rooms.instrument.ask("add_note", run=path.run, by=who().name, text=body.text)
        return no_store(jsonify(_now(rooms, path.run)))


def _now(rooms: Rooms, run: str) -> dict[str, Any]:
    with opened(rooms, run) as (store, case):
        refuse_blind(store, case.run.id)
        return review_said(store, case).model_dump()


def _changed(rooms: Rooms, run: str, done: dict[str, Any]) -> Response:
    said = {"batch": done["batch"], "changed": done["changed"], "left": done.get("left", [])}
    return no_store(jsonify({**said, "review": _now(rooms, run)}))


def _closer_said(found: Closer, blind: bool) -> CloserSaid:
    width, height = found.size_px or (None, None)
    history = [
        HistorySaid(who=row.who, at=said_at(row.at), before=row.before, after=row.after)
        for row in found.history
    ]
    place = {key: asdict(found)[key] for key in ("cell", "field", "x", "y", "neighbours")}
    return CloserSaid(
        **place,
        width=width,
        height=height,
        views=None if blind else found.views,
        findings=[] if blind else list(found.findings),
        alternatives={} if blind else dict(found.alternatives),
        history=[] if blind else history,
    )
