"""In which language and zone the page speaks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flask import Flask, request
from flask_babel import Babel, format_date, format_datetime, get_locale

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}


def install(app: Flask) -> None:
    """Choose for each request: what the person chose, else what the browser asks for."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=_language)
    app.context_processor(lambda: {"language": str(get_locale() or "en")})
    app.add_template_filter(_day, "day")
    app.add_template_filter(_moment, "moment")


def _language() -> str:
    chosen = request.cookies.get("language", "")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(list(LANGUAGES)) or "en"


def _day(at: datetime) -> str:
    """Return a day in the laboratory's zone, as the language writes it."""
    return str(format_date(at.astimezone(), "medium", rebase=False))


def _moment(at: datetime) -> str:
    """Return a day and time in the laboratory's zone: this machine's."""
    return str(format_datetime(at.astimezone(), "medium", rebase=False))
