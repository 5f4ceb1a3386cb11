"""What was counted, in one SQLite file. A field is in it whole, or it never happened.

`store_file` opens the file, `stored_runs` reads the runs in it, and what is here writes them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Literal

from appliance.cause import Cause
from appliance.errors import ApplianceRefused
from appliance.field_source import SlideSurvey
from appliance.frame import Frame, SkippedField
from appliance.patches import to_png
from appliance.plan import Plan
from appliance.red_cell_check import RedCellCheck
from appliance.run import State
from appliance.store_file import iso
from appliance.store_records import cell_row
from appliance.stored_runs import StoredRuns
from appliance.tally import Tally
from appliance.version import version
from calibration import Scale
from models.cells import Cell


def new_run_id() -> str:
    """Return a random id that says nothing of a patient: 12 hexadecimal digits."""
    return secrets.token_hex(6)


class Store(StoredRuns):
    """The database of one instrument. Open it in the thread that uses it; one thread of one process writes.

    Raises ApplianceRefused for a file that is no store, and ApplianceError where the disk fails.
    """

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
        with self.atomic():
            self.insert("slides", {"id": slide, "added": iso(at)})
            if record_number:
                self.insert("records", {"slide": slide, "record_number": record_number})
            self.insert(
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
                    "started": iso(at),
                    "changed": iso(at),
                },
            )
            self._event(run_id, f"state:{state}", reason, at)

    def set_state(
        self, run_id: str, state: State, reason: str, at: datetime, cause: Cause | None = None
    ) -> None:
        """Put a run into another state, on record with its reason and the kind of that."""
        with self.atomic():
            self.db.conn.execute(
                "UPDATE runs SET state = ?, reason = ?, cause = ?, changed = ? WHERE id = ?",
                (str(state), reason, cause or "", iso(at), run_id),
            )
            self._event(run_id, f"state:{state}", reason, at)

    def add_marks(self, run_id: str, marks: Sequence[str], at: datetime) -> None:
        """Put on record what else a person must know of a run's result. A mark never goes away again."""
        before = self.run(run_id).marks
        new = [mark for mark in dict.fromkeys(marks) if mark not in before]
        if not new:
            return
        with self.atomic():
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
        with self.atomic():
            self.db.conn.execute("UPDATE runs SET planned = ? WHERE id = ?", (planned, run_id))
            if survey is not None and self.survey(run_id) is None:
                self.insert("surveys", {"run": run_id, **asdict(survey), "at": iso(at)})

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
        with self.atomic():
            field = self.insert(
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
                    "at": iso(at),
                },
            )
            ids = [self.insert("cells", cell_row(cell, run_id, field)) for cell in cells]
            for cell_id, png in zip(ids, images, strict=True):
                if png is not None:
                    self.insert("patches", {"cell": cell_id, "png": png})
            self.insert(
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
        with self.atomic():
            self.insert(
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
                    "at": iso(at),
                },
            )

    def commit_red_cells(self, run_id: str, check: RedCellCheck, at: datetime) -> None:
        """Put on record what a run's red cells say of its scale. Once."""
        with self.atomic():
            row = {**asdict(check), "verdict": str(check.verdict)}
            self.insert("red_cell_checks", {"run": run_id, **row, "at": iso(at)})

    def _refuse_another_calibration(self, run_id: str, frame: Frame) -> None:
        for row in self.rows("SELECT calibration FROM runs WHERE id = ?", run_id):
            if row["calibration"] != frame.calibration_id:
                raise ApplianceRefused(
                    f'{frame.name} was taken under the calibration "{frame.calibration_id}", the run uses '
                    f'"{row["calibration"]}". Two calibrations never mix in a run: start a new one.'
                )

    def _event(self, run_id: str, kind: str, detail: str, at: datetime) -> None:
        self.insert("events", {"run": run_id, "kind": kind, "detail": detail, "at": iso(at)})
