"""What is put on record besides counts: calibrations, which is in force, quality controls.

Only the instrument writes its store. A command asks the one that runs; where none does, it writes itself, with the
instrument's lock in its hand.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance import backup
from appliance.accounts import accounts, passes, signing_in
from appliance.audit import AuditTrail
from appliance.calibrations import IMPORTED, Calibrations
from appliance.errors import ApplianceRefused
from appliance.labelling import asks as labelling
from appliance.qc_desk import mark_qc, record_qc
from appliance.review import asks as review
from appliance.store import Store
from calibration.record_json import from_json

if TYPE_CHECKING:
    from appliance.config import Config

Ask = Callable[..., dict[str, Any]]


def use_calibration(
    store: Store, at: datetime, *, name: str, by: str, confirmed: list[str]
) -> dict[str, Any]:
    """Put a calibration in force (`Calibrations.use`)."""
    with store.atomic():
        used = Calibrations(store).use(name, by, at, confirmed).id
        AuditTrail(store).add(
            by, "calibration", used, {"step": "in force", "confirmed": len(confirmed)}, at=at
        )
    return {"calibration": used}


def add_calibration(store: Store, at: datetime, *, record: str) -> dict[str, Any]:
    """Put a calibration that was measured here on record. record: as `to_json` writes it."""
    made = from_json(record, "The new calibration")
    with store.atomic():
        new = Calibrations(store).add(made, at)
        if new:
            AuditTrail(store).add(made.by, "calibration", made.id, {"step": "on record"}, at=at)
    return {"calibration": made.id, "new": new}


def import_calibration(store: Store, at: datetime, *, by: str, record: str) -> dict[str, Any]:
    """Put a calibration that was exported elsewhere on record. record: as `add_calibration` takes it."""
    made = from_json(record, "The imported calibration")
    with store.atomic():
        new = Calibrations(store).add(made, at, IMPORTED)
        if new:
            AuditTrail(store).add(by, "calibration", made.id, {"step": "imported"}, at=at)
    return {"calibration": made.id, "new": new}


def diagnostics_taken(store: Store, at: datetime, *, by: str) -> dict[str, Any]:
    """Put on the trail that somebody took the diagnostics bundle out of the instrument."""
    AuditTrail(store).add(by, "export", "diagnostics", at=at)
    return {}


def exported(store: Store, at: datetime, *, by: str, run: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """Put on the trail that somebody took a run's result out of the instrument."""
    AuditTrail(store).add(by, "export", store.run(run).id, details, at=at)
    return {}


DESK: Mapping[str, Callable[..., dict[str, Any]]] = {
    "add_calibration": add_calibration,
    "use_calibration": use_calibration,
    "import_calibration": import_calibration,
    "mark_qc": mark_qc,
    "record_qc": record_qc,
    "exported": exported,
    "diagnostics_taken": diagnostics_taken,
    **accounts.ASKS,
    **signing_in.ASKS,
    **passes.ASKS,
    **review.ASKS,
    **backup.ASKS,
    **labelling.ASKS,
}
QUIET = ("mark_qc", *labelling.QUIET)
"""What changes nothing that others follow: nothing is published for it."""


def at_desk(store: Store, ask: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do what was asked, now. Raises ApplianceRefused for arguments that do not belong to it."""
    do, now = DESK[ask], datetime.now(UTC)
    _refuse_unless_it_takes(ask, inspect.signature(do), arguments)
    return do(store, now, **arguments)


def _refuse_unless_it_takes(ask: str, takes: inspect.Signature, arguments: Mapping[str, Any]) -> None:
    try:
        takes.bind(None, None, **arguments)
    except TypeError as error:
        raise ApplianceRefused(f'"{ask}" was asked with other arguments than it takes: {error}.') from error
    for name, value in arguments.items():
        kind = takes.parameters[name].annotation
        if (kind == "str" and not isinstance(value, str)) or (kind == "int" and type(value) is not int):
            raise ApplianceRefused(f'"{ask}" was asked with a "{name}" of another kind than {kind}.')


@contextmanager
def desk(config: Config) -> Iterator[Ask]:
    """Give a way to ask (`DESK`, by name): of the instrument that has the store, or with its lock in our hand.

    Raises ApplianceRefused where the store cannot be had.
    """
    from appliance.channel_client import InstrumentClient
    from appliance.store_lock import StoreLock, is_held

    if is_held(config.lock_path):
        yield InstrumentClient(config.socket_path).ask
        return
    with StoreLock(config.lock_path), Store(config.store.path) as store:

        def ask(what: str, **arguments: Any) -> dict[str, Any]:
            return at_desk(store, what, arguments)

        yield ask


def refuse_without_desk(config: Config) -> None:
    """Raise what `desk` would, now: better before half an hour of measuring."""
    from appliance.channel_client import InstrumentClient
    from appliance.store_lock import is_held

    if is_held(config.lock_path):
        InstrumentClient(config.socket_path).status()
        return
    with desk(config):
        pass
