"""What the page may ask the instrument for in review. A change and its line of the audit trail are one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from appliance.accounts.accounts import Accounts
from appliance.accounts.lockout import Lockout, Wanted, checked_way, counted_as
from appliance.accounts.roles import Permission, may
from appliance.accounts.signing_in import refuse_shut
from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.review.case import Case, open_case
from appliance.review.notes import write_note
from appliance.review.reclassifications import (
    Change,
    Reading,
    changes,
    checked_cells,
    checked_label,
    reversal,
)
from appliance.review.second_reading import (
    begin,
    finish,
    going_on,
    refuse_second_reader,
    second_reading,
)
from appliance.review.signature import sign as put_signature
from appliance.review.who_says import person, run_named
from appliance.store import Store
from appliance.store_file import iso


def reclassify(
    store: Store, at: datetime, *, run: str, cells: list[int], to: str, expected: list[str], by: str
) -> dict[str, Any]:
    """Give cells of a run a label. expected: their labels as the person saw them, in the same order.

    Returns the batch, by which it can be undone (None where every cell had that label), and the cells that changed.
    """
    with store.atomic():
        by, case = person(by), open_case(store, run)
        refuse_second_reader(store, case.run.id, by)
        if not isinstance(expected, list) or not isinstance(cells, list) or len(expected) != len(cells):
            raise ApplianceRefused("Say for each cell which label was seen.")
        chosen = checked_cells(case.labels, cells, case.run.id)
        label = checked_label(case.tally.rules.panel, to)
        seen = dict(zip(cells, expected, strict=True))
        made = changes(case.labels, chosen, label, [seen[cell] for cell in chosen], case.history)
        return _write(store, case, made, by, at, Reading.REVIEW)


def undo_reclassification(store: Store, at: datetime, *, run: str, batch: str, by: str) -> dict[str, Any]:
    """Take a batch back by new rows: one of the review, or of the person's own second reading that goes on.

    Returns the batch of these rows, the cells that changed, and those left as somebody made them since.
    """
    with store.atomic():
        by, case = person(by), open_case(store, run)
        own = second_reading(store, case.run.id, case.machine, by)
        if own is None:
            reading, history = Reading.REVIEW, case.history
        else:
            reading, history = Reading.SECOND, going_on(store, case.run.id, case.machine, by).history
        back, left = reversal(history, str(batch))
        return _write(store, case, back, by, at, reading, undoes=str(batch)) | {"left": left}


def begin_second_reading(
    store: Store, at: datetime, *, run: str, by: str, sample: int | None = None
) -> dict[str, Any]:
    """Begin a second reading of all cells or a sample of so many. Returns how many it has."""
    with store.atomic():
        by, case = person(by), open_case(store, run)
        cells = begin(store, case.run, case.machine, by, sample, at)
        AuditTrail(store).add(by, "second reading", case.run.id, {"step": "begun", "cells": cells}, at=at)
        return {"cells": cells}


def label_second(
    store: Store, at: datetime, *, run: str, cells: list[int], to: str, by: str
) -> dict[str, Any]:
    """Give cells a label in one's own second reading. Returns as `reclassify`."""
    with store.atomic():
        by, case = person(by), open_case(store, run)
        reading = going_on(store, case.run.id, case.machine, by)
        chosen = checked_cells(case.labels, cells, case.run.id)
        for cell in chosen:
            if cell not in reading.cells:
                raise ApplianceRefused(f"Cell {cell} is not in this second reading. Leave it out.")
        label = checked_label(case.tally.rules.panel, to)
        made = [
            Change(cell, reading.labels.get(cell), label)
            for cell in chosen
            if reading.labels.get(cell) != label
        ]
        return _write(store, case, made, by, at, Reading.SECOND)


