"""All of the API's addresses under /api/v1, and its document."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Protocol

from flask import Response, jsonify
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.security_scheme import SecurityScheme
from flask_openapi3.openapi import OpenAPI

from appliance.accounts.roles import Permission
from appliance.version import version
from appliance.view import RESEARCH_USE_ONLY
from web.access import allow
from web.api import review, run, runs
from web.problems import MIMETYPE, Problem, does_not_fit
from web.rooms import Rooms

PREFIX = "/api/v1"
SECURITY: dict[str, SecurityScheme | dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token that an administrator made."},
    "session": {"type": "apiKey", "in": "cookie", "name": "hemadiff"},
}


class Part(Protocol):
    """A module that adds addresses to the API."""

    def add_to(self, api: APIBlueprint, rooms: Rooms) -> None:
        """Add them."""


PARTS: Sequence[Part] = (run, runs, review)
REFUSALS = {
    400: "The request does not fit.",
    401: "Nobody is signed in.",
    403: "The role may not do this, or not from here.",
    404: "It is not there.",
    409: "The instrument refuses; detail says why.",
    410: "The link that asks is over; detail says why.",
    502: "The instrument failed.",
    503: "The instrument does not answer.",
}


def openapi_app() -> OpenAPI:
    """Return the application that the API's document is made of."""
    return OpenAPI(
        "web",
        info=Info(title="Hemadiff", version=version(), description=RESEARCH_USE_ONLY),
        security_schemes=SECURITY,
        doc_ui=False,
        validation_error_status=400,
        validation_error_model=Problem,
        validation_error_callback=does_not_fit,
    )


def install(app: OpenAPI, rooms: Rooms) -> None:
    """Add the API to the application."""
    api = _api(rooms, documented=False)

    @cache
    def documented() -> dict[str, Any]:
        """Return the document, made when first somebody asks: it takes longer than all else that starts the page."""
        whole = openapi_app()
        whole.register_api(_api(rooms, documented=True))
        return dict(whole.api_doc)

    @api.get("/openapi.json", doc_ui=False)
    @allow(Permission.WATCH)
    def document() -> Response:
        """Return the document of this API."""
        return jsonify(documented())

    app.register_api(api)


def _api(rooms: Rooms, *, documented: bool) -> APIBlueprint:
    security: list[dict[str, list[Any]]] = [{"token": []}, {"session": []}]
    responses = _refused() if documented else {}
    api = APIBlueprint(
        "api", "web", url_prefix=PREFIX, abp_security=security, abp_responses=responses, doc_ui=documented
    )
    for part in PARTS:
        part.add_to(api, rooms)
    return api


def _refused() -> dict[str | int | HTTPStatus, Any]:
    """Return how every address may refuse."""
    content = {MIMETYPE: {"schema": Problem.model_json_schema()}}
    return {str(status): {"description": said, "content": content} for status, said in REFUSALS.items()}
