"""The live page of a count, and the pictures that pages show."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, abort, jsonify, render_template, request

from appliance.accounts.roles import Permission, may
from appliance.countable import countables
from appliance.field_pictures import FieldPictures
from appliance.stopping import looks
from models.panel import load_panel, panel_names
from web import guard
from web.access import allow, may_here, no_store, who
from web.advice import all_advice
from web.blind import reads_blind
from web.field_finds import field_finds
from web.rooms import Rooms
from web.run_list import sample_here
from web.slide_map import slide_map, survey_of

LARGEST_ROW = 2**63 - 1  # SQLite has no larger number


def blueprint(rooms: Rooms) -> Blueprint:
    """Return them."""
    pages = Blueprint("live", __name__)

    @pages.get("/")
    @allow(Permission.WATCH)
    def page() -> Response:
        count = rooms.config.count
        may_count = may(who().role, Permission.COUNT)
        shown = render_template(
            "page.html",
            digest=rooms.digest,
            countables=countables(rooms.config),
            min_cells=count.min_cells,
            max_cells=count.max_cells,
            targets=looks(count.min_cells, count.max_cells),
            advice=all_advice(may_count),
            may_count=may_count,
            cell_titles=_cell_titles(),
            may_control=may_here(Permission.COUNT),
            for_phones=bool(rooms.config.web.address) or not guard.from_this_machine(request),
            may_review=may_here(Permission.REVIEW),
        )
        return no_store(Response(shown))

    @pages.get(f"/cells/<int(max={LARGEST_ROW}):cell>.png")
    @allow(Permission.WATCH)
    def patch(cell: int) -> Response:
        with rooms.store() as store:
            only = who().run
            if only is not None and store.run_of_cell(cell) != only:
                abort(404)
            return for_ever(store.patch(cell), "image/png")

    @pages.get("/runs/<run>/slide.jpg")
    @allow(Permission.WATCH)
    def slide(run: str) -> Response:
        with rooms.store() as store:
            return for_ever(survey_of(store, run).picture, "image/jpeg")

    @pages.get("/runs/<run>/sample.json")
    @allow(Permission.WATCH)
    def sample(run: str) -> Response:
        """Whose smear a run counts: masked or whole by who asks, in the answer's body alone."""
        with rooms.store() as store:
            return no_store(jsonify(sample=sample_here(store, store.run(run).id)))

    @pages.get("/runs/<run>/map.json")
    @allow(Permission.WATCH)
    def regions(run: str) -> Response:
        with rooms.store() as store:
            return no_store(jsonify(slide_map(store, run)))

    @pages.get("/runs/<run>/fields/<int(max=1000000):number>.jpg")
    @allow(Permission.WATCH)
    def field(run: str, number: int) -> Response:
        with rooms.store() as store:
            return for_ever(FieldPictures(store).picture(store.run(run).id, number), "image/jpeg")

    @pages.get("/runs/<run>/fields/<int(max=1000000):number>.json")
    @allow(Permission.WATCH)
    def finds(run: str, number: int) -> Response:
        with rooms.store() as store:
            record = store.run(run)
            return no_store(jsonify(field_finds(store, record, number, blind=reads_blind(store, record.id))))

    return pages


def _cell_titles() -> Mapping[str, str]:
    """Return what the bundled panels call their labels: a script looks a title up in the person's language."""
    panels = [load_panel(name) for name in panel_names()]
    return {label.name: label.title for panel in panels for label in panel.labels}


def for_ever(picture: bytes, kind: str) -> Response:
    """Return a picture that never changes: a store is only added to."""
    answer = Response(picture, mimetype=kind)
    answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return answer
