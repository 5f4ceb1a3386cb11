"""What a store says of its runs: their state, their fields, their cells and what was found beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from appliance.errors import ApplianceRefused
from appliance.field_source import SlideSurvey
from appliance.frame import SkippedField
from appliance.red_cell_check import RedCellCheck
from appliance.run import FieldCommitted, FieldSkipped, State
from appliance.store_file import StoreFile, iso
from appliance.store_records import CellRecord, FieldRecord, RunRecord, RunSummary, place_of
from appliance.tally import Tally

CELLS = "SELECT cells.*, fields.number, fields.name FROM cells JOIN fields ON fields.id = cells.field"


class StoredRuns(StoreFile):
    """The runs of a store, to be read; `store.Store` also writes them."""

    def run(self, run_id: str) -> RunRecord:
        """Return a run by its id or an unambiguous beginning of one. Raises ApplianceRefused otherwise."""
        sql = "SELECT * FROM runs WHERE substr(id, 1, ?) = ? ORDER BY length(id) LIMIT 2"
        rows = self.rows(sql, len(run_id), run_id)
        if not rows or not run_id:
            raise ApplianceRefused(f'There is no run "{run_id}". The list of runs names them all.')
        if len(rows) > 1 and rows[0]["id"] != run_id:
            raise ApplianceRefused(f'Several runs begin with "{run_id}". Give more of the id.')
        try:
            return RunRecord.from_row(rows[0])
        except ValueError as error:
            raise ApplianceRefused(
                f"The run {rows[0]['id']} cannot be read by this version: {error}"
            ) from error

    def runs(
        self,
        at_most: int = -1,
        skip: int = 0,
        among: str = "",
        *,
        state: str = "",
        since: datetime | None = None,
        before: datetime | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[RunSummary]:
        """Return runs, the newest first, also one that this version can no longer read.

        at_most, skip: a page of them; all by default.  among: only those whose id begins so, or whose sample has
        this number, whole; capital and small letters are alike.  state: only those in that state.  since, before: only
        those that began from then on, and before then.  ids: only those that have one of these, whole; None for any.
        """
        rows = self.rows(
            "SELECT * FROM runs WHERE (substr(id, 1, length(?1)) = casefold(?1) "
            "OR slide IN (SELECT slide FROM records WHERE casefold(record_number) = casefold(?1))) "
            "AND (?4 = '' OR state = ?4) AND started >= ?5 AND (?6 = '' OR started < ?6) "
            "AND (?7 IS NULL OR id IN (SELECT value FROM json_each(?7))) "
            "ORDER BY started DESC, rowid DESC LIMIT ?2 OFFSET ?3",
            among, at_most, skip, state, iso(since) if since else "", iso(before) if before else "",
            None if ids is None else json.dumps(list(ids)),
        )  # fmt: skip
        return [self._summary(row) for row in rows]

    def record_number(self, run_id: str) -> str | None:
        """Return whose smear a run counted, as the laboratory knows it; None where nobody said."""
        rows = self.rows(
            "SELECT record_number FROM records JOIN runs USING (slide) WHERE runs.id = ?", run_id
        )
        return str(rows[0]["record_number"]) if rows else None

    def _summary(self, row: dict[str, Any]) -> RunSummary:
        try:
            return RunSummary.from_row(row, RunRecord.from_row(row).plan, self.tally(row["id"]))
        except ValueError as problem:  # a plan or a panel of another version
            return RunSummary.from_row(row, problem=str(problem))

    def unfinished_runs(self) -> list[str]:
        """Return the ids of the runs that have not ended, the oldest first."""
        ended = [str(state) for state in State if state.ended]
        rows = self.rows(
            f"SELECT id FROM runs WHERE state NOT IN ({', '.join('?' * len(ended))}) ORDER BY started, rowid",
            *ended,
        )
        return [row["id"] for row in rows]

    def states(self, run_id: str) -> list[tuple[State, datetime]]:
        """Return the states that a run was put into, in their order, and when."""
        rows = self.rows(
            "SELECT kind, at FROM events WHERE run = ? AND kind LIKE 'state:%' ORDER BY id", run_id
        )
        return [
            (State(row["kind"].removeprefix("state:")), datetime.fromisoformat(row["at"])) for row in rows
        ]

    def last_heard(self, run_id: str) -> datetime:
        """Return when the last thing of a run came on record. Of one that was cut off, nothing later is known."""
        rows = self.rows(
            "SELECT at FROM events WHERE run = ?1 UNION ALL SELECT at FROM fields WHERE run = ?1", run_id
        )
        return max(datetime.fromisoformat(row["at"]) for row in rows)

    def overtaken(self, run_id: str) -> bool:
        """Return whether another run began after this one."""
        sql = (
            "SELECT 1 FROM runs AS other JOIN runs AS this ON this.id = ? "
            "WHERE (other.started, other.rowid) > (this.started, this.rowid) LIMIT 1"
        )
        return bool(self.rows(sql, run_id))

    def tally(self, run_id: str) -> Tally:
        """Return a run's tally after its last field."""
        rows = self.rows("SELECT * FROM tallies WHERE run = ? ORDER BY field DESC LIMIT 1", run_id)
        empty = Tally(self.run(run_id).plan.rules())
        return _tally(empty, rows[0]) if rows else empty

    def history(self, run_id: str) -> list[FieldCommitted | FieldSkipped]:
        """Return every field on record as the events that it was, in the plan's order (for `run.replay`)."""
        empty = Tally(self.run(run_id).plan.rules())
        rows = self.rows(
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
        rows = self.rows(f"SELECT {columns} FROM surveys WHERE run = ?", run_id)
        return SlideSurvey(**rows[0]) if rows else None

    def red_cells(self, run_id: str) -> RedCellCheck | None:
        """Return what a run's red cells say of its scale; None before that is decided."""
        rows = self.rows("SELECT * FROM red_cell_checks WHERE run = ?", run_id)
        return RedCellCheck.from_row(rows[0]) if rows else None

    def last_counted(self, run_id: str) -> int | None:
        """Return the number of the field that was counted last; None before the first."""
        sql = "SELECT max(number) AS newest FROM fields WHERE run = ? AND skipped IS NULL"
        (row,) = self.rows(sql, run_id)
        return None if row["newest"] is None else int(row["newest"])

    def fields_counted(self, run_id: str) -> int:
        """Return how many fields were analysed."""
        (row,) = self.rows("SELECT count(*) AS n FROM tallies WHERE run = ?", run_id)
        return int(row["n"])

    def skipped(self, run_id: str) -> dict[str, int]:
        """Return how many fields were skipped, by reason."""
        rows = self.rows(
            "SELECT skipped, count(*) AS n FROM fields WHERE run = ? AND skipped IS NOT NULL "
            "GROUP BY skipped ORDER BY n DESC, skipped",
            run_id,
        )
        return {row["skipped"]: row["n"] for row in rows}

    def skipped_fields(self, run_id: str) -> list[SkippedField]:
        """Return every skipped field, in the plan's order."""
        rows = self.rows("SELECT * FROM fields WHERE run = ? AND skipped IS NOT NULL ORDER BY number", run_id)
        return [
            SkippedField(row["number"], row["name"], row["skipped"], row["detail"], place_of(row))
            for row in rows
        ]

    def fields(self, run_id: str) -> list[FieldRecord]:
        """Return every field, counted or skipped, in the plan's order."""
        rows = self.rows("SELECT * FROM fields WHERE run = ? ORDER BY number", run_id)
        return [FieldRecord.from_row(row) for row in rows]

    def newest_field(self, run_id: str) -> FieldRecord | None:
        """Return the field that was put on record last; None before the first."""
        rows = self.rows("SELECT * FROM fields WHERE run = ? ORDER BY number DESC LIMIT 1", run_id)
        return FieldRecord.from_row(rows[0]) if rows else None

    def places(self, run_id: str) -> list[tuple[float, float, int, int]]:
        """Return where every counted field lies: x and y of its upper left corner (µm), width and height (px)."""
        rows = self.rows(
            "SELECT x_um, y_um, width, height FROM fields WHERE run = ? AND skipped IS NULL ORDER BY number",
            run_id,
        )
        return [(row["x_um"], row["y_um"], row["width"], row["height"]) for row in rows]

    def cells(self, run_id: str) -> list[CellRecord]:
        """Return every cell of a run, in the order in which they were found."""
        rows = self.rows(f"{CELLS} WHERE cells.run = ? ORDER BY cells.id", run_id)
        return [CellRecord.from_row(row) for row in rows]

    def latest_cells(self, run_id: str, limit: int) -> list[CellRecord]:
        """Return the latest cells that have a label, the newest first."""
        labelled = "WHERE cells.run = ? AND cells.label IS NOT NULL"
        rows = self.rows(f"{CELLS} {labelled} ORDER BY cells.id DESC LIMIT ?", run_id, limit)
        return [CellRecord.from_row(row) for row in rows]

    def run_of_cell(self, cell_id: int) -> str | None:
        """Return the run of a cell; None where there is no such cell."""
        rows = self.rows("SELECT run FROM cells WHERE id = ?", cell_id)
        return str(rows[0]["run"]) if rows else None

    def patch(self, cell_id: int) -> bytes:
        """Return a cell's patch as a PNG. Raises ApplianceRefused where there is none."""
        rows = self.rows("SELECT png FROM patches WHERE cell = ?", cell_id)
        if not rows:
            raise ApplianceRefused(f"There is no picture of a cell {cell_id}.")
        return bytes(rows[0]["png"])


def _tally(empty: Tally, row: dict[str, Any]) -> Tally:
    return Tally(empty.rules, json.loads(row["counts"]), row["at_border"])
