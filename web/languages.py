"""In which language and zone the page speaks, and how it writes numbers and days."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_datetime
from flask import Flask, request
from flask_babel import (
    Babel,
    LazyString,
    format_decimal,
    get_locale,
    lazy_gettext,
)

from appliance.run import State
from models.panel import Specimen
from web.words import words

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}
STATES: Mapping[str, LazyString] = {
    State.IDLE: lazy_gettext("idle"),
    State.PREPARING: lazy_gettext("preparing"),
    State.COUNTING: lazy_gettext("counting"),
    State.PAUSED: lazy_gettext("paused"),
    State.COMPLETED: lazy_gettext("completed"),
    State.INSUFFICIENT: lazy_gettext("insufficient"),
    State.STOPPED: lazy_gettext("stopped"),
    State.FAILED: lazy_gettext("failed"),
}
SPECIMENS: Mapping[str, LazyString] = {
    Specimen.BLOOD: lazy_gettext("blood"),
    Specimen.MARROW: lazy_gettext("marrow"),
}


def install(app: Flask) -> None:
    """Choose for each request: what the person chose, else what the browser asks for."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=_language)
    zone = _zone()
    app.context_processor(lambda: {"language": str(get_locale() or "en"), "zone": zone})
    app.jinja_env.globals.update(words=words)
    app.add_template_filter(_day, "day")
    app.add_template_filter(_moment, "moment")
    app.add_template_filter(_decimal, "decimal")
    app.add_template_filter(_unbroken, "unbroken")
    app.add_template_filter(lambda state: str(STATES.get(state, state)), "state")
    app.add_template_filter(lambda specimen: str(SPECIMENS.get(specimen, specimen)), "specimen")


def _language() -> str:
    chosen = request.cookies.get("language", "")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(list(LANGUAGES)) or "en"


def _zone() -> str:
    """Return the name of this machine's zone, for scripts: a browser may be in another. Empty where it has none."""
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        return ZoneInfo(name or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return ""


def _day(at: datetime) -> str:
    """Return a day in the laboratory's zone, as the language writes it."""
    return str(format_date(at.astimezone(), "medium", locale=_written_as()))


def _moment(at: datetime) -> str:
    """Return a day and time in the laboratory's zone: this machine's."""
    return str(format_datetime(at.astimezone(), "medium", locale=_written_as()))


def _written_as() -> str:
    """Return whose way of writing days and times: English ones begin with the day and count 24 hours."""
    language = str(get_locale() or "en")
    return "en_GB" if language == "en" else language


def _decimal(value: float, pattern: str) -> str:
    """Return a number as the language writes it. pattern: as Unicode has them, "0.0" for one decimal."""
    return str(format_decimal(value, pattern))


def _unbroken(text: str) -> str:
    """Return a text in which no percent sign begins a line."""
    return text.replace(" %", "\u00a0%")
