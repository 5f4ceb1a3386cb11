"""Signing in and out, as it is put on record; and sessions that were ended before their cookie expires."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.lockout import Lockout, Wanted, checked_way, counted_as
from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.store import Store

LONGEST_SESSION_S = 12 * 3600


def signed_in(store: Store, at: datetime, *, name: str, how: str) -> dict[str, Any]:
    """Put on record that somebody signed in. Refused where they are shut out, or locked in this way (`Way`)."""
    refuse_shut(Accounts(store).get(name))
    lockout = Lockout(store)
    lockout.failures(name, checked_way(how)).refuse_locked(at)
    with store.atomic():
        lockout.forget(name, how)
        AuditTrail(store).add(name, "sign-in", name, {"how": how}, at=at)
    return {}


def sign_in_refused(
    store: Store, at: datetime, *, name: str, how: str, wanted: str = Wanted.SIGN_IN
) -> dict[str, Any]:
    """Put on record that somebody was refused; from the fifth time on nobody may try that name so for a while.

    how: in which way (`Way`) they said who they are.  wanted: what for (`Wanted`).
    """
    if wanted not in list(Wanted):
        raise ApplianceRefused(f"Say what was refused: {', '.join(Wanted)}.")
    account, counted = Accounts(store).find(name), counted_as(checked_way(how), Wanted(wanted))
    with store.atomic():
        if account is not None:
            Lockout(store).failed(name, counted, at)
        # A name that is nobody's may be a password typed into the wrong box: it is not kept.
        details = {"how": how, "for": wanted}
        AuditTrail(store).add(name if account else "?", "sign-in refused", "", details, at=at)
    return {}


def signed_out(store: Store, at: datetime, *, name: str, session: str) -> dict[str, Any]:
    """Put on record that somebody signed out: no copy of that session's cookie opens anything any more."""
    with store.atomic():
        store.db.conn.execute("DELETE FROM ended_sessions WHERE expires < ?", (at.isoformat(),))
        expires = (at + timedelta(seconds=LONGEST_SESSION_S)).isoformat()
        store.db.conn.execute("INSERT OR IGNORE INTO ended_sessions VALUES (?, ?)", (session, expires))
        AuditTrail(store).add(name, "sign-out", name, at=at)
    return {}


def ended_sessions(store: Store) -> frozenset[str]:
    """Return the sessions that were ended and whose cookies have not expired yet."""
    return frozenset(row["id"] for row in store.rows("SELECT id FROM ended_sessions"))


def refuse_shut(account: Account) -> None:
    """Raise ApplianceRefused for somebody who was shut out."""
    if account.disabled:
        raise ApplianceRefused("This account is closed. Ask an administrator.")


ASKS: Mapping[str, Any] = {each.__name__: each for each in (signed_in, sign_in_refused, signed_out)}
