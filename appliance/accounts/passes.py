"""What opens the instrument without a person's password: tokens of programs, and links to watch one run."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from appliance.accounts.roles import Role
from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_file import from_iso

LONGEST_DAYS = 366
LONGEST_LINK_H = 24


@dataclass(frozen=True, slots=True)
class Token:
    """A program's. id: by which it is named; nothing can be done with it.  title: what it is for."""

    id: str
    title: str
    role: Role
    by: str
    added: datetime
    expires: datetime
    revoked: bool

    def valid(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return not self.revoked and now < self.expires


@dataclass(frozen=True, slots=True)
class Link:
    """One phone's, to watch one run. by: who made it.  opened: whether the phone has used it."""

    id: str
    run: str
    by: str
    expires: datetime
    opened: bool


class Passes:
    """Tokens and links of a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store

    def tokens(self) -> list[Token]:
        """Return every token, the newest first."""
        return [_token(row) for row in self._store.rows("SELECT * FROM tokens ORDER BY added DESC, id")]

    def token(self, digest: str) -> Token | None:
        """Return the token of which this is kept; None where there is none."""
        rows = self._store.rows("SELECT * FROM tokens WHERE digest = ?", digest)
        return _token(rows[0]) if rows else None

    def links(self, now: datetime, by: str | None = None) -> list[Link]:
        """Return the links that still show something, the newest first. by: only those that this person made."""
        rows = self._store.rows("SELECT * FROM links WHERE ended IS NULL ORDER BY added DESC, id")
        found = [
            Link(row["id"], row["run"], row["by"], from_iso(row["expires"]), row["opened"] is not None)
            for row in rows
        ]
        return [link for link in found if now < link.expires and by in (None, link.by)]


def add_token(
    store: Store, at: datetime, *, by: str, title: str, role: str, digest: str, days: int
) -> dict[str, Any]:
    """Put a program's token on record. An administrator's cannot be made: no program needs it."""
    if not title.strip() or not 1 <= days <= LONGEST_DAYS:
        raise ApplianceRefused(f"Say what the token is for, and for 1 to {LONGEST_DAYS} days.")
    if role not in set(Role) - {Role.ADMINISTRATOR}:
        raise ApplianceRefused(f'A token cannot have the role "{role}".')
    row = {
        "id": secrets.token_hex(4), "title": title.strip()[:80], "role": role, "digest": digest, "by": by,
        "added": at.isoformat(), "expires": (at + timedelta(days=days)).isoformat(), "revoked": 0,
    }  # fmt: skip
    with store.atomic():
        store.insert("tokens", row)
        AuditTrail(store).add(by, "token", str(row["id"]), {"added": role, "days": days}, at=at)
    return {"token": row["id"]}


def revoke_token(store: Store, at: datetime, *, by: str, token: str) -> dict[str, Any]:
    """Let a token open nothing any more."""
    with store.atomic():
        if store.db.conn.execute("UPDATE tokens SET revoked = 1 WHERE id = ?", (token,)).rowcount == 0:
            raise ApplianceRefused(f'There is no token "{token}".')
        AuditTrail(store).add(by, "token", token, {"revoked": True}, at=at)
    return {}


def add_link(store: Store, at: datetime, *, by: str, run: str, digest: str, hours: int) -> dict[str, Any]:
    """Put a link on record that lets one phone watch one run."""
    if not 1 <= hours <= LONGEST_LINK_H:
        raise ApplianceRefused(f"A link holds 1 to {LONGEST_LINK_H} hours.")
    row = {
        "id": secrets.token_hex(4), "run": store.run(run).id, "digest": digest, "by": by,
        "added": at.isoformat(), "expires": (at + timedelta(hours=hours)).isoformat(), "opened": None,
    }  # fmt: skip
    with store.atomic():
        store.insert("links", row)
        AuditTrail(store).add(by, "link", str(row["run"]), {"hours": hours}, at=at)
    return {"expires": row["expires"], "link": row["id"]}


def open_link(store: Store, at: datetime, *, digest: str) -> dict[str, Any]:
    """Open a link, once; return its run and when that is over."""
    rows = store.rows("SELECT * FROM links WHERE digest = ?", digest)
    used = rows and (rows[0]["opened"] or rows[0]["ended"])
    if not rows or used or at >= from_iso(rows[0]["expires"]):
        raise ApplianceRefused("This link was used already, or is over. Ask for a new one at the instrument.")
    with store.atomic():
        store.db.conn.execute("UPDATE links SET opened = ? WHERE id = ?", (at.isoformat(), rows[0]["id"]))
        AuditTrail(store).add("?", "link", rows[0]["run"], {"opened": rows[0]["id"]}, at=at)
    return {"run": rows[0]["run"], "expires": rows[0]["expires"], "link": rows[0]["id"]}


def end_link(store: Store, at: datetime, *, by: str, link: str, anybodys: bool = False) -> dict[str, Any]:
    """Let a link show nothing any more. anybodys: by an administrator, who may end those of others."""
    found = [each for each in Passes(store).links(at) if each.id == link and (anybodys or each.by == by)]
    if not found:
        raise ApplianceRefused("There is no such link of yours, or it is over already.")
    with store.atomic():
        store.db.conn.execute("UPDATE links SET ended = ? WHERE id = ?", (at.isoformat(), link))
        AuditTrail(store).add(by, "link", found[0].run, {"ended": link}, at=at)
    return {}


ASKS: Mapping[str, Any] = {
    each.__name__: each for each in (add_token, revoke_token, add_link, open_link, end_link)
}


def _token(row: Mapping[str, Any]) -> Token:
    return Token(
        row["id"], row["title"], Role(row["role"]), row["by"],
        from_iso(row["added"]), from_iso(row["expires"]), bool(row["revoked"]),
    )  # fmt: skip
