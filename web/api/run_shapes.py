"""The shapes of what the API says of runs on record."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.view import FieldsView
from web.api.review_shapes import NoteSaid, StandingSaid, TallySaid
from web.api.shapes import RunPath
from web.run_list import A_PAGE, FARTHEST

MOST_RUNS = 100
MOST_CELLS = 500
StateName = Literal["preparing", "counting", "paused", "completed", "insufficient", "stopped", "failed"]


class Skipping(BaseModel):
    """Where a page begins."""

    model_config = ConfigDict(extra="forbid")

    skip: int = Field(default=0, ge=0, le=FARTHEST, description="How many to leave out before the first.")


class RunsWanted(Skipping):
    """Which runs: of a state, begun on these days of the laboratory's zone, both included."""

    limit: int = Field(default=A_PAGE, ge=1, le=MOST_RUNS)
    state: StateName | None = None
    since: date | None = None
    until: date | None = None


class CellsWanted(Skipping):
    """Which cells."""

    limit: int = Field(default=MOST_CELLS, ge=1, le=MOST_CELLS)


class ExportPath(RunPath):
    """What of which run. ome-tiff: its fields, as long as their pictures are kept."""

    kind: Literal["pdf", "csv", "json", "ome-tiff"]


class ExportWanted(BaseModel):
    """Whether the sample's number stands in it whole; for who may see it."""

    model_config = ConfigDict(extra="forbid")

    whose: Literal["yes", "no"] = "no"


class BriefSaid(BaseModel):
    """Where a run stands. reviewed: whether people signed it, or gave a label.

    said: in a few words.  status: of its last signature; null without one.  by: who gave that, or else the last label.
    changed: it is no longer what was signed.  relabelled: cells with another label than the machine's.
    counted, unidentified: after review.  These four are null where this version cannot read the run.
    Who reads the run blind is told the machine's counts alone; then reviewed, status, changed and relabelled are null.
    """

    run: str
    reviewed: bool | None
    said: str
    status: Literal["preliminary", "final", "amended"] | None
    by: str
    changed: bool | None
    relabelled: int | None
    counted: int | None
    unidentified: int | None


class RunListed(BriefSaid):
    """A run in a list. sample: its number, masked unless who asks may see it; empty where nobody gave one.

    qc: counted for quality control, so no result of a patient.  problem: why this version cannot read it.
    """

    started: str
    state: str
    specimen: str | None
    camera: str
    simulated: bool
    sample: str
    qc: bool
    problem: str | None


class RunsSaid(BaseModel):
    """Runs, the newest first. next: what to skip for those after them; null after the last."""

    runs: list[RunListed]
    next: int | None


class RunSaid(BaseModel):
    """A run with its result, as review has it now.

    ended: whether the count has.  tally: the reviewed one where there can be a review, with the machine's counts.
    standing: null where it cannot be reviewed; then why_not says why.
    problems: what does not agree with what was signed.  use: what the result is for.
    """

    run: str
    state: str
    reason: str
    ended: bool
    started: str
    specimen: str
    panel: str
    sample: str
    simulated: bool
    camera: str
    engine: str
    weights: str
    um_per_px: float
    calibration: str
    calibration_source: str
    version: str
    marks: list[str]
    fields: FieldsView
    tally: TallySaid
    standing: StandingSaid | None
    why_not: str
    problems: list[str]
    notes: list[NoteSaid]
    use: str


class CellListed(BaseModel):
    """A cell of a run. x, y: px of its field's frame.  radius_um: as it was detected.

    label: as review has it now; machine, probability: what the machine said, and how surely.  by: who gave the label
    of now; empty for the machine.  All of these are null where its window left the field.
    """

    cell: int
    field: int
    x: float
    y: float
    radius_um: float
    label: str | None
    machine: str | None
    probability: float | None
    by: str
    counted: bool
    findings: list[str]


class CellsSaid(BaseModel):
    """Cells in the order in which they were found. next: what to skip for those after them; null after the last."""

    cells: list[CellListed]
    next: int | None
