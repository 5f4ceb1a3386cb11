"""The shapes of what the API says of a review, and takes for one."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from appliance.view import RowView
from web.api.shapes import Asked, RunPath

MOST_CELLS = 2000
LABEL = r"^[a-z][a-z0-9_]{0,63}$"
Share = float | None


class CellPath(RunPath):
    """Which cell of which run."""

    cell: int = Field(ge=1, le=2**63 - 1)


class LabelPath(RunPath):
    """Which label of which run's panel."""

    label: str = Field(pattern=LABEL)


class BatchPath(RunPath):
    """Which change of which run."""

    batch: str = Field(pattern=r"^[0-9a-f]{4,32}$")


class LabelSaid(BaseModel):
    """A label that a person may give. counted: whether it is part of the differential of this run."""

    label: str
    title: str
    short: str
    counted: bool


class CellSaid(BaseModel):
    """A cell. machine, probability: what the machine said.  by: who gave it its label of now; empty: the machine.

    looked: whether a label that a person gave it is in force.  doubtful: the machine is in doubt, and none is.
    """

    cell: int
    machine: str
    probability: float
    by: str
    looked: bool
    doubtful: bool


class SectionSaid(BaseModel):
    """The cells of one label, the doubtful first. near: decision limits (%) that it is near to, in words."""

    label: str
    near: str
    watched: bool
    cells: list[CellSaid]


class TallySaid(BaseModel):
    """The differential as it is now. machine: counts by label before review.  not_counted: by label."""

    counted: int
    least: int
    unidentified: int
    at_border: int
    rows: list[RowView]
    machine: dict[str, int]
    not_counted: dict[str, int]
    me_ratio: Share
    me_formula: str | None
    erythroid_percent: Share
    nrbc_per_100: Share


class SignatureSaid(BaseModel):
    """A signature on record. digest: of what was signed."""

    status: Literal["preliminary", "final", "amended"]
    who: str
    at: str
    note: str
    digest: str


class StandingSaid(BaseModel):
    """Where the run stands. said: in a sentence.  may: as what it may be signed now; why_not: why as nothing.

    note_needed: why the next signature needs a note.  digest: of what would be signed.
    """

    said: str
    changed: bool
    may: list[str]
    why_not: str
    note_needed: str
    digest: str
    signatures: list[SignatureSaid]


class NoteSaid(BaseModel):
    """A note on the run."""

    who: str
    at: str
    text: str


class ReviewSaid(BaseModel):
    """A run under review, as it is now, for who asks.

    sections: what weighs most for the diagnosis first.  undoable: the last change that who asks can take back.
    may_review, may_sign: whether who asks may; why_not: a sentence where they may not review.
    second_readers: who has begun a second reading.
    """

    run: str
    panel: str
    specimen: str
    labels: list[LabelSaid]
    sections: list[SectionSaid]
    tally: TallySaid
    standing: StandingSaid
    notes: list[NoteSaid]
    undoable: str | None
    may_review: bool
    may_sign: bool
    why_not: str
    second_readers: list[str]


class Reclassified(BaseModel):
    """A change, and the run after it. changed: cells.  left: cells that somebody changed since, and that stayed."""

    batch: str | None
    changed: list[int]
    left: list[int]
    review: ReviewSaid


class HistorySaid(BaseModel):
    """What a person said of a cell."""

    who: str
    at: str
    before: str | None
    after: str | None


class CloserSaid(BaseModel):
    """A cell looked at closely; labels and history only for who is not a second reader of the run just now.

    x, y: px of the frame; width, height: of the frame, null where they are not on record.
    alternatives: the machine's probabilities by label.  neighbours: cells of the same field, the nearest first.
    """

    cell: int
    field: int
    x: float
    y: float
    width: int | None
    height: int | None
    views: int | None
    findings: list[str]
    alternatives: dict[str, float]
    history: list[HistorySaid]
    neighbours: list[int]


class ReferencesSaid(BaseModel):
    """Cells to compare with. signed: of the laboratory's own signed runs.  drawn: addresses of drawings."""

    signed: list[int]
    drawn: list[str]


class TrendRun(BaseModel):
    """A run of the same patient."""

    run: str
    started: str
    panel: str
    counted: int
    status: str
    simulated: bool


class TrendLine(BaseModel):
    """A class through these runs; null where a run's panel has no such class."""

    label: str
    title: str
    rows: list[RowView | None]


class TrendSaid(BaseModel):
    """A patient's runs of the same specimen, the oldest first, by their random ids."""

    runs: list[TrendRun]
    lines: list[TrendLine]


class ReclassifyAsked(Asked):
    """Cells to give a label. expected: their labels as the person saw them, in the same order."""

    cells: list[int] = Field(min_length=1, max_length=MOST_CELLS)
    to: str = Field(pattern=LABEL)
    expected: list[str] = Field(min_length=1, max_length=MOST_CELLS)


class SignAsked(Asked):
    """A signature. digest: as the review said it, of what the person saw.

    secret: their PIN or password, whichever they signed in with.
    """

    status: Literal["preliminary", "final", "amended"]
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    note: str = Field(default="", max_length=1000)
    secret: str = Field(min_length=1, max_length=200, repr=False)


class NoteAsked(Asked):
    """A note to put on the run."""

    text: str = Field(min_length=1, max_length=4000)
