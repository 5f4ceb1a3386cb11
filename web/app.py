"""The page and its few addresses. It reads the store and asks the instrument for every change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from appliance.channel_client import InstrumentClient, InstrumentGone
from appliance.configured_plan import plan_from_config
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.store import Store
from calibration import CalibrationRefused
from models import ModelRefused
from models.panel import Specimen, load_panel
from web import guard
from web.hub import Hub, TooManyViewers
from web.qc import qc_pages
from web.slide_map import slide_map, survey_of
from web.stream import events

if TYPE_CHECKING:
    from appliance.config import Config

PROBE_WITHIN_S = 10.0
LONGEST_REQUEST = 64 * 1024
LARGEST_ROW = 2**63 - 1  # SQLite has no larger number
REMOTE = (
    "Counts are started and stopped at the instrument. To allow it from other machines, "
    'set "remote_control" under [web].'
)


def create_app(config: Config, hub: Hub | None = None, instrument: InstrumentClient | None = None) -> Flask:
    """Return the page's application. Without a hub it follows the configured instrument itself.

    hub: must be started by whoever gives it.
    """
    instrument = instrument or InstrumentClient(config.socket_path)
    if hub is None:
        hub = hub_for(config)
        hub.start()
    app = Flask("web")
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_REQUEST
    app.json.sort_keys = False  # type: ignore[attr-defined]
    digest = _digest(Path(app.root_path))
    _guard(app, config)
    _show(app, config, hub, digest)
    _show_from_store(app, config)
    _obey(app, config, hub, instrument)
    app.register_blueprint(qc_pages(config, instrument, lambda: _may_control(config)))
    return app


def hub_for(config: Config) -> Hub:
    """Return a hub, not yet started, that follows the configured instrument."""
    client = InstrumentClient(config.socket_path)
    probe = InstrumentClient(config.socket_path, reply_within_s=PROBE_WITHIN_S)
    return Hub(client.follow, probe.status, most_viewers=config.web.threads)


def _guard(app: Flask, config: Config) -> None:
    @app.before_request
    def refuse() -> tuple[Response, int] | None:
        if not guard.knows_host(request, config.web.host):
            return _error(f"This machine is not called {request.host}. Use its address or its own name.", 421)
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        if not guard.from_this_site(request) or not request.is_json:
            return _error("Only this page itself may ask for a change.", 403)
        if not _may_control(config):
            return _error(REMOTE, 403)
        return None

    app.after_request(guard.with_headers)

    @app.errorhandler(HTTPException)
    def missing(error: HTTPException) -> tuple[Response, int]:
        return _error(error.description or error.name, error.code or 500)

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[Response, int]:
        if isinstance(error, TooManyViewers | InstrumentGone):
            return _error(str(error), 503)
        if isinstance(error, ApplianceRefused | CalibrationRefused | ModelRefused):
            return _error(str(error), 409)
        if isinstance(error, ApplianceError):
            return _error(str(error), 502)
        app.logger.exception("%s %s failed", request.method, request.path, exc_info=error)
        return _error("The page's server failed; its log says why.", 500)


def _show(app: Flask, config: Config, hub: Hub, digest: str) -> None:
    @app.get("/")
    def page() -> Response:
        count = config.count
        answer = Response(
            render_template(
                "page.html",
                digest=digest,
                specimen=count.specimen,
                specimens=_specimens(count.panel),
                min_cells=count.min_cells,
                max_cells=count.max_cells,
                may_control=_may_control(config),
            )
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/api/status")
    def status() -> Response:
        answer = jsonify({**hub.snapshot(), "page": digest})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/api/events")
    def stream() -> Response:
        seat = hub.viewer()
        follower = seat.__enter__()
        gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
        answer = Response(events(follower, gone, digest), mimetype="text/event-stream")
        answer.call_on_close(lambda: seat.__exit__(None, None, None))
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"
        return answer


def _show_from_store(app: Flask, config: Config) -> None:
    @app.get(f"/cells/<int(max={LARGEST_ROW}):cell>.png")
    def patch(cell: int) -> Response:
        with _found(config) as store:
            return _for_ever(store.patch(cell), "image/png")

    @app.get("/runs/<run>/slide.jpg")
    def slide(run: str) -> Response:
        with _found(config) as store:
            return _for_ever(survey_of(store, run).picture, "image/jpeg")

    @app.get("/runs/<run>/map.json")
    def regions(run: str) -> Response:
        with _found(config) as store:
            answer = jsonify(slide_map(store, run))
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _obey(app: Flask, config: Config, hub: Hub, instrument: InstrumentClient) -> None:
    @app.post("/api/start")
    def start() -> Response:
        wanted = _wanted("specimen").get("specimen")
        try:
            return jsonify({"run": instrument.start(plan_from_config(config, specimen=wanted))})
        except (ApplianceError, ApplianceRefused, CalibrationRefused, ModelRefused) as refusal:
            hub.note("Not started", str(refusal))
            raise

    @app.post("/api/resume")
    def resume() -> Response:
        return jsonify({"run": instrument.resume(_wanted("run").get("run"))})

    @app.post("/api/pause")
    def pause() -> Response:
        _wanted()
        instrument.pause()
        return jsonify({})

    @app.post("/api/stop")
    def stop() -> Response:
        _wanted()
        instrument.stop()
        return jsonify({})


@contextmanager
def _found(config: Config) -> Iterator[Store]:
    """Read the store; what it does not hold is a missing page."""
    try:
        with Store.read_only(config.store.path) as store:
            yield store
    except ApplianceRefused as missing:
        abort(404, str(missing))


def _for_ever(picture: bytes, kind: str) -> Response:
    """Return a picture that never changes: a store is only added to."""
    answer = Response(picture, mimetype=kind)
    answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return answer


def _wanted(*known: str) -> Mapping[str, str]:
    """Return what the request's JSON says; refuse what it should not say."""
    wanted = request.get_json()
    if not isinstance(wanted, dict) or not all(isinstance(value, str) for value in wanted.values()):
        abort(400, "A request is a JSON object of texts.")
    if unknown := [key for key in wanted if key not in known]:
        abort(400, f'There is no "{unknown[0]}" in this request.')
    return wanted


@cache
def _specimens(panel: str) -> Sequence[str]:
    """Return what a panel can count; both where there is no such panel, of which the instrument says more."""
    try:
        return load_panel(panel).specimens
    except ModelRefused:
        return tuple(Specimen)


def _may_control(config: Config) -> bool:
    return config.web.remote_control or guard.from_this_machine(request)


def _error(sentence: str, status: int) -> tuple[Response, int]:
    return jsonify({"error": sentence}), status


def _digest(root: Path) -> str:
    """Return a name for this version of the page's own files."""
    files = sorted([*root.joinpath("static").iterdir(), *root.joinpath("templates").iterdir()])
    return hashlib.sha256(json.dumps([file.read_text("utf-8") for file in files]).encode()).hexdigest()[:12]
