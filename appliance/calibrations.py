"""The calibrations of one instrument, in its store: each stays as it was made, and one is in force for its setup."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_file import iso
from calibration.change import changed
from calibration.errors import CalibrationRefused
from calibration.record import CalibrationRecord
from calibration.record_json import from_json, to_json
from calibration.setup import Setup

MEASURED, IMPORTED = "measured here", "imported"
ELSEWHERE = (
    "It was imported: confirm that it was measured on this very microscope, with this objective and camera."
)
CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Held:
    """A calibration in the store. origin: "measured here" or "imported".  added: to this store, UTC."""

    record: CalibrationRecord
    origin: str
    added: datetime
    in_force: bool


class Calibrations:
    """The calibrations of a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store

    def add(self, record: CalibrationRecord, at: datetime, origin: str = MEASURED) -> bool:
        """Put a calibration on record; return False where it was there already. It is not in force by that."""
        if self._store.rows("SELECT id FROM calibrations WHERE id = ?", record.id):
            return False
        row = {
            "id": record.id,
            "digest": record.digest,
            "setup": _key(record.setup),
            "made": record.made.isoformat(),
            "origin": origin,
            "record": to_json(record),
            "added": iso(at),
        }
        with self._store.atomic():
            self._store.insert("calibrations", row)
        return True

    def use(self, name: str, who: str, at: datetime, confirmed: Sequence[str] = ()) -> CalibrationRecord:
        """Put a calibration in force for its setup, in place of the one before.

        name: its id or an unambiguous beginning.  confirmed: the sentences of `to_confirm` that a person confirmed.
        Raises ApplianceRefused where it is not there, nobody says who, or something is not confirmed; and
        CalibrationRefused where it has expired.
        """
        record = self.get(name).record
        if not who.strip():
            raise ApplianceRefused("Say who puts a calibration in force: --by NAME.")
        if record.made > at + CLOCKS_DIFFER:
            raise CalibrationRefused(
                f"The calibration {record.id} was made on {record.made:%Y-%m-%d}, which is yet to come. Set this "
                "machine's clock, or calibrate anew."
            )
        if record.expired(at):
            raise CalibrationRefused(f"{_expired(record)} Calibrate anew, or put another in force.")
        missing = [sentence for sentence in self.to_confirm(record) if sentence not in confirmed]
        if missing:
            raise ApplianceRefused(f"{record.id} needs a person's word: {' '.join(missing)}")
        row = {
            "calibration": record.id,
            "setup": _key(record.setup),
            "who": who.strip(),
            "confirmed": json.dumps(list(confirmed), ensure_ascii=False),
            "at": iso(at),
        }
        with self._store.atomic():
            self._store.insert("calibrations_in_force", row)
        return record

    def to_confirm(self, record: CalibrationRecord) -> tuple[str, ...]:
        """Return what a person has to confirm before a calibration comes into force.

        How far it is from the last; and whose it is, where it came from a file: two microscopes of one type have
        setups of one name.
        """
        last = self.in_force(record.setup)
        if last == record:
            return ()
        rows = self._store.rows("SELECT origin FROM calibrations WHERE id = ?", record.id)
        imported = any(row["origin"] == IMPORTED for row in rows)
        return (*((ELSEWHERE,) if imported else ()), *(() if last is None else changed(last, record)))

    def get(self, name: str) -> Held:
        """Return a calibration by its id, or an unambiguous beginning, with or without "cal-".

        Raises ApplianceRefused otherwise, and CalibrationRefused for a row that was damaged.
        """
        start = name if name.startswith("cal-") else f"cal-{name}"
        rows = self._store.rows(
            "SELECT * FROM calibrations WHERE substr(id, 1, ?) = ? LIMIT 2", len(start), start
        )
        if not rows or start == "cal-":
            raise ApplianceRefused(
                f'There is no calibration "{name}" in {self._store.path}. hemadiff calibrate list names them all.'
            )
        if len(rows) > 1:
            raise ApplianceRefused(f'Several calibrations begin with "{name}". Give more of the id.')
        return self._held(rows[0])

    def all(self) -> list[Held]:
        """Return every calibration, the newest first."""
        return [
            self._held(row) for row in self._store.rows("SELECT * FROM calibrations ORDER BY made DESC, id")
        ]

    def in_force(self, setup: Setup) -> CalibrationRecord | None:
        """Return the calibration in force for a setup; None where there is none."""
        found = self._in_force(_key(setup))
        return None if found is None else self.get(found).record

    def all_in_force(self) -> list[CalibrationRecord]:
        """Return the calibration in force for every setup that has one, the newest first."""
        return [held.record for held in self.all() if held.in_force]

    def before(self, record: CalibrationRecord) -> CalibrationRecord | None:
        """Return the calibration that was in force for the same setup before this one was, or is now.

        This one may have been in force several times: it is asked of the last.
        """
        rows = self._store.rows(
            "SELECT calibration FROM calibrations_in_force WHERE setup = ? AND calibration != ? AND id < "
            "coalesce((SELECT max(id) FROM calibrations_in_force WHERE calibration = ?), 9e18) "
            "ORDER BY id DESC LIMIT 1",
            _key(record.setup),
            record.id,
            record.id,
        )
        return self.get(rows[0]["calibration"]).record if rows else None

    def _in_force(self, setup: str) -> str | None:
        sql = "SELECT calibration FROM calibrations_in_force WHERE setup = ? ORDER BY id DESC LIMIT 1"
        rows = self._store.rows(sql, setup)
        return str(rows[0]["calibration"]) if rows else None

    def _held(self, row: dict[str, str]) -> Held:
        record = from_json(row["record"], f"The calibration {row['id']} in the store")
        if (record.digest, record.id, _key(record.setup)) != (row["digest"], row["id"], row["setup"]):
            raise CalibrationRefused(
                f"The calibration {row['id']} in the store was damaged. Restore the store from its backup."
            )
        in_force = self._in_force(row["setup"]) == row["id"]
        return Held(record, row["origin"], datetime.fromisoformat(row["added"]), in_force)


def _expired(record: CalibrationRecord) -> str:
    assert record.expires is not None
    return f"The calibration {record.id} expired on {record.expires:%Y-%m-%d}."


def _key(setup: Setup) -> str:
    table = [setup.objective, setup.camera, setup.binning, *setup.region]
    return json.dumps(table, ensure_ascii=False, separators=(",", ":"))
