"""A second reader labels the cells of a run without having seen any label: all of them, or a drawn sample.

When the last is labelled the reader finishes, and only then are the readings compared. The first reading is what the
review said at that moment. The same person may not be first and second reader of a run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from appliance.errors import ApplianceRefused
from appliance.review.agreement import Agreement, agreement
from appliance.review.reclassifications import History, Reading, current, reclassifications
from appliance.review.reviewed import MachineCell, labels_now
from appliance.store import Store
from appliance.store_file import iso
from appliance.store_records import RunRecord
from appliance.wording import number_of
from models.panel import UNIDENTIFIED, Panel

ANCHORED = (
    "The first reader saw the machine's labels, which draws the two together; the second reader saw none."
)


@dataclass(frozen=True, slots=True)
class SecondReading:
    """One person's second reading of one run.

    cells: which, in the order in which they are shown.  labels: what the reader has said so far, by cell.
    history: the reader's own rows, the oldest first.  finished: None before that.
    after: the id of the last row of the review when it was finished, which makes the first reading what it is.
    """

    run: str
    who: str
    cells: tuple[int, ...]
    labels: dict[int, str]
    history: History
    begun: datetime
    finished: datetime | None
    after: int

    @property
    def remaining(self) -> tuple[int, ...]:
        """The cells that have no label yet, in their order."""
        return tuple(cell for cell in self.cells if cell not in self.labels)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Machine, first and second reader over the cells that the second reader labelled.

    first_readers: who changed labels in the review before the second reading was finished; empty where nobody did,
    and then the first reading is the machine's.  said: how it is to be read.
    `unidentified` is a label like others here: the machine's or a reader's "I cannot say".
    """

    second_reader: str
    first_readers: tuple[str, ...]
    cells: int
    machine_and_first: Agreement
    machine_and_second: Agreement
    first_and_second: Agreement
    said: str = ANCHORED


def draw(run: str, cells: Iterable[int], sample: int | None) -> tuple[int, ...]:
    """Return the cells of a second reading in the order in which they are shown. None: all.

    Drawn by the digest of run and cell: at random with regard to what the cells are and what anybody said of them, the
    same on every machine, and a larger sample begins with the smaller one.
    """
    shuffled = sorted(cells, key=lambda cell: sha256(f"{run}/{cell}".encode()).digest())
    return tuple(shuffled[:sample])


def second_readers(store: Store, run: str) -> list[str]:
    """Return who has begun a second reading of a run, in that order."""
    found = store.rows("SELECT who FROM second_readings WHERE run = ? AND what = 'begun' ORDER BY id", run)
    return [row["who"] for row in found]


def second_reading(store: Store, run: str, cells: Sequence[MachineCell], who: str) -> SecondReading | None:
    """Return somebody's second reading; None where it was not begun. cells: all of the run."""
    found = store.rows("SELECT * FROM second_readings WHERE run = ? AND who = ? ORDER BY id", run, who)
    if not found:
        return None
    begun, finished = found[0], found[1] if len(found) > 1 else None
    drawn = draw(run, _labelled(cells), begun["cells"])
    history = [row for row in reclassifications(store, run, Reading.SECOND) if row.who == who]
    said = current(dict.fromkeys(drawn), history)
    return SecondReading(
        run=run,
        who=who,
        cells=drawn,
        labels={cell: label for cell, label in said.items() if label is not None},
        history=history,
        begun=datetime.fromisoformat(begun["at"]),
        finished=datetime.fromisoformat(finished["at"]) if finished else None,
        after=finished["after"] if finished else 0,
    )


