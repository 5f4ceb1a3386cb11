"""Who reads a run blind sees no label of it, by whatever address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from flask import abort
from flask_babel import gettext

from appliance.cause import Cause
from appliance.store import Store
from web.access import who
from web.rooms import Rooms

UNSEEN: Mapping[str, Any] = MappingProxyType(
    {
        "latest": [], "tally": [], "not_counted": {}, "reason": "", "near": "", "doubts": [], "me_ratio": None,
        "erythroid_percent": None, "erythroid_limits": None, "nrbc_per_100": None,
    }
)  # fmt: skip
"""What stands in a run's view for whatever tells its labels; "withheld" is true there, and in no other view."""


def read_blind(store: Store, name: str = "") -> frozenset[str]:
    """Return the runs of which somebody is in the middle of a second reading. name: who asks now."""
    rows = store.rows(
        "SELECT run FROM second_readings WHERE who = ? GROUP BY run HAVING max(what) = 'begun'",
        name or who().name,
    )
    return frozenset(row["run"] for row in rows)


def reads_blind(store: Store, run: str, name: str = "") -> bool:
    """Whether somebody is in the middle of a second reading of the run. run: the whole id.  name: who asks now."""
    return run in read_blind(store, name)


def without_labels(rooms: Rooms, name: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return what takes every label out of the state of a run that this person reads blind."""

    def seen(state: Mapping[str, Any]) -> Mapping[str, Any]:
        run = state.get("run")
        if run is None or not run.get("ended"):
            return state
        with rooms.readers.store() as store:
            if not reads_blind(store, run["run"], name):
                return state
        unseen = {key: none for key, none in UNSEEN.items() if key in run}
        blind = {**state, "run": {**run, **unseen, **_ended_as_any(run), "withheld": True}}
        return {**blind, "cells": []} if "cells" in state else blind

    return seen


def _ended_as_any(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what would tell that a percentage was near a limit, and the count went on for it, as where none was."""
    cause = str(Cause.ENOUGH) if run.get("cause") == Cause.MOST else run.get("cause")
    return {"aim": run.get("min_cells"), "cause": cause}


def refuse_blind(store: Store, run: str) -> None:
    """Show no label to who must not see one."""
    if reads_blind(store, run):
        abort(
            409,
            gettext(
                "You are in the middle of a second reading of this run. Finish it before you see labels."
            ),
        )
