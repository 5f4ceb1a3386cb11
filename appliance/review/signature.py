"""Signing: preliminary, final, amended, each bound to the digest of what was signed. Signatures are only added.

What may be signed when, and why: docs/decisions/what-may-be-signed.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.review.case import Case
from appliance.review.obstacles import AMENDS, ONLY_PRELIMINARY, SIGNED, Phrase, enough, obstacle, shortfall
from appliance.review.reclassifications import spoken
from appliance.review.statement import canonical, differing, digest_of
from appliance.review.who_says import written
from appliance.run import State
from appliance.store import Store
from appliance.store_file import iso

LONGEST_SIGNATURE_NOTE = 1000


class Status(StrEnum):
    """What a signature makes of a result."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature on record.

    digest: of the statement.  statement: its JSON.  after: the id of the review's last row then.  at: UTC.
    """

    id: int
    status: Status
    digest: str
    statement: str
    after: int
    who: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands with its signatures.

    last: its last signature.  changed: it is no longer what was signed.
    may: what it may be signed as now; empty where nothing is to be signed.  obstacles: the sentences that say so.
    needs_note: why the next signature needs a note; None where it needs none.
    """

    last: Signature | None
    changed: bool
    may: tuple[Status, ...]
    obstacles: tuple[Phrase, ...]
    needs_note: Phrase | None

    @property
    def why_not(self) -> str:
        """Why nothing is to be signed; empty where something is."""
        return " ".join(map(str, self.obstacles))

    @property
    def note_needed(self) -> str:
        """Why the next signature needs a note; empty where it needs none."""
        return "" if self.needs_note is None else str(self.needs_note)

    def __str__(self) -> str:
        """In a sentence."""
        if self.last is None:
            return "Not signed."
        said = f"Signed as {self.last.status} by {self.last.who}"
        if not self.changed:
            return f"{said}."
        act = "sign it anew" if self.last.status is Status.PRELIMINARY else "sign an amendment"
        return f"{said}; changed since it was signed: {act}."


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of a run's signatures found. signatures: how many.  problems: sentences; none where all is well."""

    signatures: int
    changed: bool
    problems: tuple[str, ...]


def signatures(store: Store, run: str) -> list[Signature]:
    """Return a run's signatures, the oldest first. run: the whole id."""
    return [_from_row(row) for row in store.rows("SELECT * FROM signatures WHERE run = ? ORDER BY id", run)]


def next_statuses(last: Status | None, changed: bool) -> tuple[Status, ...]:
    """Return what may be signed next. changed: it is no longer what was signed last."""
    match last:
        case None:
            return Status.PRELIMINARY, Status.FINAL
        case Status.PRELIMINARY:
            return (Status.PRELIMINARY, Status.FINAL) if changed else (Status.FINAL,)
        case _:
            return (Status.AMENDED,) if changed else ()


def standing(case: Case, signed: list[Signature]) -> Standing:
    """Return where a run stands, and what may be signed now. signed: the oldest first."""
    last = signed[-1] if signed else None
    changed = last is not None and last.digest != case.digest
    may = next_statuses(last.status if last else None, changed)
    short = shortfall(case)
    blocked = obstacle(case)
    why_not: tuple[Phrase, ...] = () if blocked is None else (blocked,)
    if not enough(case) and case.run.state is not State.COMPLETED:
        may = tuple(status for status in may if status is not Status.FINAL)
    if last is not None and not may and not why_not:
        done = {"who": last.who, "status": str(last.status)}
        if last.status is Status.PRELIMINARY:
            why_not = (*([] if short is None else [short]), Phrase(ONLY_PRELIMINARY, done))
        else:
            why_not = (Phrase(SIGNED, done),)
    return Standing(
        last, changed, () if why_not else may, why_not, Phrase(AMENDS) if Status.AMENDED in may else short
    )


def sign(
    store: Store, case: Case, by: str, status: object, digest: object, note: object, at: datetime
) -> Signature:
    """Put a signature on record. digest: what the person saw on the page.

    Raises ApplianceRefused where that is not what the run is now, and for what may not be signed.
    """
    said = written(note, "note", LONGEST_SIGNATURE_NOTE)
    now = standing(case, signatures(store, case.run.id))
    if now.why_not:
        raise ApplianceRefused(now.why_not)
    if status not in [str(each) for each in now.may]:
        possible = " or ".join(now.may)
        raise ApplianceRefused(f'It cannot be signed as "{status}" now. Sign it as {possible}.')
    if digest != case.digest:
        raise ApplianceRefused(f"{_what_changed(case)} Look at it again, then sign.")
    if now.note_needed and not said:
        raise ApplianceRefused(f"{now.note_needed} Write a note with the signature.")
    row = {
        "run": case.run.id,
        "status": str(status),
        "digest": case.digest,
        "statement": canonical(case.statement),
        "after": case.after,
        "who": by,
        "at": iso(at),
        "note": said,
    }
    return _from_row({**row, "id": store.insert("signatures", row)})


def verify(store: Store, case: Case) -> Verified:
    """Compute anew what every signature of a run was bound to, and compare."""
    signed = signatures(store, case.run.id)
    problems = [said for signature in signed for said in _problems(case, signature)]
    return Verified(len(signed), bool(signed) and signed[-1].digest != case.digest, tuple(problems))


def _problems(case: Case, signature: Signature) -> list[str]:
    which = f"The {signature.status} signature of {signature.who} ({signature.at:%Y-%m-%d %H:%M} UTC)"
    try:
        kept = json.loads(signature.statement)
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or digest_of(kept) != signature.digest:
        return [
            f"{which} does not fit the statement kept with it: the store was changed. Compare with a backup."
        ]
    parts = differing(kept, case.until(signature.after).statement)
    if parts:
        return [
            f"{which} was given for other {', '.join(parts)} than the store and this version give for that moment: "
            "the store was changed, or the panel by an update. Compare with a backup."
        ]
    return []


def _what_changed(case: Case) -> str:
    if not case.history:
        return "This is not the result that you saw."
    row = case.history[-1]
    return f"It is not the result that you saw: {row.who} made cell {row.cell} {spoken(row.after)}."


def _from_row(row: Mapping[str, Any]) -> Signature:
    return Signature(
        id=row["id"],
        status=Status(row["status"]),
        digest=row["digest"],
        statement=row["statement"],
        after=row["after"],
        who=row["who"],
        at=datetime.fromisoformat(row["at"]),
        note=row["note"],
    )