def finish_second_reading(store: Store, at: datetime, *, run: str, by: str) -> dict[str, Any]:
    """Finish one's own second reading: from now on it stays, and the readings can be compared."""
    with store.atomic():
        by, case = person(by), open_case(store, run)
        reading = going_on(store, case.run.id, case.machine, by)
        finish(store, reading, at)
        AuditTrail(store).add(
            by, "second reading", case.run.id, {"step": "finished", "cells": len(reading.cells)}, at=at
        )
        return {"cells": len(reading.cells)}


def sign(
    store: Store,
    at: datetime,
    *,
    run: str,
    by: str,
    status: str,
    digest: str,
    how: str,
    note: str = "",
) -> dict[str, Any]:
    """Sign a run as preliminary, final or amended. digest: `Case.digest` as the page showed it.

    how: in which way (`Way`) whoever asks has just seen the person prove who they are. Refused where they are locked
    in that way or shut out, or may not sign.
    """
    with store.atomic():
        by, case, way = person(by), open_case(store, run), checked_way(how)
        _refuse_who_may_not_sign(store, by)
        counted = counted_as(way, Wanted.SIGNATURE)
        Lockout(store).failures(by, counted).refuse_locked(at)
        Lockout(store).forget(by, counted)
        own = second_reading(store, case.run.id, case.machine, by)
        if own is not None and own.finished is None:
            raise ApplianceRefused(
                f"{by} is in the middle of a second reading of this run. Finish it before signing."
            )
        signature = put_signature(store, case, by, status, digest, note, at)
        details = {
            "status": str(signature.status),
            "digest": signature.digest,
            "after": signature.after,
            "how": str(way),
        }
        AuditTrail(store).add(by, "sign", case.run.id, details, at=at)
        return {"status": str(signature.status), "digest": signature.digest}


def add_note(store: Store, at: datetime, *, run: str, by: str, text: str) -> dict[str, Any]:
    """Put a note on a run, in whatever state it is."""
    with store.atomic():
        by = person(by)
        record = run_named(store, run)
        note = write_note(store, record.id, by, text, at)
        AuditTrail(store).add(by, "note", record.id, {"note": note}, at=at)  # never its text
        return {"note": note}


NEEDS: Mapping[str, Permission] = {
    "reclassify": Permission.REVIEW,
    "undo_reclassification": Permission.REVIEW,
    "begin_second_reading": Permission.REVIEW,
    "label_second": Permission.REVIEW,
    "finish_second_reading": Permission.REVIEW,
    "sign": Permission.SIGN,
    "add_note": Permission.REVIEW,
}
"""What a person must be allowed in order to ask."""

ASKS: Mapping[str, Any] = {
    each.__name__: each
    for each in (
        reclassify,
        undo_reclassification,
        begin_second_reading,
        label_second,
        finish_second_reading,
        sign,
        add_note,
    )
}


def _refuse_who_may_not_sign(store: Store, by: str) -> None:
    account = Accounts(store).get(by)
    refuse_shut(account)
    if not may(account.role, Permission.SIGN):
        raise ApplianceRefused(f"{by} may not sign: the role is {account.role}. Ask an administrator.")


def _write(
    store: Store,
    case: Case,
    made: Sequence[Change],
    by: str,
    at: datetime,
    reading: Reading,
    undoes: str | None = None,
) -> dict[str, Any]:
    if not made:
        return {"batch": None, "changed": []}
    batch = secrets.token_hex(6)
    for change in made:
        row = {
            "run": case.run.id,
            "cell": change.cell,
            "who": by,
            "at": iso(at),
            "label_from": change.before,
            "label_to": change.after,
            "reading": str(reading),
            "batch": batch,
            "undoes": undoes,
        }
        store.insert("reclassifications", row)
    details = {
        "reading": str(reading),
        "batch": batch,
        "cells": [change.cell for change in made],
        "to": sorted({change.after for change in made if change.after is not None}),
        "undoes": undoes,
    }
    AuditTrail(store).add(by, "reclassify", case.run.id, details, at=at)
    return {"batch": batch, "changed": [change.cell for change in made]}
