"""In which language and zone the page speaks."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, request
from flask_babel import Babel, get_locale

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}


def install(app: Flask) -> None:
    """Choose for each request: what the person chose, else what the browser asks for."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=_language)
    app.context_processor(lambda: {"language": str(get_locale() or "en")})


def _language() -> str:
    chosen = request.cookies.get("language", "")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(list(LANGUAGES)) or "en"
