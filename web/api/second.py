"""The second reading over the API, and how readings agree."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, jsonify
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from appliance.accounts.roles import Permission
from appliance.review.case import Case
from appliance.review.reclassifications import undoable
from appliance.review.second_reading import compare, machine_and_first, second_readers, second_reading
from appliance.store import Store
from web.access import allow, no_store, who
from web.api.review_said import labels_said, opened, said_at
from web.api.review_shapes import BatchPath
from web.api.second_shapes import AgreementsSaid, BeginAsked, LabelAsked, SecondCell, SecondSaid
from web.api.shapes import Nothing, RunPath
from web.blind import refuse_blind
from web.rooms import Rooms

TAG = Tag(
    name="second reading", description="A reader who has seen no label, and how far the readings agree."
)


def add_to(api: APIBlueprint, rooms: Rooms) -> None:
    """Add these to the API."""
    _reading(api, rooms)
    _labelling(api, rooms)

    @api.get("/runs/<run>/agreement", tags=[TAG], responses={200: AgreementsSaid})
    @allow(Permission.WATCH)
    def agreement(path: RunPath) -> Response:
        """How machine, first and second reader agree."""
        with opened(rooms, path.run) as (store, case):
            refuse_blind(store, case.run.id)
            said = agreements(store, case)
        return no_store(jsonify(said.model_dump()))


def _reading(api: APIBlueprint, rooms: Rooms) -> None:
    @api.get("/runs/<run>/second", tags=[TAG], responses={200: SecondSaid})
    @allow(Permission.REVIEW)
    def second(path: RunPath) -> Response:
        """One's own second reading."""
        return _now(rooms, path.run)

    @api.post("/runs/<run>/second", tags=[TAG], responses={200: SecondSaid})
    @allow(Permission.REVIEW)
    def begin_second(path: RunPath, body: BeginAsked) -> Response:
        """Begin a second reading. Refused to who knows labels of the run."""
        rooms.instrument.ask("begin_second_reading", run=path.run, by=who().name, sample=body.sample)
        return _now(rooms, path.run)

    @api.post("/runs/<run>/second/finish", tags=[TAG], responses={200: SecondSaid})
    @allow(Permission.REVIEW)
    def finish_second(path: RunPath, body: Nothing) -> Response:
        """Finish it: from now on it stays as it is."""
        rooms.instrument.ask("finish_second_reading", run=path.run, by=who().name)
        return _now(rooms, path.run)


def _labelling(api: APIBlueprint, rooms: Rooms) -> None:
    @api.post("/runs/<run>/second/changes", tags=[TAG], responses={200: SecondSaid})
    @allow(Permission.REVIEW)
    def label_second(path: RunPath, body: LabelAsked) -> Response:
        """Give cells a label in it."""
        rooms.instrument.ask("label_second", run=path.run, cells=body.cells, to=body.to, by=who().name)
        return _now(rooms, path.run)

    @api.post("/runs/<run>/second/changes/<batch>/undo", tags=[TAG], responses={200: SecondSaid})
    @allow(Permission.REVIEW)
    def undo_second(path: BatchPath, body: Nothing) -> Response:
        """Take a change of it back."""
        rooms.instrument.ask("undo_reclassification", run=path.run, batch=path.batch, by=who().name)
        return _now(rooms, path.run)


def agreements(store: Store, case: Case) -> AgreementsSaid:
    """Return how the readings of a run agree."""
    panel, going_on, compared = case.tally.rules.panel, [], []
    for name in second_readers(store, case.run.id):
        reading = second_reading(store, case.run.id, case.machine, name)
        if reading is None or reading.finished is None:
            going_on.append(name)
        else:
            compared.append(asdict(compare(panel, case.machine, case.history, reading)))
    return AgreementsSaid.model_validate(
        {
            "run": case.run.id,
            "machine_and_first": asdict(machine_and_first(panel, case.machine, case.history)),
            "comparisons": compared,
            "going_on": going_on,
        }
    )


def second_said(store: Store, case: Case) -> SecondSaid:
    """Return the second reading of who asks: no label but their own."""
    own = second_reading(store, case.run.id, case.machine, who().name)
    said: dict[str, Any] = {
        "run": case.run.id,
        "labels": labels_said(case.tally.rules),
        "all": sum(label is not None for label in case.labels.values()),
    }
    if own is None:
        return SecondSaid(**said, begun=None, finished=None, cells=[], undoable=None)
    return SecondSaid(
        **said,
        begun=said_at(own.begun),
        finished=said_at(own.finished) if own.finished else None,
        cells=[SecondCell(cell=cell, label=own.labels.get(cell)) for cell in own.cells],
        undoable=None if own.finished else undoable(own.history, own.who),
    )


def _now(rooms: Rooms, run: str) -> Response:
    with opened(rooms, run) as (store, case):
        return no_store(jsonify(second_said(store, case).model_dump()))