def begin(
    store: Store, run: RunRecord, cells: Sequence[MachineCell], by: str, sample: object, at: datetime
) -> int:
    """Begin a second reading and return how many cells it has. sample: how many to draw; None takes all.

    Raises ApplianceRefused for who has seen the labels (reviewed or signed the run), or has begun one already.
    """
    if sample is not None and (type(sample) is not int or sample < 1):
        raise ApplianceRefused(
            "A sample is a whole number of cells from 1. Give one, or leave it out to read all."
        )
    seen = [row.who for row in reclassifications(store, run.id)]
    seen += [row["who"] for row in store.rows("SELECT who FROM signatures WHERE run = ?", run.id)]
    if by in seen:
        raise ApplianceRefused(
            f"{by} has reviewed or signed this run and knows its labels. A second reader must be another person."
        )
    if by in second_readers(store, run.id):
        raise ApplianceRefused(f"{by} has begun a second reading of this run already. Go on with that.")
    drawn = draw(run.id, _labelled(cells), sample)
    if not drawn:
        raise ApplianceRefused("No cell of this run has a label. There is nothing to read.")
    _record(store, run.id, by, "begun", len(drawn), at)
    return len(drawn)


def going_on(store: Store, run: str, cells: Sequence[MachineCell], by: str) -> SecondReading:
    """Return a second reading that is being done. Raises ApplianceRefused where there is none, or it is finished."""
    reading = second_reading(store, run, cells, by)
    if reading is None:
        raise ApplianceRefused(f"{by} has begun no second reading of this run. Begin one first.")
    if reading.finished is not None:
        raise ApplianceRefused(
            f"{by} has finished the second reading of this run. It stays as it was compared."
        )
    return reading


def finish(store: Store, reading: SecondReading, at: datetime) -> None:
    """Finish a second reading. Raises ApplianceRefused while a cell has no label."""
    if reading.remaining:
        raise ApplianceRefused(
            f"{number_of(len(reading.remaining), 'cell')} of {len(reading.cells)} have no label yet. "
            'Label them; "unidentified" is an answer too.'
        )
    _record(store, reading.run, reading.who, "finished", len(reading.cells), at)


def refuse_second_reader(store: Store, run: str, by: str) -> None:
    """Raise ApplianceRefused where a person is second reader of a run: then the review is for others."""
    if by in second_readers(store, run):
        raise ApplianceRefused(
            f"{by} is second reader of this run, and nobody is first and second. Leave the review to another person."
        )


def compare(
    panel: Panel, cells: Sequence[MachineCell], review: History, reading: SecondReading
) -> Comparison:
    """Compare machine, first and second reader. review: the rows of the review, the oldest first.

    Raises ApplianceRefused before the second reading is finished.
    """
    if reading.finished is None:
        raise ApplianceRefused(
            f"The second reading of {reading.who} goes on. The readings are compared when it is finished."
        )
    then = [row for row in review if row.id <= reading.after]
    machine = _only(labels_now(cells), reading.cells)
    first = _only(labels_now(cells, then), reading.cells)
    order = (*panel.names, UNIDENTIFIED)
    return Comparison(
        second_reader=reading.who,
        first_readers=tuple(dict.fromkeys(row.who for row in then)),
        cells=len(reading.cells),
        machine_and_first=agreement(machine, first, order),
        machine_and_second=agreement(machine, reading.labels, order),
        first_and_second=agreement(first, reading.labels, order),
    )


def machine_and_first(panel: Panel, cells: Sequence[MachineCell], review: History) -> Agreement:
    """Compare machine and first reader over every cell that has a label, as the review is now (see `ANCHORED`)."""
    every = _labelled(cells)
    machine, first = _only(labels_now(cells), every), _only(labels_now(cells, review), every)
    return agreement(machine, first, (*panel.names, UNIDENTIFIED))


def _labelled(cells: Iterable[MachineCell]) -> list[int]:
    return [cell.id for cell in cells if cell.label is not None]


def _only(labels: dict[int, str | None], cells: Collection[int]) -> dict[int, str]:
    return {cell: label for cell in cells if (label := labels[cell]) is not None}


def _record(store: Store, run: str, by: str, what: str, cells: int, at: datetime) -> None:
    (last,) = store.rows("SELECT coalesce(max(id), 0) AS id FROM reclassifications WHERE run = ?", run)
    row = {"run": run, "who": by, "what": what, "cells": cells, "after": last["id"], "at": iso(at)}
    store.insert("second_readings", row)
