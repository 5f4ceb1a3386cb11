"""The pages of review: the gallery of a run's cells, the blind second reading, and how the readings agree."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, redirect, render_template, url_for
from flask_babel import format_decimal, gettext
from werkzeug.wrappers import Response as AnyResponse

from appliance.accounts.roles import Permission
from appliance.errors import ApplianceRefused
from appliance.review.case import Case
from appliance.review.drawn_references import drawn_reference
from appliance.review.gallery import title
from models.panel import UNIDENTIFIED
from web.access import allow, no_store
from web.api.review_said import opened, review_said
from web.api.second import agreements, second_said
from web.blind import reads_blind, refuse_blind
from web.live import for_ever
from web.rooms import Rooms
from web.run_list import sample_here


def blueprint(rooms: Rooms) -> Blueprint:
    """Return them."""
    pages = Blueprint("review", __name__)
    pages.add_app_template_filter(_hundredths, "hundredths")

    @pages.get("/runs/<run>/review")
    @allow(Permission.WATCH)
    def gallery(run: str) -> AnyResponse:
        with opened(rooms, run) as (store, case):
            if reads_blind(store, case.run.id):
                return redirect(url_for("review.second", run=case.run.id), 303)
            said = review_said(store, case).model_dump()
            sample = sample_here(store, case.run.id)
        return _page("review/review.html", case, said=said, sample=sample)

    @pages.get("/runs/<run>/second")
    @allow(Permission.REVIEW)
    def second(run: str) -> AnyResponse:
        with opened(rooms, run) as (store, case):
            said = second_said(store, case).model_dump()
        return _page("review/second.html", case, said=said)

    @pages.get("/runs/<run>/agreement")
    @allow(Permission.WATCH)
    def agreement(run: str) -> AnyResponse:
        with opened(rooms, run) as (store, case):
            refuse_blind(store, case.run.id)
            said = agreements(store, case)
        rules = case.tally.rules
        names = {label: gettext(title(rules, label)) for label in (*rules.panel.names, UNIDENTIFIED)}
        return _page("review/agreement.html", case, said=said, names=names)

    @pages.get("/reference-cells/<label>/<int:number>.png")
    @allow(Permission.WATCH)
    def drawn(label: str, number: int) -> Response | tuple[str, int]:
        try:
            return for_ever(drawn_reference(label, number), "image/png")
        except ApplianceRefused as refusal:
            return render_template("error.html", sentence=str(refusal)), 404

    return pages


def _hundredths(value: float) -> str:
    """Return a number with two decimals, as the language writes it."""
    return str(format_decimal(value, "0.00"))


def _page(template: str, case: Case, **values: object) -> Response:
    """Return a page of a run. home: the page of the run itself, where there is one."""
    home = "runs.run" in current_app.view_functions
    address = url_for("runs.run", run=case.run.id) if home else None
    return no_store(Response(render_template(template, run=case.run, home=address, **values)))
