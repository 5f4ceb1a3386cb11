"""The service pages: how the instrument stands, its calibrations, its backups, and a bundle for whoever helps."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from appliance.accounts.roles import Permission
from appliance.backup import back_up
from appliance.calibrations import Calibrations
from appliance.channel_client import InstrumentGone, NoAnswer
from appliance.counting_scale import not_counted_with
from appliance.doctor import Finding
from appliance.doctor.finding import passed
from appliance.doctor.records import BACKUPS
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.servicing.diagnostics import Told, bundle
from appliance.servicing.journal import last_lines
from appliance.servicing.self_test import as_findings, without_instrument
from appliance.servicing.versions import versions
from calibration.change import compare, in_order, title_of
from calibration.errors import CalibrationRefused
from web import service_microscope
from web.access import allow, no_store, who
from web.rooms import Rooms
from web.service_records import calibrations, kept_backups, opened, quality

SHOWN_LINES = 60


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("service", __name__, url_prefix="/service")
    _home(pages, rooms)
    _calibrations(pages, rooms)
    _taken_away(pages, rooms)
    service_microscope.add(pages, rooms)
    return pages


def _home(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get("")
    @allow(Permission.SERVICE)
    def home() -> Response:
        return no_store(Response(render_template("service/home.html", **_facts(rooms))))

    @pages.get("/self-test")
    @allow(Permission.SERVICE)
    def self_test() -> Response:
        """Make the checks: it takes a while, so the home page only offers it."""
        findings, alone = _self_tested(rooms)
        page = render_template("service/self_test.html", findings=findings, alone=alone)
        return no_store(Response(page))

    @pages.get("/log")
    @allow(Permission.SERVICE)
    def log() -> Response:
        return no_store(Response(render_template("service/log.html", log=last_lines())))


def _facts(rooms: Rooms) -> dict[str, Any]:
    now, snapshot = datetime.now(UTC), rooms.hub.snapshot()
    facts: dict[str, Any] = {"setups": [], "quality": None}
    if (store := opened(rooms.config)) is not None:
        with store:
            facts = {
                "setups": calibrations(store, now),
                "quality": quality(rooms.config, store, now),
            }
    return {
        **facts,
        "instrument": snapshot["instrument"],
        "versions": versions(),
        "log": last_lines(SHOWN_LINES),
        "backups": kept_backups(),
        "folder": BACKUPS,
        "live": "service.microscope" in current_app.view_functions,
    }


def _self_tested(rooms: Rooms) -> tuple[list[Finding], bool]:
    """Return what the self-test found, and whether it had to do without the instrument."""
    try:
        found = as_findings(rooms.instrument.ask("self_test")["findings"])
        return [*found, passed("page", "It answers: it shows this.")], False
    except (ApplianceError, ApplianceRefused):
        return without_instrument(rooms.config), True


def _calibrations(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get("/calibrations/<name>")
    @allow(Permission.SERVICE)
    def calibration(name: str) -> Response:
        with rooms.store() as store:
            known = Calibrations(store)
            held = known.get(name)
            before = known.before(held.record) if held.in_force else known.in_force(held.record.setup)
            to_confirm = () if held.in_force else known.to_confirm(held.record)
        record = held.record
        page = render_template(
            "service/calibration.html",
            held=held,
            record=record,
            before=before,
            changes=[] if before is None else [str(each) for each in compare(before, record)],
            values=[(title_of(each), record.claimed[each]) for each in in_order(record.values)],
            to_confirm=to_confirm,
            expired=record.expired(datetime.now(UTC)),
        )
        return no_store(Response(page))

    @pages.get("/calibrations/<name>/certificate.pdf")
    @allow(Permission.SERVICE)
    def certificate(name: str) -> Response:
        from appliance.certificate import certificate_pdf  # Matplotlib: only where something is drawn

        with rooms.store() as store:
            held = Calibrations(store).get(name)
            before = Calibrations(store).before(held.record)
        pdf = certificate_pdf(held.record, before, in_force=held.in_force, now=datetime.now(UTC))
        answer = no_store(Response(pdf, mimetype="application/pdf"))
        answer.headers["Content-Disposition"] = f'attachment; filename="{held.record.id}.pdf"'
        return answer

    @pages.get("/calibrations/<name>/<picture>.png")
    @allow(Permission.SERVICE)
    def evidence(name: str, picture: str) -> Response:
        with rooms.store() as store:
            record = Calibrations(store).get(name).record
        found = next((each.png for each in record.evidence if each.name == picture), None)
        if found is None:
            abort(404, gettext("This calibration has no such picture."))
        return no_store(Response(found, mimetype="image/png"))

    @pages.post("/calibrations/<name>/use")
    @allow(Permission.SERVICE)
    def use(name: str) -> AnyResponse | tuple[str, int]:
        try:
            confirmed = request.form.getlist("confirmed")
            rooms.instrument.ask("use_calibration", name=name, by=who().name, confirmed=confirmed)
        except (ApplianceRefused, CalibrationRefused) as refusal:
            return render_template("error.html", sentence=str(refusal)), 409
        stated = not_counted_with(rooms.config)
        flash(" ".join(stated) or gettext("%(name)s is in force. Counts from now on use it.", name=name))
        return redirect(url_for("service.calibration", name=name), 303)


def _taken_away(pages: Blueprint, rooms: Rooms) -> None:
    @pages.post("/backup")
    @allow(Permission.BACK_UP)
    def backup() -> AnyResponse:
        """Copy the database without anybody's secrets, check the copy, and send it; nothing of it stays here."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hemadiff-")))
            made = back_up(rooms.config.store.path, folder, secrets=False)
            rooms.instrument.ask("record_backup", by=who().name, name=made.path.name, runs=made.runs)
            answer = send_file(
                made.path,
                mimetype="application/vnd.sqlite3",
                as_attachment=True,
                download_name=made.path.name,
                conditional=False,
            )
            answer.call_on_close(stack.pop_all().close)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @pages.get("/diagnostics.zip")
    @allow(Permission.SERVICE)
    def diagnostics() -> Response:
        now = datetime.now(UTC)
        findings, _ = _self_tested(rooms)
        told = Told(
            {**versions(), "instrument": rooms.hub.snapshot()["instrument"]}, findings, last_lines(), now
        )
        store = opened(rooms.config)
        try:
            made = bundle(rooms.config, store, told)
        except ApplianceError as error:
            abort(502, str(error))
        finally:
            if store is not None:
                store.close()
        # The bundle is for when the instrument does not answer, too: then no line of the trail is to be had.
        with suppress(InstrumentGone, NoAnswer):
            rooms.instrument.ask("diagnostics_taken", by=who().name)
        answer = no_store(Response(made, mimetype="application/zip"))
        name = f"hemadiff-diagnostics-{now:%Y%m%dT%H%M%SZ}.zip"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer
