"""What stands at the top of every page, by what a person may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Flask, current_app, request, url_for
from flask_babel import LazyString, lazy_gettext

from appliance.accounts.roles import Permission, Role
from web.access import may_here

ENTRIES: Sequence[tuple[str, LazyString, Permission]] = (
    ("live.page", lazy_gettext("Count"), Permission.WATCH),
    ("runs.runs", lazy_gettext("Runs"), Permission.WATCH),
    ("labelling.sets", lazy_gettext("Labelling"), Permission.LABEL),
    ("qc.history", lazy_gettext("Quality control"), Permission.QC),
    ("service.home", lazy_gettext("Service"), Permission.SERVICE),
    ("accounts.people", lazy_gettext("Accounts"), Permission.ADMINISTER),
    ("accounts.trail", lazy_gettext("Audit"), Permission.AUDIT),
)
ROLES: Mapping[Role, LazyString] = {
    Role.OPERATOR: lazy_gettext("Operator"),
    Role.REVIEWER: lazy_gettext("Reviewer"),
    Role.VIEWER: lazy_gettext("Viewer"),
    Role.ENGINEER: lazy_gettext("Engineer"),
    Role.ADMINISTRATOR: lazy_gettext("Administrator"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One of them. current: whether it is where the person is."""

    address: str
    title: str
    current: bool


def install(app: Flask) -> None:
    """Let templates ask for them."""
    app.jinja_env.globals.update(navigation=_entries, role_name=lambda role: str(ROLES[Role(role)]))


def _entries() -> list[Entry]:
    here = (request.endpoint or "").split(".")[0]
    exact = any(endpoint == request.endpoint for endpoint, _, _ in ENTRIES)
    return [
        Entry(
            url_for(endpoint),
            str(title),
            endpoint == request.endpoint if exact else endpoint.split(".")[0] == here,
        )
        for endpoint, title, needed in ENTRIES
        if endpoint in current_app.view_functions and may_here(needed)
    ]
