"""What was counted, in one SQLite file. A field is in it whole, or it never happened."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlite_utils.db import Database

from appliance.errors import ApplianceRefused
from appliance.field_source import SlideSurvey
from appliance.frame import Frame, SkippedField
from appliance.migrations import migrations
from appliance.patches import to_png
from appliance.plan import Plan
from appliance.red_cell_check import RedCellCheck
from appliance.run import FieldCommitted, FieldSkipped, State
from appliance.store_failure import said
from appliance.store_place import cannot_change, is_there
from appliance.store_records import CellRecord, FieldRecord, RunRecord, RunSummary, cell_row, place_of
from appliance.tally import Tally
from appliance.version import version
from calibration import Scale
from models.cells import Cell

BUSY_S = 10.0
CELLS = "SELECT cells.*, fields.number, fields.name FROM cells JOIN fields ON fields.id = cells.field"


def new_run_id() -> str:
    """Return a random id that says nothing of a patient: 12 hexadecimal digits."""
    return secrets.token_hex(6)


class Store:
    """The database of one instrument. Open it in the thread that uses it; one thread of one process writes.

    Raises ApplianceRefused for a file that is no store, and ApplianceError where the disk fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with said(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Before SQLite makes it, because its own files (the log of a WAL) get the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self.db = _opened(sqlite3.connect(path, timeout=BUSY_S))
            self._refuse_newer()
            self.db.enable_wal()
            self.db.conn.execute("PRAGMA synchronous = FULL")
            migrations.apply(self.db)

    @classmethod
    def read_only(cls, path: Path) -> Store:
        """Open a store that another process may be writing. Every method that writes fails.

        Raises ApplianceRefused where there is none yet or can be none, or where it is older or newer than this version.
        """
        if not is_there(path):
            raise ApplianceRefused(f"There is no store {path} yet. The first count makes it.")
        store = cls.__new__(cls)
        store.path = path
        with said(path):
            still = "&immutable=1" if cannot_change(path) else ""
            uri = f"{path.resolve().as_uri()}?mode=ro{still}"
            store.db = _opened(sqlite3.connect(uri, uri=True, timeout=BUSY_S))
            store._refuse_newer()
            if migrations.pending(store.db):
                raise ApplianceRefused(
                    f"The store {path} is of an older version. Start the instrument once to update it."
                )
        return store

    def close(self) -> None:
        """Close the database. May be called twice."""
        self.db.conn.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Writing

    def create_run(
        self,
        run_id: str,
        plan: Plan,
        scale: Scale,
        engine: str,
        weights: str,
        simulated: bool,
        planned: int | None,
        at: datetime,
        *,
        digest: str,
        camera: str | None = None,
        outputs: Sequence[str] = (),
        record_number: str | None = None,
        marks: Sequence[str] = (),
        state: State = State.PREPARING,
        reason: str = "Getting ready.",
    ) -> None:
        """Put a run on record, with a slide of its own.

        digest: the camera's, of all its fields.  camera: its name, where it is not the plan's.
        outputs: the names of the probabilities, in order.
        record_number: whose slide it is; kept in the table `records` and nowhere else.
        marks: what a person must know of its result.
        """
        slide = secrets.token_hex(6)
        with self._atomic():
            self._insert("slides", {"id": slide, "added": _iso(at)})
            if record_number:
                self._insert("records", {"slide": slide, "record_number": record_number})
            self._insert(
                "runs",
                {
                    "id": run_id,
                    "slide": slide,
                    "state": str(state),
                    "reason": reason,
                    "plan": plan.to_json(),
                    "um_per_px": scale.um_per_px,
                    "calibration": scale.id,
                    "calibration_source": scale.source,
                    "engine": engine,
                    "weights": weights,
                    "outputs": json.dumps(list(outputs)),
                    "camera": camera or plan.camera,
                    "simulated": int(simulated),
                    "planned": planned,
                    "digest": digest,
                    "version": version(),
                    "marks": json.dumps(list(marks), ensure_ascii=False),
                    "started": _iso(at),
                    "changed": _iso(at),
                },
            )
            self._event(run_id, f"state:{state}", reason, at)

    def set_state(self, run_id: str, state: State, reason: str, at: datetime) -> None:
        """Put a run into another state, on record with its reason."""
        with self._atomic():
            self.db.conn.execute(
                "UPDATE runs SET state = ?, reason = ?, changed = ? WHERE id = ?",
                (str(state), reason, _iso(at), run_id),
            )
            self._event(run_id, f"state:{state}", reason, at)

    def add_marks(self, run_id: str, marks: Sequence[str], at: datetime) -> None:
        """Put on record what else a person must know of a run's result. A mark never goes away again."""
        before = self.run(run_id).marks
        new = [mark for mark in dict.fromkeys(marks) if mark not in before]
        if not new:
            return
        with self._atomic():
            self.db.conn.execute(
                "UPDATE runs SET marks = ? WHERE id = ?",
                (json.dumps([*before, *new], ensure_ascii=False), run_id),
            )
            for mark in new:
                self._event(run_id, "mark", mark, at)

    def set_ready(self, run_id: str, planned: int | None, survey: SlideSurvey | None, at: datetime) -> None:
        """Put on record how many fields a run has, and what it found when it looked its slide over.

        A survey is made once: a resumed run has its own again.
        """
        with self._atomic():
            self.db.conn.execute("UPDATE runs SET planned = ? WHERE id = ?", (planned, run_id))
            if survey is not None and self.survey(run_id) is None:
                self._insert("surveys", {"run": run_id, **asdict(survey), "at": _iso(at)})

    def commit_field(
        self, run_id: str, frame: Frame, cells: Sequence[Cell], tally: Tally, at: datetime
    ) -> list[int]:
        """Put a field on record whole: its row, its cells, their patches and the tally after it.

        Returns the cells' ids in their order. Raises ApplianceError, and ApplianceRefused for a frame of another
        calibration than the run's; then nothing of it is on record.
        """
        self._refuse_another_calibration(run_id, frame)
        height, width = frame.pixels.shape[:2]
        images = [None if cell.patch is None else to_png(cell.patch) for cell in cells]
        with self._atomic():
            field = self._insert(
                "fields",
                {
                    "run": run_id,
                    "number": frame.index,
                    "name": frame.name,
                    "x_um": float(frame.position.x_um),
                    "y_um": float(frame.position.y_um),
                    "z_um": float(frame.position.z_um),
                    "width": width,
                    "height": height,
                    "exposure_start_ns": frame.exposure_start_ns,
                    "exposure_us": frame.exposure_us,
                    "gain": frame.gain,
                    "at": _iso(at),
                },
            )
            ids = [self._insert("cells", cell_row(cell, run_id, field)) for cell in cells]
            for cell_id, png in zip(ids, images, strict=True):
                if png is not None:
                    self._insert("patches", {"cell": cell_id, "png": png})
            self._insert(
                "tallies",
                {
                    "field": field,
                    "run": run_id,
                    "counts": json.dumps(dict(tally.counts)),
                    "at_border": tally.at_border,
                    "detections": len(cells),
                },
            )
        return ids

    def commit_skip(
        self, run_id: str, skipped: SkippedField, at: datetime, kind: Literal["input", "analysis"] = "input"
    ) -> None:
        """Put a field on record that could not be had (input) or not be analysed (analysis)."""
        with self._atomic():
            self._insert(
                "fields",
                {
                    "run": run_id,
                    "number": skipped.index,
                    "name": skipped.name,
                    "skipped": skipped.reason,
                    "skipped_at": kind,
                    "detail": skipped.detail,
                    "x_um": None if skipped.place is None else float(skipped.place.x_um),
                    "y_um": None if skipped.place is None else float(skipped.place.y_um),
                    "at": _iso(at),
                },
            )

    def commit_red_cells(self, run_id: str, check: RedCellCheck, at: datetime) -> None:
        """Put on record what a run's red cells say of its scale. Once."""
        with self._atomic():
            row = {**asdict(check), "verdict": str(check.verdict)}
            self._insert("red_cell_checks", {"run": run_id, **row, "at": _iso(at)})

    # Reading

    def run(self, run_id: str) -> RunRecord:
        """Return a run by its id or an unambiguous beginning of one. Raises ApplianceRefused otherwise."""
        sql = "SELECT * FROM runs WHERE substr(id, 1, ?) = ? ORDER BY length(id) LIMIT 2"
        rows = self._rows(sql, len(run_id), run_id)
        if not rows or not run_id:
            raise ApplianceRefused(f'There is no run "{run_id}". hemadiff runs list names them all.')
        if len(rows) > 1 and rows[0]["id"] != run_id:
            raise ApplianceRefused(f'Several runs begin with "{run_id}". Give more of the id.')
        try:
            return RunRecord.from_row(rows[0])
        except ValueError as error:
            raise ApplianceRefused(
                f"The run {rows[0]['id']} cannot be read by this version: {error}"
            ) from error

    def runs(self) -> list[RunSummary]:
        """Return every run, the newest first, also one that this version can no longer read."""
        rows = self._rows("SELECT * FROM runs ORDER BY started DESC, rowid DESC")
        return [self._summary(row) for row in rows]

    def _summary(self, row: dict[str, Any]) -> RunSummary:
        try:
            return RunSummary.from_row(row, RunRecord.from_row(row).plan.specimen, self.tally(row["id"]))
        except ValueError as problem:  # a plan or a panel of another version
            return RunSummary.from_row(row, problem=str(problem))

    def unfinished_runs(self) -> list[str]:
        """Return the ids of the runs that have not ended, the oldest first."""
        ended = [str(state) for state in State if state.ended]
        rows = self._rows(
            f"SELECT id FROM runs WHERE state NOT IN ({', '.join('?' * len(ended))}) ORDER BY started, rowid",
            *ended,
        )
        return [row["id"] for row in rows]

    def tally(self, run_id: str) -> Tally:
        """Return a run's tally after its last field."""
        rows = self._rows("SELECT * FROM tallies WHERE run = ? ORDER BY field DESC LIMIT 1", run_id)
        empty = Tally(self.run(run_id).plan.rules())
        return _tally(empty, rows[0]) if rows else empty

    def history(self, run_id: str) -> list[FieldCommitted | FieldSkipped]:
        """Return every field on record as the events that it was, in the plan's order (for `run.replay`)."""
        empty = Tally(self.run(run_id).plan.rules())
        rows = self._rows(
            "SELECT fields.skipped_at, tallies.* FROM fields LEFT JOIN tallies ON tallies.field = fields.id "
            "WHERE fields.run = ? ORDER BY fields.number",
            run_id,
        )
        return [
            FieldSkipped(row["skipped_at"])
            if row["skipped_at"]
            else FieldCommitted(_tally(empty, row), row["detections"])
            for row in rows
        ]

    def survey(self, run_id: str) -> SlideSurvey | None:
        """Return what a run found when it looked its slide over; None before that."""
        columns = "regions, picture, x_um, y_um, um_per_px, tour"
        rows = self._rows(f"SELECT {columns} FROM surveys WHERE run = ?", run_id)
        return SlideSurvey(**rows[0]) if rows else None

    def red_cells(self, run_id: str) -> RedCellCheck | None:
        """Return what a run's red cells say of its scale; None before that is decided."""
        rows = self._rows("SELECT * FROM red_cell_checks WHERE run = ?", run_id)
        return RedCellCheck.from_row(rows[0]) if rows else None

    def fields_counted(self, run_id: str) -> int:
        """Return how many fields were analysed."""
        (row,) = self._rows("SELECT count(*) AS n FROM tallies WHERE run = ?", run_id)
        return int(row["n"])

    def skipped(self, run_id: str) -> dict[str, int]:
        """Return how many fields were skipped, by reason."""
        rows = self._rows(
            "SELECT skipped, count(*) AS n FROM fields WHERE run = ? AND skipped IS NOT NULL "
            "GROUP BY skipped ORDER BY n DESC, skipped",
            run_id,
        )
        return {row["skipped"]: row["n"] for row in rows}

    def skipped_fields(self, run_id: str) -> list[SkippedField]:
        """Return every skipped field, in the plan's order."""
        rows = self._rows(
            "SELECT * FROM fields WHERE run = ? AND skipped IS NOT NULL ORDER BY number", run_id
        )
        return [
            SkippedField(row["number"], row["name"], row["skipped"], row["detail"], place_of(row))
            for row in rows
        ]

    def fields(self, run_id: str) -> list[FieldRecord]:
        """Return every field, counted or skipped, in the plan's order."""
        rows = self._rows("SELECT * FROM fields WHERE run = ? ORDER BY number", run_id)
        return [FieldRecord.from_row(row) for row in rows]

    def newest_field(self, run_id: str) -> FieldRecord | None:
        """Return the field that was put on record last; None before the first."""
        rows = self._rows("SELECT * FROM fields WHERE run = ? ORDER BY number DESC LIMIT 1", run_id)
        return FieldRecord.from_row(rows[0]) if rows else None

    def places(self, run_id: str) -> list[tuple[float, float, int, int]]:
        """Return where every counted field lies: x and y of its upper left corner (µm), width and height (px)."""
        rows = self._rows(
            "SELECT x_um, y_um, width, height FROM fields WHERE run = ? AND skipped IS NULL ORDER BY number",
            run_id,
        )
        return [(row["x_um"], row["y_um"], row["width"], row["height"]) for row in rows]

    def cells(self, run_id: str) -> list[CellRecord]:
        """Return every cell of a run, in the order in which they were found."""
        rows = self._rows(f"{CELLS} WHERE cells.run = ? ORDER BY cells.id", run_id)
        return [CellRecord.from_row(row) for row in rows]

    def latest_cells(self, run_id: str, limit: int) -> list[CellRecord]:
        """Return the latest cells that have a label, the newest first."""
        labelled = "WHERE cells.run = ? AND cells.label IS NOT NULL"
        rows = self._rows(f"{CELLS} {labelled} ORDER BY cells.id DESC LIMIT ?", run_id, limit)
        return [CellRecord.from_row(row) for row in rows]

    def patch(self, cell_id: int) -> bytes:
        """Return a cell's patch as a PNG. Raises ApplianceRefused where there is none."""
        rows = self._rows("SELECT png FROM patches WHERE cell = ?", cell_id)
        if not rows:
            raise ApplianceRefused(f"There is no picture of a cell {cell_id}.")
        return bytes(rows[0]["png"])

    # Inside

    def _refuse_another_calibration(self, run_id: str, frame: Frame) -> None:
        for row in self._rows("SELECT calibration FROM runs WHERE id = ?", run_id):
            if row["calibration"] != frame.calibration_id:
                raise ApplianceRefused(
                    f'{frame.name} was taken under the calibration "{frame.calibration_id}", the run uses '
                    f'"{row["calibration"]}". Two calibrations never mix in a run: start a new one.'
                )

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        with said(self.path), self.db.atomic():
            yield

    def _insert(self, table: str, row: dict[str, Any]) -> int:
        """Insert one row and return its rowid."""
        return int(self.db.table(table).insert(row).last_rowid or 0)

    def _event(self, run_id: str, kind: str, detail: str, at: datetime) -> None:
        self._insert("events", {"run": run_id, "kind": kind, "detail": detail, "at": _iso(at)})

    def _rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with said(self.path):
            return list(self.db.query(sql, values))

    def _refuse_newer(self) -> None:
        nothing = Database(memory=True, execute_plugins=False)
        known = {migration.name for migration in migrations.pending(nothing)}
        newer = [done.name for done in migrations.applied(self.db) if done.name not in known]
        if newer:
            raise ApplianceRefused(
                f"The store {self.path} was written by a newer hemadiff ({newer[-1]}). Update this one."
            )


def _opened(connection: sqlite3.Connection) -> Database:
    connection.execute("PRAGMA foreign_keys = ON")
    return Database(connection, execute_plugins=False)


def _tally(empty: Tally, row: dict[str, Any]) -> Tally:
    return Tally(empty.rules, json.loads(row["counts"]), row["at_border"])


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
