"""What went wrong, as a program reads it: problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, request
from flask_babel import LazyString, lazy_gettext
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

MIMETYPE = "application/problem+json"
PLAINLY: Mapping[int, LazyString] = {
    400: lazy_gettext("The page's server cannot read what was sent. Load the page again, and try once more."),
    404: lazy_gettext(
        "There is no such page. The address may be typed wrongly, or what it showed is not there."
    ),
    405: lazy_gettext("This address only answers a button of a page. Begin at the start."),
    413: lazy_gettext("That is more than this page takes at once."),
}
"""What is said where nobody said more, by the status."""


class Problem(BaseModel):
    """A problem. detail: one sentence for a person: what is wrong, where, what to do."""

    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["A run is going on. Stop it first."])


def sentence_of(error: HTTPException) -> str:
    """Return what is wrong: what was said where it was raised, or else what its status means to who reads a page.

    A program is told what the status means to programs.
    """
    said, status = error.description, error.code or 500
    of_a_page = not request.path.startswith("/api/")
    if of_a_page and (not said or said == type(error).description) and status in PLAINLY:
        return str(PLAINLY[status])
    return said or error.name


def problem(sentence: str, status: int) -> Response:
    """Return it."""
    title = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    said: dict[str, Any] = Problem(title=title, status=status, detail=sentence).model_dump()
    return Response(json.dumps(said, ensure_ascii=False), status, mimetype=MIMETYPE)


def does_not_fit(error: ValidationError) -> Response:
    """Return what of a request is not as the API's document has it."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the request"
    return problem(f'"{where}" does not fit: {first["msg"]}.', 400)
