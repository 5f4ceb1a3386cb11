"""A count for quality control, gone over by a person: its fields, what was marked in them, and when that is done."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime

from appliance.errors import ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.qc_marks import BORDER_UM, Find, Kind, Mark, Review, ReviewedField, What
from appliance.run import State
from appliance.store import Store
from appliance.store_file import iso
from appliance.store_records import RunRecord
from models.panel import UNIDENTIFIED, Panel


@dataclass(frozen=True, slots=True)
class ToReview:
    """A count for quality control that has pictures. recorded: whether its control is on record."""

    run: RunRecord
    fields: int
    gone_over: int
    recorded: bool


class QcReviews:
    """What a person went over, in a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store
        self._pictures = FieldPictures(store)

    def waiting(self) -> list[ToReview]:
        """Return every count that has pictures and that this version can read, the newest first."""
        found = []
        for run in self._pictures.runs():
            with contextlib.suppress(ApplianceRefused):  # of a plan or a panel of another version
                record, fields = self._store.run(run), len(self._pictures.numbers(run))
                if not record.plan.qc:
                    continue
                found.append(ToReview(record, fields, sum(self._gone_over(run).values()), self.recorded(run)))
        return found

    def review(self, run: str) -> Review:
        """Return the fields of a count as they were gone over so far.

        Raises ApplianceRefused where the count is none for quality control, or has no pictures (any more).
        """
        record = self._store.run(run)
        pictured = set(self._pictures.numbers(record.id))
        if not pictured or not record.plan.qc:
            raise ApplianceRefused(_no_pictures(record))
        finds = self._finds(record)
        fields = tuple(
            ReviewedField(
                field.number,
                *field.size_px,
                BORDER_UM / record.scale.um_per_px,
                tuple(finds.get(field.number, ())),
            )
            for field in self._store.fields(record.id)
            if field.number in pictured and field.size_px is not None
        )
        return Review(record.id, fields).marked(self._marks(record.id))

    def mark(self, run: str, mark: Mark, at: datetime) -> Review:
        """Put a mark on record; return the review with it.

        Raises ApplianceRefused where the count still goes on, its control is on record, or the mark does not belong
        there.
        """
        record = self._store.run(run)
        self.refuse_unless_open(record)
        review = self.review(record.id).marked([mark])
        row = {
            "run": record.id,
            "field": mark.field,
            "kind": str(mark.kind),
            "present": int(mark.present),
            "cell": mark.cell,
            "x": mark.x,
            "y": mark.y,
            "at": iso(at),
        }
        with self._store.atomic():
            self._store.insert("qc_marks", row)
        return review

    def recorded(self, run: str) -> bool:
        """Whether the control of a count is on record."""
        return bool(self._store.rows("SELECT 1 FROM quality_controls WHERE run = ? LIMIT 1", run))

    def refuse_unless_open(self, record: RunRecord) -> None:
        """Raise ApplianceRefused where a count cannot be gone over now."""
        if not record.state.ended:
            raise ApplianceRefused(
                f"The count {record.id} is {record.state}. Go over its fields once it has ended."
            )
        if record.state is State.FAILED:
            raise ApplianceRefused(f"The count {record.id} failed, and is no quality control. Count again.")
        if self.recorded(record.id):
            raise ApplianceRefused(
                f"The control of the count {record.id} is on record and stays as it is. For another one count again."
            )

    def _finds(self, record: RunRecord) -> dict[int, list[Find]]:
        panel = record.plan.rules().panel
        finds: dict[int, list[Find]] = {}
        for row in self._store.rows(
            "SELECT cells.id, cells.x, cells.y, cells.radius_um, cells.label, fields.number FROM cells "
            "JOIN fields ON fields.id = cells.field WHERE cells.run = ? ORDER BY cells.id",
            record.id,
        ):
            radius = row["radius_um"] / record.scale.um_per_px
            found = Find(row["id"], row["x"], row["y"], radius, _what(panel, row["label"]))
            finds.setdefault(row["number"], []).append(found)
        return finds

    def _marks(self, run: str) -> list[Mark]:
        rows = self._store.rows("SELECT * FROM qc_marks WHERE run = ? ORDER BY id", run)
        return [
            Mark(row["field"], Kind(row["kind"]), bool(row["present"]), row["cell"], row["x"], row["y"])
            for row in rows
        ]

    def _gone_over(self, run: str) -> dict[int, bool]:
        return {mark.field: mark.present for mark in self._marks(run) if mark.kind is Kind.GONE_OVER}


def _what(panel: Panel, label: str | None) -> What:
    if label is None:
        return What.BORDER
    name = panel.final(label)
    return What.CELL if name == UNIDENTIFIED or panel.label(name).counted else What.OTHER


def _no_pictures(record: RunRecord) -> str:
    if not record.plan.qc:
        return f"The run {record.id} was not counted for quality control. Count with: hemadiff count --qc."
    if not record.state.ended:
        return f"The count {record.id} has no field yet. Go over its fields once it has ended."
    return (
        f"The pictures of the count {record.id} are gone: they are kept until its control has passed, "
        "and for seven days at most. Count again for another control."
    )
