"""The instrument over the API: its state, its stream of events, and start, pause, resume, stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Response, jsonify, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from appliance.accounts.roles import Permission
from appliance.configured_plan import plan_from_config
from appliance.errors import ApplianceError, ApplianceRefused
from calibration import CalibrationRefused
from models import ModelRefused
from web.access import allow, goes_on, no_store, who
from web.api.shapes import ResumeAsked, RunAsked, StartAsked, Started, State
from web.blind import without_labels
from web.rooms import Rooms
from web.stream import Encoded, events

TAG = Tag(name="instrument", description="What it does now, and what it is told to do.")


def add_to(api: APIBlueprint, rooms: Rooms) -> None:
    """Add these to the API."""
    _watching(api, rooms)
    _counting(api, rooms)


def _watching(api: APIBlueprint, rooms: Rooms) -> None:
    hub, digest, encoded = rooms.hub, rooms.digest, Encoded()

    @api.get("/state", tags=[TAG], responses={200: State})
    @allow(Permission.WATCH)
    def state() -> Response:
        """What the instrument does now."""
        snapshot = without_labels(rooms, who().name)(hub.snapshot())
        return no_store(jsonify({**snapshot, "page": digest}))

    @api.get("/events", tags=[TAG], responses={200: {"content": {"text/event-stream": {}}}})
    @allow(Permission.WATCH)
    def stream() -> Response:
        """A stream of events (server-sent): a snapshot, then every change."""
        seat = hub.viewer()
        follower = seat.__enter__()
        left: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
        still = goes_on()
        seen = without_labels(rooms, who().name)
        told = events(follower, lambda: left() or not still(), digest, seen=seen, encoded=encoded)
        answer = no_store(Response(told, mimetype="text/event-stream"))
        answer.call_on_close(lambda: seat.__exit__(None, None, None))
        answer.headers["X-Accel-Buffering"] = "no"
        return answer


def _counting(api: APIBlueprint, rooms: Rooms) -> None:
    instrument, hub = rooms.instrument, rooms.hub

    @api.post("/runs", tags=[TAG], responses={201: Started})
    @allow(Permission.COUNT)
    def start(body: StartAsked) -> tuple[Response, int]:
        """Start a count."""
        try:
            plan = plan_from_config(rooms.config, specimen=body.specimen, panel=body.panel)
            plan = replace(
                plan,
                min_cells=plan.min_cells if body.min_cells is None else body.min_cells,
                max_cells=plan.max_cells if body.max_cells is None else body.max_cells,
            )
            run = instrument.start(plan, by=who().name, record_number=body.sample)
        except (ApplianceError, ApplianceRefused, CalibrationRefused, ModelRefused) as refusal:
            hub.note("Not started", str(refusal))
            raise
        return jsonify({"run": run}), 201

    @api.post("/resume", tags=[TAG], responses={200: Started})
    @allow(Permission.COUNT)
    def resume(body: ResumeAsked) -> Response:
        """Go on with a paused run."""
        return jsonify({"run": instrument.resume(body.run, by=who().name)})

    @api.post("/pause", tags=[TAG])
    @allow(Permission.COUNT)
    def pause(body: RunAsked) -> Response:
        """Pause the run that counts."""
        instrument.pause(by=who().name, run=body.run)
        return jsonify({})

    @api.post("/stop", tags=[TAG])
    @allow(Permission.COUNT)
    def stop(body: RunAsked) -> Response:
        """End the run; what was counted is kept."""
        instrument.stop(by=who().name, run=body.run)
        return jsonify({})
