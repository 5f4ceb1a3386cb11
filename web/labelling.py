"""Labelling: sets, their fields, a field under a finger, and what two people see differently.

Nobody sees what another said of a field before both are done: every answer here is cut to who asks.
"""

from __future__ import annotations

from base64 import b64encode
from tempfile import TemporaryFile
from typing import Any
from zipfile import ZipFile

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from appliance.accounts.roles import Permission
from appliance.errors import ApplianceRefused
from appliance.labelling.additions import kept_fields
from appliance.labelling.asks import MOST_AT_ONCE
from appliance.labelling.layouts import LAYOUTS
from appliance.labelling.needs import NEEDED, overview
from appliance.labelling.pictures import BORDER_UM, MOST_BYTES, crop_png, taken
from appliance.labelling.reading import FieldReading, Origin
from appliance.labelling.sets import LabelField, LabelSets
from appliance.labelling.whole import whole_set
from appliance.store import Store
from appliance.store_place import is_there
from models.panel import Specimen, panel_names
from web import labelling_withdrawn
from web.access import allow, no_store, who
from web.rooms import Rooms

NUMBER = "int(max=2147483647)"
KEYS = "1234567890qwertuiop"


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("labelling", __name__, url_prefix="/labelling")
    _sets(pages, rooms)
    _one_set(pages, rooms)
    _field(pages, rooms)
    _disagreements(pages, rooms)
    _export(pages, rooms)
    labelling_withdrawn.add(pages, rooms)
    return pages


