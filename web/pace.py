"""How often somebody may change anything, or have a file made: nobody keeps the instrument busy for the others."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, abort, g, request
from flask_babel import gettext

from appliance.accounts.roles import Permission
from web.access import NEEDS, READS
from web.known import Person
from web.rate import Rate

CHANGES_AT_ONCE, FILES_AT_ONCE = 300, 30
MADE_FOR = frozenset({Permission.EXPORT, Permission.BACK_UP})  # what takes the server seconds
NEVER_REFUSED = Permission.COUNT  # a stop above all


def install(app: Flask, clock: Callable[[], float] = time.monotonic) -> None:
    """Look at what is allowed (`web.access`, before this) once more; ends it in 429 where there was too much of it."""
    changes = Rate(CHANGES_AT_ONCE, per_minute=600, clock=clock)
    files = Rate(FILES_AT_ONCE, per_minute=30, clock=clock)

    @app.before_request
    def refuse() -> None:
        needed = getattr(app.view_functions.get(request.endpoint or ""), NEEDS, None)
        rate = files if needed in MADE_FOR else None if request.method in READS else changes
        if rate is not None and needed != NEVER_REFUSED and not rate.allows(_whose()):
            abort(429, gettext("You ask too often. Wait a minute."))


def _whose() -> str:
    """Return who asks; of strangers, from where. No login name looks like an address."""
    person: Person | None = g.get("person")
    return (request.remote_addr or "") if person is None else person.name
