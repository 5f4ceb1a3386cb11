"""Tries to say who one is: one after the other for each name, and what is kept of those at names that are nobody's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.accounts.lockout import Strangers
from appliance.accounts.secret import LONGEST_WAIT_S
from appliance.errors import ApplianceError


class Tries:
    """What every way in shares: the page has one. Safe to use from several threads."""

    def __init__(self) -> None:
        """Nobody has tried yet."""
        self.strangers = Strangers()
        self._busy: set[tuple[str, str]] = set()
        self._changed = threading.Condition()

    @contextmanager
    def one_at_a_time(self, name: str, way: str) -> Iterator[None]:
        """Hold others of that name and way back until this try is counted: thirty at once are thirty, not one.

        Raises ApplianceError for who waits too long: that holds a thread which somebody else's page needs.
        """
        this = name, way
        with self._changed:
            if not self._changed.wait_for(lambda: this not in self._busy, LONGEST_WAIT_S):
                raise ApplianceError("Too many people sign in right now. Try again in a moment.")
            self._busy.add(this)
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(this)
                self._changed.notify_all()
