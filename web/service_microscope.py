"""The microscope in an engineer's hands: its live picture, stage, camera and lamp, and the routines."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask_babel import LazyString, gettext, lazy_gettext

from appliance.accounts.roles import Permission
from appliance.camera_source import is_sensor
from web.access import allow, may_here, no_store, who
from web.rooms import Rooms

ASKS: Mapping[str, tuple[str, ...]] = {
    "begin": ("at_reference",),
    "end": (),
    "answer": ("yes", "question"),
    "jog": ("dx", "dy", "dz"),
    "start": (),
    "home": (),
    "camera": ("exposure_us", "gain"),
    "lamp": ("share",),
    "routine": ("name", "here", "ruler", "extent", "note"),
    "stop": (),
}
"""What the page may ask of the session, and what belongs to it."""

IN_HAND = ("opening", "ready")

TITLES: Mapping[str, LazyString] = {
    "all": lazy_gettext("Everything, in order"),
    "flat_field": lazy_gettext("Lamp and flat field"),
    "pixel_size": lazy_gettext("Pixel size"),
    "stage_map": lazy_gettext("Stage map"),
    "backlash": lazy_gettext("Backlash and repeatability"),
    "focus": lazy_gettext("Focus and tilt"),
    "overview": lazy_gettext("Overview camera"),
}


def add(pages: Blueprint, rooms: Rooms) -> None:
    """Add the pages."""

    @pages.get("/microscope")
    @allow(Permission.SERVICE)
    def microscope() -> Response:
        page = render_template(
            "service/microscope.html",
            routines=TITLES.items(),
            may_control=may_here(Permission.SERVICE),
            perfect=_is_perfect(rooms),
        )
        return no_store(Response(page))

    @pages.get("/state.json")
    @allow(Permission.SERVICE)
    def state() -> Response:
        said = _without_ok(rooms.instrument.ask("service_state"))
        if said["phase"] not in IN_HAND:
            said["not_now"] = not_now(rooms)
        return no_store(jsonify(said))

    @pages.get("/picture.jpg")
    @allow(Permission.SERVICE)
    def picture() -> Response:
        jpeg = base64.b64decode(rooms.instrument.ask("service_picture")["jpeg"])
        return no_store(Response(jpeg, mimetype="image/jpeg"))

    @pages.post("/microscope/<what>")
    @allow(Permission.SERVICE)
    def ask(what: str) -> Response:
        if what not in ASKS:
            abort(404, gettext("The microscope cannot be asked for that."))
        wanted = _wanted(what)
        if what == "end":
            wanted["anybodys"] = may_here(Permission.ADMINISTER)
        return jsonify(_without_ok(rooms.instrument.ask(f"service_{what}", by=who().name, **wanted)))


def _is_perfect(rooms: Rooms) -> bool:
    """Whether a simulated microscope without errors is set: it knows its scale."""
    source = rooms.config.camera.source
    return source is not None and not is_sensor(source) and not rooms.config.simulator.instrument


def not_now(rooms: Rooms) -> str | None:
    """Return why nobody can take the microscope in hand now: a count has it. None where nothing is known against it."""
    snapshot = rooms.hub.snapshot()
    run, instrument = snapshot["run"], snapshot["instrument"]
    return instrument["why_not"] if run and instrument and not run["ended"] else None


def _wanted(what: str) -> dict[str, Any]:
    """Return what the request's JSON says; refuse what does not belong to it."""
    wanted = request.get_json(silent=True) or {}
    if not isinstance(wanted, dict):
        abort(400, gettext("A request is a JSON object."))
    if unknown := [name for name in wanted if name not in ASKS[what]]:
        abort(400, f'There is no "{unknown[0]}" in this request.')
    return wanted


def _without_ok(reply: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reply.items() if name != "ok"}
