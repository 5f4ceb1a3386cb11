"""The daily quality controls of one instrument, in its store. They are only added to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_file import iso
from calibration.qc import LastQc, QcLimits, QcResult


@dataclass(frozen=True, slots=True)
class QualityControl:
    """One control. slide: which.  run: the count that was gone over; calibration: its scale's id; None where not said.

    passed: as it was judged then.
    """

    at: datetime
    who: str
    slide: str
    result: QcResult
    passed: bool
    run: str | None = None
    calibration: str | None = None
    note: str = ""

    @property
    def decides(self) -> LastQc:
        """What of it decides about the next results."""
        return LastQc(self.at, self.passed, self.calibration)


class QcHistory:
    """The controls of a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store

    def record(
        self,
        result: QcResult,
        who: str,
        slide: str,
        at: datetime,
        run: str | None = None,
        calibration: str | None = None,
        note: str = "",
    ) -> QualityControl:
        """Put a control on record. A run gives its calibration. Raises ApplianceRefused where nobody says who."""
        if not who.strip():
            raise ApplianceRefused("Say who did the control: --by NAME.")
        if run is not None:
            counted = self._store.run(run)
            run, calibration = counted.id, counted.scale.id
        row = {
            "who": who.strip(),
            "slide": slide,
            "located": result.located,
            "missed": result.missed,
            "false_finds": result.false_finds,
            "limits": json.dumps(asdict(result.limits)),
            "passed": int(result.passed),
            "run": run,
            "calibration": calibration,
            "note": note,
            "at": iso(at),
        }
        with self._store.atomic():
            self._store.insert("quality_controls", row)
        return _from_row(row)

    def all(self) -> list[QualityControl]:
        """Return every control, the oldest first."""
        return [_from_row(row) for row in self._store.rows("SELECT * FROM quality_controls ORDER BY id")]

    def last(self) -> LastQc | None:
        """Return what of the last control decides about the next results; None before the first.

        It holds from the end of its count on, whenever somebody put it on record.
        """
        rows = self._store.rows("SELECT * FROM quality_controls ORDER BY id DESC LIMIT 1")
        if not rows:
            return None
        last = _from_row(rows[0])
        ended = last.at if last.run is None else self._store.run(last.run).changed
        return replace(last.decides, at=min(last.at, ended))


def _from_row(row: dict[str, Any]) -> QualityControl:
    limits = QcLimits(**json.loads(row["limits"]))
    return QualityControl(
        at=datetime.fromisoformat(row["at"]),
        who=row["who"],
        slide=row["slide"],
        result=QcResult(row["located"], row["missed"], row["false_finds"], limits),
        passed=bool(row["passed"]),
        run=row["run"],
        calibration=row["calibration"],
        note=row["note"],
    )
