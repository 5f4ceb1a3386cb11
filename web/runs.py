"""The runs on record: a list, one of them, and what leaves the instrument of it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, Response, abort, render_template, request, send_file
from flask_babel import gettext

from appliance.accounts.roles import Permission
from appliance.field_pictures import FieldPictures
from appliance.record_number import masked
from appliance.reports.exports import as_csv, as_object
from appliance.reports.ome_tiff import write_ome_tiff
from appliance.reports.report_pdf import report_pdf
from appliance.reports.result import Result, pictures_of, result_of
from appliance.store import Store
from web.access import allow, may_here, no_store, who
from web.blind import refuse_blind
from web.rooms import Rooms

A_PAGE = 25
FARTHEST = 10**9
KINDS: Mapping[str, str] = {
    "pdf": "application/pdf", "csv": "text/csv; charset=utf-8", "json": "application/json",
}  # fmt: skip


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("runs", __name__)

    def shown(among: str = "") -> str:
        skip = min(max(0, request.args.get("skip", 0, type=int)), FARTHEST)
        with rooms.store() as store:
            found = store.runs(A_PAGE + 1, skip, among)
            samples = {run.id: _sample(store, run.id) for run in found}
        older = skip + A_PAGE if len(found) > A_PAGE else None
        return render_template(
            "run/runs.html", runs=found[:A_PAGE], samples=samples, older=older, skip=skip, found=bool(among)
        )

    @pages.get("/runs")
    @allow(Permission.WATCH)
    def runs() -> str:
        return shown()

    @pages.post("/runs")
    @allow(Permission.SEE_IDENTITY)
    def find() -> str:
        """Find by a number: in the request's body, so that no address and no log holds it."""
        return shown(request.form.get("wanted", "").strip())

    @pages.get("/runs/<run>")
    @allow(Permission.WATCH)
    def run(run: str) -> str:
        with rooms.store() as store:
            refuse_blind(store, store.run(run).id)
            result = result_of(store, run, unmasked=may_here(Permission.SEE_IDENTITY))
            skipped = store.skipped(result.run.id)
            pictured = bool(FieldPictures(store).numbers(result.run.id))
        return render_template("run/run.html", result=result, skipped=skipped, pictured=pictured)

    @pages.get("/runs/<run>/report.<any(pdf, csv, json):kind>")
    @allow(Permission.EXPORT)
    def export(run: str, kind: str) -> Response:
        unmasked = request.args.get("whose") == "yes"
        if unmasked and not may_here(Permission.SEE_IDENTITY):
            abort(403, gettext("Your role may not see whose sample this is."))
        with rooms.store() as store:
            refuse_blind(store, store.run(run).id)
            result = result_of(store, run, unmasked=unmasked)
            body = _written(store, result, kind)
        details = {"kind": kind, "identity": "whole" if unmasked and result.sample else "masked"}
        rooms.instrument.ask("exported", by=who().name, run=result.run.id, details=details)
        answer = no_store(Response(body, content_type=KINDS[kind]))
        answer.headers["Content-Disposition"] = f'attachment; filename="run-{result.run.id}.{kind}"'
        return answer

    @pages.get("/runs/<run>/fields.ome.tiff")
    @allow(Permission.EXPORT)
    def fields(run: str) -> Response:
        with contextlib.ExitStack() as until_sent, rooms.store() as store:
            folder = Path(until_sent.enter_context(tempfile.TemporaryDirectory()))
            record = store.run(run)
            write_ome_tiff(store, record, folder / "fields.ome.tiff")
            rooms.instrument.ask("exported", by=who().name, run=record.id, details={"kind": "ome-tiff"})
            name = f"run-{record.id}.ome.tiff"
            answer = no_store(
                send_file(folder / "fields.ome.tiff", "image/tiff", as_attachment=True, download_name=name)
            )
            answer.call_on_close(until_sent.pop_all().close)
        return answer

    return pages


def _sample(store: Store, run: str) -> str:
    number = store.record_number(run)
    if number is None:
        return ""
    return number if may_here(Permission.SEE_IDENTITY) else masked(number)


def _written(store: Store, result: Result, kind: str) -> bytes:
    if kind == "pdf":
        return report_pdf(result, pictures_of(store, result))
    if kind == "csv":
        return as_csv(result).encode()
    return json.dumps(as_object(store, result), ensure_ascii=False, indent=1).encode()
