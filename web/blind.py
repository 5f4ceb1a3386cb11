"""Who reads a run blind sees no label of it, by whatever address."""

from __future__ import annotations

from flask import abort
from flask_babel import gettext

from appliance.store import Store
from web.access import who


def reads_blind(store: Store, run: str) -> bool:
    """Whether who asks is in the middle of a second reading of the run. run: the whole id."""
    rows = store.rows("SELECT what FROM second_readings WHERE run = ? AND who = ?", run, who().name)
    return {row["what"] for row in rows} == {"begun"}


def refuse_blind(store: Store, run: str) -> None:
    """Show no label to who must not see one."""
    if reads_blind(store, run):
        abort(
            409,
            gettext(
                "You are in the middle of a second reading of this run. Finish it before you see labels."
            ),
        )
