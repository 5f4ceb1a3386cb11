"""The instrument's own start and end, on the audit trail: a start without an end before it followed a power cut."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from appliance.audit import Among, AuditTrail
from appliance.store import Store
from appliance.version import version

STARTED, ENDED = "instrument started", "instrument ended"
INSTRUMENT = "instrument"


def instrument_started(store: Store, at: datetime) -> dict[str, Any]:
    """Put on the trail that it started, and whether it ended in order the time before."""
    trail = AuditTrail(store)
    started, ended = (trail.entries(1, among=Among(what=what)) for what in (STARTED, ENDED))
    in_order = not started or (bool(ended) and ended[0].seq > started[0].seq)
    trail.add(INSTRUMENT, STARTED, details={"version": version(), "in order before": in_order}, at=at)
    return {}


def instrument_ended(store: Store, at: datetime) -> dict[str, Any]:
    """Put on the trail that it was told to end, and does."""
    AuditTrail(store).add(INSTRUMENT, ENDED, at=at)
    return {}


ASKS: Mapping[str, Any] = {each.__name__: each for each in (instrument_started, instrument_ended)}
