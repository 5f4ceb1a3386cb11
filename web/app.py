"""The page and its few addresses. It reads the store and asks the instrument for every change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flask import Blueprint, Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from appliance.channel_client import InstrumentClient, InstrumentGone
from appliance.errors import ApplianceError, ApplianceRefused
from calibration import CalibrationRefused
from models import ModelRefused
from web import (
    access,
    accounts,
    earlier,
    guard,
    labelling,
    languages,
    links,
    live,
    me,
    navigation,
    pace,
    qc,
    review,
    runs,
    service,
    sessions,
    sign_in,
)
from web.api import blueprint
from web.hub import Hub, TooManyViewers
from web.problems import problem, sentence_of
from web.readers import Readers
from web.rooms import Rooms

if TYPE_CHECKING:
    from appliance.config import Config


class Part(Protocol):
    """A module with pages of its own."""

    def blueprint(self, rooms: Rooms) -> Blueprint:
        """Return them."""


PROBE_WITHIN_S = 10.0
LONGEST_REQUEST = 64 * 1024
LARGEST_ROW = 2**63 - 1  # SQLite has no larger number
PARTS: Sequence[Part] = (live, me, accounts, links, review, runs, earlier, qc, service, labelling)
"""The modules whose pages these are, each with a ``blueprint``."""


def create_app(config: Config, hub: Hub | None = None, instrument: InstrumentClient | None = None) -> Flask:
    """Return the page's application. Without a hub it follows the configured instrument itself.

    hub: must be started by whoever gives it.
    """
    instrument = instrument or InstrumentClient(config.socket_path)
    if hub is None:
        hub = hub_for(config)
        hub.start()
    app = blueprint.openapi_app()
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_REQUEST
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.wsgi_app = guard.behind(app.wsgi_app, config.web.trusted_proxies)  # type: ignore[method-assign,assignment]
    rooms = Rooms(config, hub, instrument, _digest(Path(app.root_path)), Readers(config.store.path))
    sessions.install(app, config.store.path.parent)
    languages.install(app)
    _guard(app, config)
    access.install(app, rooms)
    pace.install(app)
    sign_in.install(app, rooms)
    navigation.install(app)
    for part in PARTS:
        app.register_blueprint(part.blueprint(rooms))
    blueprint.install(app, rooms)
    return app


def hub_for(config: Config) -> Hub:
    """Return a hub, not yet started, that follows the configured instrument."""
    client = InstrumentClient(config.socket_path)
    probe = InstrumentClient(config.socket_path, reply_within_s=PROBE_WITHIN_S)
    return Hub(client.follow, probe.status, most_viewers=config.web.threads)


def _guard(app: Flask, config: Config) -> None:
    @app.before_request
    def refuse() -> tuple[Response, int] | None:
        if not guard.knows_host(request, config.web.host, config.web.address):
            return _error(f"This machine is not called {request.host}. Use its address or its own name.", 421)
        return None

    app.after_request(guard.with_headers)

    @app.errorhandler(HTTPException)
    def missing(error: HTTPException) -> tuple[Response, int]:
        return _error(sentence_of(error), error.code or 500)

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


def _error(sentence: str, status: int) -> tuple[Response, int]:
    """Say what is wrong: to a script as JSON, to a person as a page."""
    best = (
        None
        if request.path.startswith("/api/")
        else request.accept_mimetypes.best_match(["application/json", "text/html"], "application/json")
    )
    if best != "text/html":
        return problem(sentence, status), status
    return Response(render_template("error.html", sentence=sentence, status=status)), status


def _digest(root: Path) -> str:
    """Return a name for this version of the page's own files."""
    found = [*root.joinpath("static").rglob("*"), *root.joinpath("templates").rglob("*")]
    files = sorted(file for file in found if file.is_file())
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]
