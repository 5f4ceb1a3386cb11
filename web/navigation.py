"""What stands at the top of every page, by what a person may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Flask, current_app, request, url_for
from flask_babel import LazyString, lazy_gettext

from appliance.accounts.roles import Permission, Role
from web.access import may_here
from web.duties import may_do

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
    app.jinja_env.globals.update(
        navigation=_entries, role_name=lambda role: str(ROLES[Role(role)]), role_may=may_do
    )


def _entries() -> list[Entry]:
    here = _here(request.endpoint or "")
    return [
        Entry(url_for(endpoint), str(title), endpoint == here)
        for endpoint, title, needed in ENTRIES
        if endpoint in current_app.view_functions and may_here(needed)
    ]


def _here(shown: str) -> str:
    """Return the entry that a page belongs to: its own, or else the first of its part; empty for none."""
    endpoints = [endpoint for endpoint, _, _ in ENTRIES]
    if shown in endpoints:
        return shown
    part = shown.partition(".")[0]
    return next((each for each in endpoints if each.partition(".")[0] == part), "")
