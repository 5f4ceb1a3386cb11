"""The daily quality control on the page: its history, and the fields of a count gone over one by one.

Every address is under /qc, and every change goes through `_Asking.ask`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, render_template, request
from markupsafe import Markup

from appliance.accounts.roles import Permission
from appliance.channel_client import InstrumentClient
from appliance.configured_plan import plan_from_config
from appliance.errors import ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.marks import is_qc_asked, mark_of_qc
from appliance.qc_chart import chart
from appliance.qc_history import QcHistory, QualityControl
from appliance.qc_marks import NOT_ASKED, Review
from appliance.qc_review import QcReviews, ToReview
from appliance.store import Store
from appliance.store_place import is_there
from calibration.qc import qc_mark
from web.access import allow, may_here, who
from web.rooms import Rooms

if TYPE_CHECKING:
    from appliance.config import Config

LISTED = 60
LONGEST_TEXT = 200
NAMES_OFFERED = 4
MARK = ("field", "kind", "present", "cell", "x", "y")
SLIDES = ("normal slide", "QC slide")


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the quality control's pages."""
    pages = Blueprint("qc", __name__, url_prefix="/qc")
    _show(pages, rooms, lambda: may_here(Permission.QC))
    _obey(pages, rooms.config, _Asking(rooms.instrument))
    return pages


@dataclass(frozen=True, slots=True)
class _Asking:
    """The one way from these pages to the instrument."""

    instrument: InstrumentClient

    def ask(self, what: str, **arguments: Any) -> Response:
        """Ask for a change; what the instrument refuses becomes an error of the page."""
        reply = self.instrument.ask(what, **arguments)
        return jsonify({key: value for key, value in reply.items() if key != "ok"})


def _show(pages: Blueprint, rooms: Rooms, may_control: Callable[[], bool]) -> None:
    config = rooms.config

    @pages.get("")
    @allow(Permission.QC)
    def history() -> Response:
        controls, waiting, mark = _history(rooms)
        return _page(
            "qc.html",
            controls=controls[: -LISTED - 1 : -1],
            asked=is_qc_asked(config),
            chart=Markup(chart(controls)) if controls else None,
            waiting=[each for each in waiting if not each.recorded],
            mark=mark,
            needed=config.qc.cells,
            may_control=may_control(),
        )

    @pages.get("/<run>")
    @allow(Permission.QC)
    def control(run: str) -> Response | tuple[Response, int]:
        try:
            with rooms.readers.store() as store:
                return _control(store, run, config, may_control())
        except ApplianceRefused as missing:
            return _page("qc_missing.html", said=str(missing)), 404

    @pages.get("/<run>/fields.json")
    @allow(Permission.QC)
    def fields(run: str) -> Response:
        with rooms.store() as store:
            answer = jsonify(_view(QcReviews(store).review(run)))
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _control(store: Store, run: str, config: Config, may_control: bool) -> Response:
    """Return the page of one control: its fields, or what became of it."""
    record, controls = store.run(run), QcHistory(store).all()
    recorded = [control for control in controls if control.run == record.id]
    pictured = bool(FieldPictures(store).numbers(record.id))
    if recorded and not (pictured and "fields" in request.args):
        mark = _mark(config, store, controls)
        return _page(
            "qc_result.html",
            run=record,
            control=recorded[-1],
            pictured=pictured,
            mark=mark,
            asked=is_qc_asked(config),
        )
    QcReviews(store).review(record.id)  # says why where there is none
    return _page(
        "qc_review.html",
        run=record,
        open=record.state.ended and not recorded,
        limits=config.qc,
        slides=_latest([*(control.slide for control in reversed(controls)), *SLIDES]),
        may_control=may_control,
        not_asked=NOT_ASKED,
    )


def _obey(pages: Blueprint, config: Config, asking: _Asking) -> None:
    @pages.post("/count")
    @allow(Permission.QC)
    def count() -> Response:
        _wanted()
        plan = json.loads(plan_from_config(config, qc=True).to_json())
        return asking.ask("start", plan=plan, by=who().name)

    @pages.post("/<run>/mark")
    @allow(Permission.QC)
    def mark(run: str) -> Response:
        return asking.ask("mark_qc", by=who().name, run=run, **_wanted(*MARK))

    @pages.post("/<run>/record")
    @allow(Permission.QC)
    def record(run: str) -> Response:
        said = {"slide": SLIDES[0], "note": "", **_wanted("slide", "note")}
        if not all(isinstance(text, str) and len(text) <= LONGEST_TEXT for text in said.values()):
            abort(400, f"Slide and note are texts of {LONGEST_TEXT} letters at most.")
        rules = config.qc
        limits = {
            "cells": rules.cells,
            "least_located_percent": rules.least_located_percent,
            "most_false_percent": rules.most_false_percent,
        }
        numbers = dict.fromkeys(("located", "missed", "false_finds"))  # as they were marked
        return asking.ask("record_qc", run=run, by=who().name, **said, **numbers, limits=limits)


def _wanted(*known: str) -> Mapping[str, Any]:
    """Return what the request's JSON says; refuse what it should not say."""
    wanted = request.get_json()
    if not isinstance(wanted, dict):
        abort(400, "A request is a JSON object.")
    if unknown := [key for key in wanted if key not in known]:
        abort(400, f'There is no "{unknown[0]}" in this request.')
    if missing := [key for key in ("field", "kind", "present") if key in known and key not in wanted]:
        abort(400, f'A mark needs "{missing[0]}".')
    return wanted


def _history(rooms: Rooms) -> tuple[list[QualityControl], list[ToReview], str | None]:
    """Return the controls, the counts that wait for one, and what the next results will say."""
    if not is_there(rooms.config.store.path):
        return [], [], _never(rooms.config)
    with rooms.readers.store() as store:
        controls = QcHistory(store).all()
        return controls, QcReviews(store).waiting(), _mark(rooms.config, store, controls)


def _mark(config: Config, store: Store, controls: list[QualityControl]) -> str | None:
    """Return what the next results will say; None while the last control passed and holds."""
    return mark_of_qc(config, store) if controls else _never(config)


def _never(config: Config) -> str | None:
    return qc_mark(None, datetime.now(UTC), config.qc.every_h) if is_qc_asked(config) else None


def _latest(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if len(name) <= 30))[:NAMES_OFFERED]


def _view(review: Review) -> dict[str, Any]:
    """Return the fields as the page draws them: all places in px of the frame."""
    return {
        "fields": [
            {
                "number": field.number,
                "width": field.width,
                "height": field.height,
                "border": round(field.border, 1),
                "gone_over": field.gone_over,
                "finds": [
                    {
                        "cell": find.cell,
                        "x": round(find.x, 1),
                        "y": round(find.y, 1),
                        "radius": round(find.radius, 1),
                        "what": str(find.what),
                    }
                    for find in field.finds
                ],
                "false": sorted(field.false),
                "missed": field.missed,
            }
            for field in review.fields
        ]
    }


def _page(template: str, **values: Any) -> Response:
    answer = Response(render_template(template, **values))
    answer.headers["Cache-Control"] = "no-store"
    return answer
