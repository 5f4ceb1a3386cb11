"""A patient's earlier runs as charts: each class's percentage with its limits, and the same as a table beside it."""

from __future__ import annotations

from flask import Blueprint, render_template

from appliance.accounts.roles import Permission
from appliance.review.trend import Point, patient_runs, trend
from appliance.store import Store
from web.access import allow
from web.blind import reads_blind, refuse_blind
from web.rooms import Rooms
from web.trend_chart import HIGH, LEFT, RIGHT, WIDE, charts


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the page."""
    pages = Blueprint("earlier", __name__)

    @pages.get("/runs/<run>/earlier")
    @allow(Permission.WATCH)
    def earlier(run: str) -> str:
        with rooms.store() as store:
            record = store.run(run)
            refuse_blind(store, record.id)
            points = patient_runs_here(store, record.id)
        drawn, never = charts(points, trend(points))
        frame = {"wide": WIDE, "high": HIGH, "left": LEFT, "right": WIDE - RIGHT}
        return render_template(
            "run/earlier.html", run=record, points=points, charts=drawn, never=never, frame=frame
        )

    return pages


def patient_runs_here(store: Store, run: str) -> list[Point]:
    """Return the runs of a run's patient, but for those that who asks reads blind."""
    return [point for point in patient_runs(store, run) if not reads_blind(store, point.run)]
