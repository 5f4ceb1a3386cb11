"""How often one machine may change anything, or have a file made: nobody keeps the instrument busy for the others."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, abort, request
from flask_babel import gettext

from appliance.accounts.roles import Permission
from web.access import NEEDS, READS
from web.rate import Rate

CHANGES_AT_ONCE, FILES_AT_ONCE = 300, 30
MADE_FOR = frozenset({Permission.EXPORT, Permission.BACK_UP})  # what takes the server seconds


def install(app: Flask, clock: Callable[[], float] = time.monotonic) -> None:
    """Look at every request before its view does; ends it in 429 where there were too many."""
    changes = Rate(CHANGES_AT_ONCE, per_minute=600, clock=clock)
    files = Rate(FILES_AT_ONCE, per_minute=30, clock=clock)

    @app.before_request
    def refuse() -> None:
        needed = getattr(app.view_functions.get(request.endpoint or ""), NEEDS, None)
        rate = files if needed in MADE_FOR else None if request.method in READS else changes
        if rate is not None and not rate.allows(request.remote_addr or ""):
            abort(429, gettext("This machine asks too often. Wait a minute."))
