"""What went wrong, as a program reads it: problem details (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Response
from pydantic import BaseModel, Field, ValidationError

MIMETYPE = "application/problem+json"


class Problem(BaseModel):
    """A problem. detail: one sentence for a person: what is wrong, where, what to do."""

    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["A run is going on. Stop it first."])


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
