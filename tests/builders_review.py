"""Runs that have ended and wait for review."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builders_store import at, commit, create, plan

from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.lockout import Way
from appliance.accounts.roles import Role
from appliance.review.case import Case, open_case
from appliance.run import State
from appliance.service_desk import DESK
from appliance.store import Store
from appliance.tally import Tally

RUN = "0123456789ab"
LABELS = ("lymphocyte", "lymphocyte", "monocyte", "blast", "unidentified", "artefact", None)
"""Of the seven cells of a run, numbered from 1: the last lies at the border."""


def ended(
    store: Store,
    labels: Sequence[str | None] = LABELS,
    run: str = RUN,
    state: State = State.COMPLETED,
    seconds: float = 0,
    **changes: Any,
) -> str:
    """Put a run of one field on record that has ended; of a plan that asks for so many cells as it has."""
    changes = {"min_cells": 1, "max_cells": 500, **changes}
    create(store, run, seconds, **changes)
    rules = {key: value for key, value in changes.items() if key not in ("record_number", "simulated")}
    commit(store, run, 0, Tally(plan(**rules).rules()), *labels)
    store.set_state(run, state, "As the test needs it.", at(seconds + 10))
    return run


def review_store(path: Path, **changes: Any) -> Store:
    """A store with one run that has ended."""
    store = Store(path)
    store.db.conn.execute("PRAGMA synchronous = OFF")  # no power cut here, and many small transactions
    ended(store, **changes)
    return store


def ask(store: Store, what: str, seconds: float = 100, **arguments: Any) -> dict[str, Any]:
    """Ask as the instrument's writer thread does, of the run if no other is named."""
    return DESK[what](store, at(seconds), **{"run": RUN, **arguments})


def reclassify(
    store: Store, cells: Sequence[int], to: str, by: str = "anna", run: str = RUN
) -> dict[str, Any]:
    """Give cells a label, having looked at them just now."""
    labels = open_case(store, run).labels
    seen = [labels[cell] for cell in cells]
    return ask(store, "reclassify", run=run, cells=list(cells), to=to, expected=seen, by=by)


def signed(
    store: Store, status: str, by: str = "anna", note: str = "", run: str = RUN, digest: str = ""
) -> dict[str, Any]:
    """Sign a run as a reviewer who proved by PIN who they are. digest: of what they saw; empty: of what it is now."""
    a_reviewer(store, by)
    seen = digest or open_case(store, run).digest
    return ask(store, "sign", run=run, by=by, status=status, digest=seen, note=note, how=Way.PIN)


def a_reviewer(store: Store, name: str) -> None:
    """Give somebody an account, if they have none."""
    if Accounts(store).find(name) is None:
        Accounts(store).add(Account(name, Role.REVIEWER, "not used", None, False, 0, at(0)))


def case(store: Store, run: str = RUN) -> Case:
    return open_case(store, run)
