"""Who reads a run blind sees no label of it, by whatever address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import abort
from flask_babel import gettext

from appliance.store import Store
from web.access import who
from web.rooms import Rooms


def reads_blind(store: Store, run: str, name: str = "") -> bool:
    """Whether somebody is in the middle of a second reading of the run. run: the whole id.  name: who asks now."""
    rows = store.rows("SELECT what FROM second_readings WHERE run = ? AND who = ?", run, name or who().name)
    return {row["what"] for row in rows} == {"begun"}


def without_labels(rooms: Rooms, name: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Return what takes the latest cells out of the state of a run that this person reads blind."""

    def seen(state: Mapping[str, Any]) -> Mapping[str, Any]:
        run = state.get("run")
        if run is None or not run.get("ended") or not (run.get("latest") or state.get("cells")):
            return state
        with Store.read_only(rooms.config.store.path) as store:
            if not reads_blind(store, run["run"], name):
                return state
        blind = {**state, "run": {**run, "latest": []}}
        return {**blind, "cells": []} if "cells" in state else blind

    return seen


def refuse_blind(store: Store, run: str) -> None:
    """Show no label to who must not see one."""
    if reads_blind(store, run):
        abort(
            409,
            gettext(
                "You are in the middle of a second reading of this run. Finish it before you see labels."
            ),
        )