def _sets(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get("")
    @allow(Permission.LABEL)
    def sets() -> Response:
        found, withdrawn = [], []
        if is_there(rooms.config.store.path):
            with rooms.store() as store:
                every = LabelSets(store)
                found = [(each, overview(every, each)) for each in every.all()]
                withdrawn = every.all(withdrawn=True)
        return _page("sets", sets=found, withdrawn=withdrawn, panels=panel_names(), specimens=list(Specimen))

    @pages.post("")
    @allow(Permission.LABEL)
    def make() -> AnyResponse:
        form = request.form
        made = rooms.instrument.ask(
            "make_label_set", by=who().name, name=form.get("name", ""), panel=form.get("panel", ""),
            specimen=form.get("specimen", ""), labels=form.get("more", "").replace(",", " ").split(),
            wanted=2 if form.get("wanted") == "2" else 1,
        )  # fmt: skip
        return redirect(url_for("labelling.one", set_id=made["set"]), 303)


def _one_set(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get("/<set_id>")
    @allow(Permission.LABEL)
    def one(set_id: str) -> Response:
        with rooms.store() as store:
            sets = LabelSets(store)
            of = sets.get(set_id)
            found, singles = overview(sets, of), len(sets.singles(of.id))
            withdrawn, amended = sets.fields(of.id, withdrawn=True), sets.amended(of.id)
        states = {field.id: _state(reading, who().name) for field, reading in found.fields}
        smears = [field.smear for field, _ in found.fields if not field.captured]
        return _page(
            "set", set=of, found=found, states=states, singles=singles, needed=NEEDED, withdrawn=withdrawn,
            smear=smears[-1] if smears else "1", amended=amended, most_mb=MOST_BYTES >> 20,
        )  # fmt: skip

    @pages.post("/<set_id>/pictures")
    @allow(Permission.LABEL)
    def add(set_id: str) -> Response:
        """Take a field's picture: the body is the file itself, so that nothing of its name is sent.

        X-Smear: what the smear is called. It is typed, and no address and no log holds it.
        """
        request.max_content_length = MOST_BYTES
        picture, stated = taken(request.get_data(cache=False))
        um_per_px = request.args.get("um_per_px", type=float) or stated
        if um_per_px is None:
            abort(
                409,
                gettext("This file does not say how many micrometres a pixel is. Give it, and add it again."),
            )
        said = {"set": set_id, "um_per_px": um_per_px, "smear": request.headers.get("X-Smear", "1")}
        encoded = b64encode(picture).decode("ascii")
        return _asked(rooms, "add_label_field", picture=encoded, **said)

    @pages.post("/<set_id>/runs")
    @allow(Permission.LABEL)
    def from_run(set_id: str) -> AnyResponse:
        run = request.form.get("run", "").strip()
        if request.form.get("what") == "cells":
            said = rooms.instrument.ask("join_run_cells", by=who().name, set=set_id, run=run, labels=[])
            flash(gettext("%(n)s cells joined.", n=said["joined"]))
        else:
            flash(gettext("%(n)s fields were added.", n=_all_fields(rooms, set_id, run)))
        return redirect(url_for("labelling.one", set_id=set_id), 303)


def _all_fields(rooms: Rooms, set_id: str, run: str) -> int:
    """Add every kept field of a run, a few an ask, so that a count goes on in between; return how many were new."""
    with rooms.store() as store:
        kept = kept_fields(store, store.run(run))
    added = 0
    for first in range(0, len(kept), MOST_AT_ONCE):
        some = kept[first : first + MOST_AT_ONCE]
        said = rooms.instrument.ask("add_run_fields", by=who().name, set=set_id, run=run, numbers=some)
        added += len(said["fields"])
    return added


def _field(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get(f"/fields/<{NUMBER}:field>")
    @allow(Permission.LABEL)
    def field(field: int) -> Response:
        with rooms.store() as store:
            sets, shown, reading = _found(store, field)
            of = sets.get(shown.set)
            numbers = [each.id for each in sets.fields(of.id, withdrawn=shown.withdrawn)]
        at = numbers.index(shown.id)
        return _page(
            "field", set=of, field=shown, keys=KEYS, at=at + 1, all=len(numbers),
            before=numbers[at - 1] if at else None, after=[*numbers, None][at + 1],
            said=_said(shown, reading, who().name),
        )  # fmt: skip

    @pages.get(f"/fields/<{NUMBER}:field>/picture")
    @allow(Permission.LABEL)
    def picture(field: int) -> Response:
        with rooms.store() as store:
            data = LabelSets(store).picture(field)
        kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        answer = Response(data, mimetype=kind)
        answer.headers["Cache-Control"] = "private, max-age=86400, immutable"  # its address has its digest
        return answer

    @pages.get(f"/fields/<{NUMBER}:field>/cells")
    @allow(Permission.LABEL)
    def cells(field: int) -> Response:
        with rooms.store() as store:
            _, shown, reading = _found(store, field)
        return no_store(jsonify(_said(shown, reading, who().name)))

    @pages.post(f"/fields/<{NUMBER}:field>/mark")
    @allow(Permission.LABEL)
    def mark(field: int) -> Response:
        wanted = request.get_json()
        if not isinstance(wanted, dict) or {*wanted} != {"x", "y", "label"}:
            abort(400, "A mark has x, y and label.")
        x, y = wanted["x"], wanted["y"]
        if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in (x, y)):
            abort(400, "x and y are numbers.")
        with rooms.store() as store:
            sets, shown, _ = _found(store, field)
            data = sets.picture(field)
        if not (0 <= x <= shown.width and 0 <= y <= shown.height):
            abort(400, "This place is outside the field.")
        crop = b64encode(crop_png(data, shown.um_per_px, x, y)).decode("ascii")
        return _asked(rooms, "mark_label_cell", field=field, x=x, y=y, label=wanted["label"], crop=crop)

    @pages.post(f"/fields/<{NUMBER}:field>/finish")
    @allow(Permission.LABEL)
    def finish(field: int) -> Response:
        return _asked(rooms, "finish_label_field", field=field)


def _disagreements(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get("/<set_id>/disagreements")
    @allow(Permission.LABEL)
    def disagreements(set_id: str) -> Response:
        me = who().name
        with rooms.store() as store:
            sets = LabelSets(store)
            of = sets.get(set_id)
            found = [(field, sets.reading(field)) for field in sets.fields(of.id)]
        mine = sum(len(reading.disputed) for _, reading in found if me in reading.readers)
        settled = [
            (cell, label)
            for _, reading in found
            if me not in reading.readers and reading.wanted
            for cell, label in reading.settled.items()
        ]
        waiting = [
            (field, cell, reading.answers(cell.id))
            for field, reading in found
            if me not in reading.readers
            for cell in reading.disputed
        ]
        return _page("disagreements", set=of, waiting=waiting, mine=mine, settled=settled)

    @pages.get(f"/cells/<{NUMBER}:cell>.png")
    @allow(Permission.LABEL)
    def crop(cell: int) -> Response:
        with rooms.store() as store:
            sets = LabelSets(store)
            reading = sets.reading(sets.field_of(cell))
            if not reading.read and cell not in {each.id for each in reading.seen_by(who().name)}:
                abort(404, gettext("There is no such cell."))
            data = sets.crop(cell)
        return no_store(Response(data, mimetype="image/png"))

    @pages.post(f"/<set_id>/cells/<{NUMBER}:cell>/settle")
    @allow(Permission.LABEL)
    def settle(set_id: str, cell: int) -> AnyResponse:
        label = request.form.get("label") or None
        rooms.instrument.ask("settle_label_cell", by=who().name, cell=cell, label=label)
        return redirect(url_for("labelling.disagreements", set_id=set_id), 303)


def _export(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get("/<set_id>/<any(training, coco, yolo):layout>.zip")
    @allow(Permission.EXPORT)
    def export(set_id: str, layout: str) -> AnyResponse:
        """A set as a folder in one file; fields that wait are left out where that is asked for."""
        packed = TemporaryFile()  # noqa: SIM115 - Flask closes what it has sent
        with rooms.store() as store, ZipFile(packed, "w") as folder:  # pictures are compressed already
            sets = LabelSets(store)
            of = sets.get(set_id)
            try:
                whole = whole_set(sets, of, unfinished="unfinished" in request.args)
            except ApplianceRefused as refusal:
                abort(409, str(refusal))
            for path, data in LAYOUTS[layout](whole):
                folder.writestr(path, data)
        rooms.instrument.ask("label_set_exported", by=who().name, set=of.id, layout=layout)
        packed.seek(0)
        return no_store(
            send_file(
                packed, "application/zip", as_attachment=True, download_name=f"set-{of.id}-{layout}.zip"
            )
        )


def _found(store: Store, field: int) -> tuple[LabelSets, LabelField, FieldReading]:
    sets = LabelSets(store)
    shown = sets.field(field)
    return sets, shown, sets.reading(shown)


def _said(field: LabelField, reading: FieldReading, me: str) -> dict[str, Any]:
    """Return what a person may see of a field; places are px of the field's picture."""
    why = ""
    try:
        reading.refuse_reading(me)
    except ApplianceRefused as refusal:
        why = str(refusal)
    known = reading.labels()
    own = reading.said.get(me, {})
    shown = [cell for cell in reading.cells if cell.id in known] if reading.done else reading.seen_by(me)
    labels = known if reading.done and why else own
    return {
        "width": field.width,
        "height": field.height,
        "border": round(BORDER_UM / field.um_per_px, 1),
        "um_per_px": field.um_per_px,
        "open": not why,
        "why": why,
        "finished": me in reading.finished,
        "cells": [
            {
                "x": cell.x,
                "y": cell.y,
                "label": labels.get(cell.id),
                "proposal": cell.origin is Origin.PROPOSAL,
            }
            for cell in shown
        ],
    }


def _state(reading: FieldReading, me: str) -> str:
    """Return a field's state in a word, as far as this person may know it."""
    if reading.done:
        return "done"
    if reading.read:
        return "disputed"
    if me in reading.finished:
        return "waits"
    if me in reading.readers:
        return "begun"
    return "free" if len(reading.readers) < reading.wanted else "others"


def _asked(rooms: Rooms, what: str, **arguments: Any) -> Response:
    """Ask the instrument for a change, in the name of who is signed in."""
    reply = rooms.instrument.ask(what, by=who().name, **arguments)
    return jsonify({key: value for key, value in reply.items() if key != "ok"})


def _page(template: str, **values: Any) -> Response:
    return no_store(Response(render_template(f"labelling/{template}.html", **values)))
