"""Where a person goes once they have said who they are."""

from __future__ import annotations

from flask import request

BEGINNINGS = ("//", "/sign-", "/first", "/preferences")


def here() -> str:
    """Return this page's address, for `after`."""
    return request.full_path.rstrip("?")


def after() -> str:
    """Return where the request wants to go on: a page of ours that can be gone to, and no other site."""
    wanted = request.values.get("next", "/")
    inside = wanted.startswith("/") and wanted.isprintable() and "\\" not in wanted
    return wanted if inside and not wanted.startswith(BEGINNINGS) else "/"
