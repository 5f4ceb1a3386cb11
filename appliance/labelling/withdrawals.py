"""What is withdrawn from labelling stays on record and is left out from then on; another row puts it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.labelling.sets import LabelSets
from appliance.review.who_says import person
from appliance.store import Store
from appliance.store_file import iso


def withdraw_label_field(
    store: Store, at: datetime, *, by: str, set: str, field: int, withdrawn: bool
) -> dict[str, Any]:
    """Withdraw a field of a set with every label of it, or put it back (False)."""
    if isinstance(field, bool) or not isinstance(field, int):
        raise ApplianceRefused("Say which field: its number.")
    by, of, place = person(by), LabelSets(store).standing(set), LabelSets(store).field(field)
    if place.set != of.id:
        raise ApplianceRefused(f"Field {field} is none of the set {of.name}. Load its page again.")
    what = f"Field {field}"
    return _put(store, at, by, place.set, what, place.withdrawn, withdrawn, {"field": field})


def withdraw_label_set(store: Store, at: datetime, *, by: str, set: str, withdrawn: bool) -> dict[str, Any]:
    """Withdraw a set with everything in it, or put it back (False)."""
    by, of = person(by), LabelSets(store).get(set)
    return _put(store, at, by, of.id, f"The set {of.name}", of.withdrawn, withdrawn, {"label_set": of.id})


ASKS: Mapping[str, Any] = {each.__name__: each for each in (withdraw_label_field, withdraw_label_set)}


def _put(
    store: Store,
    at: datetime,
    by: str,
    set_id: str,
    what: str,
    was: bool,
    withdrawn: object,
    row: Mapping[str, Any],
) -> dict[str, Any]:
    """Add the row and its line of the trail. was: whether it is withdrawn now.  row: which field or set."""
    if not isinstance(withdrawn, bool):
        raise ApplianceRefused("Say whether it is withdrawn: true, or false to put it back.")
    if withdrawn == was:
        raise ApplianceRefused(
            f"{what} is {'withdrawn already' if was else 'not withdrawn'}. Load the page again."
        )
    details = {"withdrawn": withdrawn, **({"field": row["field"]} if "field" in row else {})}
    with store.atomic():
        store.insert("label_withdrawals", {**row, "withdrawn": int(withdrawn), "who": by, "at": iso(at)})
        AuditTrail(store).add(by, "label", set_id, details, at=at)
    return {}
