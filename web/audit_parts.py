"""What sentences of the audit page are put together from."""

from __future__ import annotations

from markupsafe import Markup, escape


def say(sentence: str, **parts: object) -> Markup:
    """Return a sentence with its {parts} filled in; what is no mark-up is escaped."""
    return Markup(escape(sentence)).format(**parts)


def short(run: str) -> str:
    """Return how a run, or a set, is called on pages: the beginning of its id."""
    is_id = len(run) > 8 and all(letter in "0123456789abcdef" for letter in run)
    return run[:8] if is_id else run
