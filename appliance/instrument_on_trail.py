"""The instrument's own start and end, on the audit trail: a start without an end before it followed a power cut,
a failure, or a kill.

Nobody asks for these rows: the process that owns the store writes them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from appliance.audit import INSTRUMENT, Among, AuditTrail
from appliance.store import Store
from appliance.version import version

STARTED, ENDED, RESTORED = "instrument started", "instrument ended", "restore"


def say_started(store: Store, at: datetime | None = None) -> None:
    """Put on the trail that it started, and whether it ended in order the time before.

    A backup is made by an instrument that runs: where one was put back since, nothing ended that the trail knows of.
    at: None: now.
    """
    trail = AuditTrail(store)
    started, ended, restored = (
        trail.entries(1, among=Among(what=what)) for what in (STARTED, ENDED, RESTORED)
    )
    in_order = not started or any(row.seq > started[0].seq for row in (*ended, *restored))
    details = {"version": version(), "in order before": in_order}
    trail.add(INSTRUMENT, STARTED, details=details, at=at or datetime.now(UTC))


def say_ended(store: Store, at: datetime | None = None) -> None:
    """Put on the trail that it was told to end, and has: the last that is written. at: None: now."""
    AuditTrail(store).add(INSTRUMENT, ENDED, at=at or datetime.now(UTC))
