"""The runs on record: a list, one of them, and what leaves the instrument of it."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.accounts.roles import Permission, may
from appliance.field_pictures import FieldPictures
from appliance.reports.result import result_of
from appliance.run import State
from web.access import allow, may_here, who
from web.advice import advice_on
from web.blind import refuse_blind
from web.exporting import OME_TIFF, exported, numbers_in_exports
from web.rooms import Rooms
from web.run_ending import ending_said
from web.run_list import A_PAGE, FARTHEST, RunPage, Wanted, ids_found, run_page, standing_word
from web.standing_words import STATUSES, standing_sentence


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("runs", __name__)
    pages.add_app_template_filter(standing_word, "standing")
    pages.add_app_template_filter(standing_sentence)
    pages.add_app_template_filter(ending_said, "ending")
    pages.add_app_template_filter(lambda status: str(STATUSES[status]), "signed_as")

    @pages.get("/runs")
    @allow(Permission.WATCH)
    def runs() -> str:
        wanted, skip = _wanted(), min(max(0, request.args.get("skip", 0, type=int)), FARTHEST)
        with rooms.store() as store:
            page = run_page(store, wanted, skip)
        return _listed(page, wanted, skip)

    @pages.post("/runs")
    @allow(Permission.SEE_IDENTITY)
    def find() -> AnyResponse | str:
        """Find by a number: in the request's body, so that no address and no log holds it.

        The answer is an address of its own, by ids, which are random: whoever goes Back to it sees it again. Where
        nothing was found, it is the page with what was typed, so that a slip is seen.
        """
        typed = request.form.get("wanted", "").strip()
        with rooms.store() as store:
            found, more = ids_found(store, typed)
            if not found:
                wanted = Wanted(ids=())
                return _listed(run_page(store, wanted), wanted, typed=typed)
        return redirect(url_for("runs.runs", ids=" ".join(found), more="yes" if more else None), 303)

    @pages.get("/runs/<run>")
    @allow(Permission.WATCH)
    def run(run: str) -> str:
        with rooms.store() as store:
            refuse_blind(store, store.run(run).id)
            result = result_of(store, run, unmasked=may_here(Permission.SEE_IDENTITY))
            skipped = store.skipped(result.run.id)
            pictured = bool(FieldPictures(store).numbers(result.run.id))
            numbers = numbers_in_exports(store, result.run.id)
            mapped = store.survey(result.run.id) is not None
        may_count = may(who().role, Permission.COUNT)
        advice = advice_on(
            result.run.cause,
            ended=result.run.state.ended,
            mapped=mapped,
            simulated=result.run.simulated,
            may_count=may_count,
        )
        return render_template(
            "run/run.html",
            result=result,
            advice=advice,
            may_count=may_count,
            skipped=skipped,
            pictured=pictured,
            numbers=numbers,
        )

    @pages.get("/runs/<run>/report.<any(pdf, csv, json):kind>")
    @allow(Permission.EXPORT)
    def export(run: str, kind: str) -> Response:
        return exported(rooms, run, kind, unmasked=request.args.get("whose") == "yes")

    @pages.get("/runs/<run>/fields.ome.tiff")
    @allow(Permission.EXPORT)
    def fields(run: str) -> Response:
        return exported(rooms, run, OME_TIFF)

    return pages


def _listed(page: RunPage, wanted: Wanted, skip: int = 0, typed: str = "") -> str:
    return render_template("run/runs.html", page=page, wanted=wanted, skip=skip, states=State, typed=typed)


def _wanted() -> Wanted:
    """Return which runs an address asks for."""
    asked = request.args
    state = asked.get("state", "")
    return Wanted(
        state=state if state in list(State) else "",
        since=asked.get("since", type=date.fromisoformat),
        until=asked.get("until", type=date.fromisoformat),
        ids=asked["ids"].split()[:A_PAGE] if "ids" in asked else None,
    )
