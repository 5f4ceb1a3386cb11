"""Who a browser's session, a program's token or a phone's link belongs to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import session

from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.passes import Passes, Token
from appliance.accounts.roles import FOR_PROGRAMS, Permission, Role, may
from appliance.accounts.secret import token_digest
from appliance.accounts.signing_in import LONGEST_SESSION_S, ended_sessions
from appliance.errors import ApplianceRefused
from appliance.store import Store

if TYPE_CHECKING:
    from web.rooms import Rooms

KNOWN_FOR_S = 2.0  # a person is looked up anew after this; a page of thumbnails asks once
RUN_OUT, TAKEN_BACK = "run out", "taken back"  # why a browser's link is over, as its session has it


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. name: the login name, or what a program or a link is called.

    how: "pin", "password", "token" or "link".  run: the one that a link shows.  locked: idle for long; until they say
    who they are again they only watch.  newcomer: they signed in with what somebody else chose, and have to choose.
    """

    name: str
    role: Role
    how: str
    run: str | None = None
    locked: bool = False
    newcomer: bool = False

    @property
    def human(self) -> bool:
        """Whether they signed in themself, and are no program and no link."""
        return self.how in ("pin", "password")

    def may(self, permission: Permission) -> bool:
        """Whether they may do it now."""
        if self.newcomer:
            return False
        if self.how == "token" and permission not in FOR_PROGRAMS:
            return False
        return may(Role.VIEWER if self.locked else self.role, permission)


class Known:
    """Looks up who a session or a token belongs to."""

    def __init__(self, rooms: Rooms) -> None:
        """Look into the configured store."""
        self._readers = rooms.readers
        self._idle_s = rooms.config.web.idle_minutes * 60.0
        self._accounts: dict[str, tuple[float, Account | None]] = {}
        self._ended: tuple[float, frozenset[str]] = -KNOWN_FOR_S, frozenset()
        self._watching: tuple[float, frozenset[str]] = -KNOWN_FOR_S, frozenset()
        self._programs: tuple[float, frozenset[str]] = -KNOWN_FOR_S, frozenset()

    def who_asks(self, word: str | None, by_hand: bool) -> Person | None:
        """Return who asks now. word: a program's.  by_hand: whether a person did something, who thus is not idle."""
        if word is not None:
            return self.program(word)
        if "link" in session:
            if over := self._over(session["link"], session["until"]):
                session.clear()
                session["over"] = over  # a phone that asks again is told, and not asked to sign in
                return None
            return Person(f"link {session['link']}", Role.VIEWER, "link", session["run"])
        return self._signed_in(by_hand) if "name" in session else None

    def _over(self, link: str, until: float) -> str | None:
        """Return why a link shows nothing any more; None while it does."""
        if time.time() >= until:
            return RUN_OUT
        return None if self.watches(link) else TAKEN_BACK

    def _signed_in(self, by_hand: bool) -> Person | None:
        account = self.account(session["name"])
        now = time.time()
        if (
            account is None
            or account.disabled
            or account.epoch != session["epoch"]
            or now - session["began"] > LONGEST_SESSION_S
            or session.get("id", "") in self.ended() | {""}
        ):
            session.clear()
            return None
        how = session["how"]
        newcomer = account.pin_given if how == "pin" else account.password_given
        person = Person(account.name, account.role, how, newcomer=newcomer)
        if now - session["seen"] > self._idle_s:
            return replace(person, locked=True)
        if by_hand and now - session["seen"] > min(30.0, self._idle_s / 4):
            session["seen"] = now
        return person

    def account(self, name: str) -> Account | None:
        """Return somebody's account; None where there is none."""
        now = time.monotonic()
        looked, account = self._accounts.get(name, (-KNOWN_FOR_S, None))
        if now - looked >= KNOWN_FOR_S or account is None:
            account = self._read(name)
            self._accounts[name] = now, account
        return account

    def forget(self, name: str) -> None:
        """Look somebody up anew: they just changed."""
        self._accounts.pop(name, None)

    def look_again(self) -> None:
        """Look up anew what was ended: something just was."""
        self._ended = self._watching = self._programs = -KNOWN_FOR_S, frozenset()

    def ended(self) -> frozenset[str]:
        """The sessions that were ended, though their cookies have not expired."""
        now = time.monotonic()
        if now - self._ended[0] >= KNOWN_FOR_S:
            self._ended = now, self._found(ended_sessions)
        return self._ended[1]

    def watches(self, link: str) -> bool:
        """Whether a link still shows its run: nobody took it back."""
        now = time.monotonic()
        if now - self._watching[0] >= KNOWN_FOR_S:
            self._watching = now, self._found(_links)
        return link in self._watching[1]

    def opens(self, program: str) -> bool:
        """Whether a program's token still opens anything. program: as `Person.name` has it."""
        now = time.monotonic()
        if now - self._programs[0] >= KNOWN_FOR_S:
            self._programs = now, self._found(_programs)
        return program in self._programs[1]

    def _found(self, look: Callable[[Store], frozenset[str]]) -> frozenset[str]:
        with self._readers.store() as store:
            return look(store)

    def _read(self, name: str) -> Account | None:
        try:
            with self._readers.store() as store:
                return Accounts(store).find(name)
        except ApplianceRefused:
            return None

    def program(self, word: str) -> Person | None:
        """Return the program whose token this is; None where it opens nothing."""
        try:
            with self._readers.store() as store:
                token = Passes(store).token(token_digest(word))
        except ApplianceRefused:
            return None
        if token is None or not token.valid(datetime.now(UTC)):
            return None
        return Person(_name(token), token.role, "token")


def _links(store: Store) -> frozenset[str]:
    return frozenset(link.id for link in Passes(store).links(datetime.now(UTC)))


def _programs(store: Store) -> frozenset[str]:
    now = datetime.now(UTC)
    return frozenset(_name(token) for token in Passes(store).tokens() if token.valid(now))


def _name(token: Token) -> str:
    return f"token {token.id}"
