"""Who did what: the audit trail, a page at a time, of a kind, a person or a run if that is wanted."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from appliance.accounts.roles import Permission
from appliance.audit import Among, AuditTrail
from web.access import allow
from web.audit_words import AuditWords, kind_word, person_word
from web.rooms import Rooms

LINES = 100
FARTHEST = 2**62
LONGEST = 80


def add(pages: Blueprint, rooms: Rooms) -> None:
    """Add the page."""

    @pages.get("/audit")
    @allow(Permission.AUDIT)
    def trail() -> str:
        """A page of it. The whole chain is gone along only where that is asked for: it takes longer every year."""
        before = request.args.get("before", type=int)
        before = None if before is None else min(max(before, 0), FARTHEST)
        among = _among()
        with rooms.store() as store:
            trail, words = AuditTrail(store), AuditWords(store)
            lines = [words.line(entry) for entry in trail.entries(LINES, before, among)]
            checked = trail.verify() if "check" in request.args else None
            kinds = sorted((kind_word(kind), kind) for kind in trail.kinds())
            people = sorted((person_word(name), name) for name in trail.people())
        older = lines[-1].entry.seq if len(lines) == LINES else None
        return render_template(
            "accounts/audit.html",
            lines=lines,
            checked=checked,
            older=older,
            among=among,
            kinds=kinds,
            people=people,
        )


def _among() -> Among:
    """Return what the address asks for; nothing in it is typed: kinds, login names and a run's random id."""
    asked = request.args
    kind, person, run = (asked.get(key, "")[:LONGEST] for key in ("kind", "person", "run"))
    return Among(kind, person, run)
