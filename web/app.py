"""The page and its few addresses. It reads the store and asks the instrument for every change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flask import Blueprint, Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from appliance.accounts.roles import Permission
from appliance.channel_client import InstrumentClient, InstrumentGone
from appliance.configured_plan import plan_from_config
from appliance.errors import ApplianceError, ApplianceRefused
from calibration import CalibrationRefused
from models import ModelRefused
from models.panel import Specimen, load_panel
from web import access, guard, languages, navigation, sessions, sign_in
from web.access import allow, may_here
from web.hub import Hub, TooManyViewers
from web.rooms import Rooms
from web.slide_map import slide_map, survey_of
from web.stream import events

if TYPE_CHECKING:
    from appliance.config import Config


class Part(Protocol):
    """A module with pages of its own."""

    def blueprint(self, rooms: Rooms) -> Blueprint:
        """Return them."""


PROBE_WITHIN_S = 10.0
LONGEST_REQUEST = 64 * 1024
LARGEST_ROW = 2**63 - 1  # SQLite has no larger number
PARTS: Sequence[Part] = ()
"""The modules whose pages these are, each with a ``blueprint``."""


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
    app.wsgi_app = guard.behind(app.wsgi_app, config.web.trusted_proxies)  # type: ignore[method-assign,assignment]
    rooms = Rooms(config, hub, instrument, _digest(Path(app.root_path)))
    sessions.install(app, config.store.path.parent)
    languages.install(app)
    _guard(app, config)
    access.install(app, rooms)
    sign_in.install(app, rooms)
    navigation.install(app)
    for part in PARTS:
        app.register_blueprint(part.blueprint(rooms))
    _show(app, config, hub, rooms.digest)
    _show_from_store(app, rooms)
    _obey(app, config, hub, instrument)
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
    @allow(Permission.WATCH)
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
                may_control=may_here(Permission.COUNT),
            )
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/api/status")
    @allow(Permission.WATCH)
    def status() -> Response:
        answer = jsonify({**hub.snapshot(), "page": digest})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/api/events")
    @allow(Permission.WATCH)
    def stream() -> Response:
        seat = hub.viewer()
        follower = seat.__enter__()
        gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
        answer = Response(events(follower, gone, digest), mimetype="text/event-stream")
        answer.call_on_close(lambda: seat.__exit__(None, None, None))
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"
        return answer


def _show_from_store(app: Flask, rooms: Rooms) -> None:
    @app.get(f"/cells/<int(max={LARGEST_ROW}):cell>.png")
    @allow(Permission.WATCH)
    def patch(cell: int) -> Response:
        with rooms.store() as store:
            return _for_ever(store.patch(cell), "image/png")

    @app.get("/runs/<run>/slide.jpg")
    @allow(Permission.WATCH)
    def slide(run: str) -> Response:
        with rooms.store() as store:
            return _for_ever(survey_of(store, run).picture, "image/jpeg")

    @app.get("/runs/<run>/map.json")
    @allow(Permission.WATCH)
    def regions(run: str) -> Response:
        with rooms.store() as store:
            answer = jsonify(slide_map(store, run))
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _obey(app: Flask, config: Config, hub: Hub, instrument: InstrumentClient) -> None:
    @app.post("/api/start")
    @allow(Permission.COUNT)
    def start() -> Response:
        wanted = _wanted("specimen").get("specimen")
        try:
            return jsonify({"run": instrument.start(plan_from_config(config, specimen=wanted))})
        except (ApplianceError, ApplianceRefused, CalibrationRefused, ModelRefused) as refusal:
            hub.note("Not started", str(refusal))
            raise

    @app.post("/api/resume")
    @allow(Permission.COUNT)
    def resume() -> Response:
        return jsonify({"run": instrument.resume(_wanted("run").get("run"))})

    @app.post("/api/pause")
    @allow(Permission.COUNT)
    def pause() -> Response:
        _wanted()
        instrument.pause()
        return jsonify({})

    @app.post("/api/stop")
    @allow(Permission.COUNT)
    def stop() -> Response:
        _wanted()
        instrument.stop()
        return jsonify({})


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


def _error(sentence: str, status: int) -> tuple[Response, int]:
    """Say what is wrong: to a script as JSON, to a person as a page."""
    best = request.accept_mimetypes.best_match(["application/json", "text/html"], "application/json")
    if best != "text/html" or request.path.startswith("/api/"):
        return jsonify({"error": sentence}), status
    return Response(render_template("error.html", sentence=sentence, status=status)), status


def _digest(root: Path) -> str:
    """Return a name for this version of the page's own files."""
    found = [*root.joinpath("static").rglob("*"), *root.joinpath("templates").rglob("*")]
    files = sorted(file for file in found if file.is_file())
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]
