"""The people of an instrument, in its store: names, roles, what is kept of their passwords and PINs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from appliance.accounts.lockout import Lockout, Wanted, checked_way, counted_as
from appliance.accounts.roles import Role
from appliance.audit import INSTRUMENT, AuditTrail
from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_file import from_iso

NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
NEEDS_A_SECRET = "An account needs a password, a PIN, or both."


@dataclass(frozen=True, slots=True)
class Account:
    """One person. name: by which they sign in, and by which they are on record; never renamed, never given anew.

    password, pin: what is kept of them; None where they have none.  epoch: sessions of an older one are over.
    password_given, pin_given: somebody else chose it, who knows it therefore; it opens nothing but its own change.
    """

    name: str
    role: Role
    password: str | None
    pin: str | None
    disabled: bool
    epoch: int
    added: datetime
    password_given: bool = False
    pin_given: bool = False


class Accounts:
    """The accounts of a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store

    def all(self) -> list[Account]:
        """Return everybody, by name."""
        return [_account(row) for row in self._store.rows("SELECT * FROM accounts ORDER BY name")]

    def without_secrets(self) -> bool:
        """Whether there are people here and none of them can sign in: the store was a copy that left an instrument."""
        people = self.all()
        return bool(people) and not any(each.password or each.pin for each in people)

    def find(self, name: str) -> Account | None:
        """Return somebody; None where there is nobody of that name."""
        rows = self._store.rows("SELECT * FROM accounts WHERE name = ?", name)
        return _account(rows[0]) if rows else None

    def get(self, name: str) -> Account:
        """Return somebody. Raises ApplianceRefused where there is nobody of that name."""
        found = self.find(name)
        if found is None:
            raise ApplianceRefused(f'There is no account "{name}".')
        return found

    def add(self, account: Account) -> None:
        """Put somebody on record. Raises ApplianceRefused for a name that is taken or is none."""
        if not NAME.fullmatch(account.name):
            raise ApplianceRefused(
                "A name has 2 to 32 characters: small letters, digits, dots, hyphens; a letter first. Choose another."
            )
        if account.name == INSTRUMENT:
            raise ApplianceRefused(
                f'The audit trail says "{INSTRUMENT}" of the instrument itself. Choose another name.'
            )
        if self.find(account.name) is not None:
            raise ApplianceRefused(f'There is an account "{account.name}" already. Choose another name.')
        if account.password is None and account.pin is None:
            raise ApplianceRefused(NEEDS_A_SECRET)
        row = {
            "name": account.name, "role": str(account.role), "password": account.password, "pin": account.pin,
            "disabled": 0, "epoch": 0, "added": account.added.isoformat(),
            "password_given": int(account.password_given), "pin_given": int(account.pin_given),
        }  # fmt: skip
        with self._store.atomic():
            self._store.insert("accounts", row)

    def change(self, name: str, **values: Any) -> None:
        """Change columns of somebody's row."""
        columns = ", ".join(f"{column} = ?" for column in values)
        with self._store.atomic():
            self._store.db.conn.execute(
                f"UPDATE accounts SET {columns} WHERE name = ?", (*values.values(), name)
            )


# Asks of the instrument. What is kept of a password is made by whoever asks: that takes longer than a field may wait.


def first_administrator(
    store: Store, at: datetime, *, name: str, password: str | None, pin: str | None
) -> dict[str, Any]:
    """Make the first account. Refused as soon as there is one."""
    accounts = Accounts(store)
    with store.atomic():
        if accounts.all():
            raise ApplianceRefused("This instrument has accounts already. Sign in.")
        accounts.add(_new(name, Role.ADMINISTRATOR, password, pin, at))
        AuditTrail(store).add(name, "account", name, {"added": str(Role.ADMINISTRATOR), "first": True}, at=at)
    return {}


def add_account(
    store: Store, at: datetime, *, by: str, name: str, role: str, password: str | None, pin: str | None
) -> dict[str, Any]:
    """Put somebody on record, who chooses their own password and PIN when they first sign in with these."""
    accounts = Accounts(store)
    with store.atomic():
        new = _new(name, _role(role), password, pin, at)
        others = bool(accounts.all())  # the first one of all was chosen by whoever has this machine
        accounts.add(replace(new, password_given=others and bool(password), pin_given=others and bool(pin)))
        AuditTrail(store).add(by, "account", name, {"added": role}, at=at)
    return {}


def change_account(
    store: Store,
    at: datetime,
    *,
    by: str,
    name: str,
    role: str | None = None,
    password: str | None = None,
    pin: str | None = None,
    disabled: bool | None = None,
) -> dict[str, Any]:
    """Change somebody's role, password or PIN, or shut them out; whatever changes ends their sessions."""
    accounts = Accounts(store)
    before = accounts.get(name)
    after = before.role if role is None else _role(role)
    out = before.disabled if disabled is None else disabled
    _refuse_last_administrator(accounts, before, stays=after is Role.ADMINISTRATOR and not out)
    values: dict[str, Any] = {"role": str(after), "disabled": int(out), "epoch": before.epoch + 1}
    if password is not None:
        values |= {"password": password, "password_given": int(by != name)}
    if pin is not None:
        values |= {"pin": pin, "pin_given": int(by != name)}
    changed = {
        **({"role": str(after)} if after is not before.role else {}),
        **({"disabled": out} if out != before.disabled else {}),
        **({"password": "changed"} if password is not None else {}),
        **({"pin": "changed"} if pin is not None else {}),
    }
    with store.atomic():
        accounts.change(name, **values)
        if password is not None or pin is not None or disabled is False:
            Lockout(store).forget(name)
        AuditTrail(store).add(by, "account", name, changed, at=at)
    return {"epoch": before.epoch + 1}


def change_own(
    store: Store, at: datetime, *, by: str, how: str, password: str | None = None, pin: str | None = None
) -> dict[str, Any]:
    """Change one's own password or PIN, and end one's other sessions. Whoever asks has seen the old one.

    how: in which way (`Way`) it was given. Refused where the name is locked in that way.
    """
    Lockout(store).failures(by, counted_as(checked_way(how), Wanted.CHANGE)).refuse_locked(at)
    if password is None and pin is None:
        raise ApplianceRefused("Choose a new password, or a new PIN.")
    return change_account(store, at, by=by, name=by, password=password, pin=pin)


ASKS: Mapping[str, Any] = {
    each.__name__: each for each in (first_administrator, add_account, change_account, change_own)
}


def _new(name: str, role: Role, password: str | None, pin: str | None, at: datetime) -> Account:
    return Account(name.strip(), role, password, pin, False, 0, at)


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        raise ApplianceRefused(f'There is no role "{role}": {", ".join(Role)}.') from error


def _refuse_last_administrator(accounts: Accounts, account: Account, stays: bool) -> None:
    if account.role is not Role.ADMINISTRATOR or account.disabled or stays:
        return
    others = [
        each
        for each in accounts.all()
        if each.role is Role.ADMINISTRATOR and not each.disabled and each.name != account.name
    ]
    if not others:
        raise ApplianceRefused(f"{account.name} is the last administrator. Make another one first.")


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        row["name"], Role(row["role"]), row["password"], row["pin"], bool(row["disabled"]), row["epoch"],
        from_iso(row["added"]), bool(row["password_given"]), bool(row["pin_given"]),
    )  # fmt: skip
