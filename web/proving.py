"""Proving who one is, by a PIN at the instrument or by a password. A wrong try tells nobody whether a name exists."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import abort, request
from flask_babel import gettext

from appliance.accounts import secret
from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.lockout import Lockout, Wanted, Way, counted_as
from appliance.accounts.signing_in import refuse_shut
from appliance.errors import ApplianceRefused
from web import guard
from web.rate import Rate
from web.rooms import Rooms


class Proving:
    """Looks at what people say of themselves. Safe to use from several threads."""

    def __init__(self, rooms: Rooms) -> None:
        """Look at the accounts of this instrument, and tell it of wrong tries."""
        self._rooms = rooms
        self._tries = rooms.tries

    def proved(self, name: str, how: str, given: str, wanted: Wanted = Wanted.SIGN_IN) -> Account:
        """Return whose PIN or password (how) that is. wanted: what for; all but a sign-in is of a session that is open.

        Raises ApplianceRefused, the same for names that are nobody's and for people who have none of that kind.
        """
        refuse_readable(how)
        with self._tries.one_at_a_time(name, counted_as(way_of(how), wanted)):
            return self._looked_at(name, how, given, wanted)

    def _looked_at(self, name: str, how: str, given: str, wanted: Wanted) -> Account:
        now, strangers, way = datetime.now(UTC), self._tries.strangers, way_of(how)
        counted = counted_as(way, wanted)
        with self._rooms.store() as store:
            account = Accounts(store).find(name)
            tries = (strangers if account is None else Lockout(store)).failures(name, counted)
        tries.refuse_locked(now)
        kept = None if account is None else account.pin if how == "pin" else account.password
        if not secret.fits(kept, given) or account is None:
            if account is None:
                strangers.failed(name, counted, now)
            self._rooms.instrument.ask("sign_in_refused", name=name, how=way, wanted=wanted)
            raise ApplianceRefused(_wrong(how) if wanted is Wanted.SIGN_IN else _not_yours(how))
        refuse_shut(account)
        return account


def _not_yours(how: str) -> str:
    """Return the sentence for somebody who is signed in, and proves it once more in vain."""
    if how == "pin":
        return str(gettext("That is not your PIN. Type it again."))
    return str(gettext("That is not your password. Type it again."))


def _wrong(how: str) -> str:
    if how == "pin":
        return str(gettext("Name and PIN do not belong together. Try again."))
    return str(gettext("Name and password do not belong together. Try again."))


def way_of(how: str) -> Way:
    """Return by which count of wrong tries this is judged, from where the request comes."""
    if how == "pin":
        return Way.PIN
    return Way.PASSWORD if guard.from_this_machine(request) else Way.FROM_AFAR


def refuse_readable(how: str) -> None:
    """Refuse what would travel readable, and a PIN from afar."""
    here = guard.from_this_machine(request)
    if how == "pin" and not here:
        raise ApplianceRefused(gettext("A PIN is for the instrument's own screen. Use your password."))
    if how == "password" and not (here or request.is_secure):
        raise ApplianceRefused(
            gettext(
                "A password would travel readable. Open this page over https (docs/installing.md says how)."
            )
        )


def refuse_too_often(rate: Rate) -> None:
    """Answer 429 where so many tries come from one address."""
    if not rate.allows(request.remote_addr or ""):
        abort(429, gettext("Too many tries from this machine. Wait a minute."))
