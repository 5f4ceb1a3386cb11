"""The shapes of what the API says of a second reading and of agreement, and takes for one."""

from __future__ import annotations

from pydantic import BaseModel, Field

from web.api.review_shapes import LABEL, MOST_CELLS, LabelSaid
from web.api.shapes import Asked


class SecondCell(BaseModel):
    """A cell to be read. label: what the reader has said of it; null: nothing yet."""

    cell: int
    label: str | None


class SecondSaid(BaseModel):
    """The second reading of who asks. begun, finished: when; null before that.

    cells: in the order in which they are shown; none before it is begun.  undoable: the last change that can be undone.
    all: how many cells there are to choose from.
    """

    run: str
    begun: str | None
    finished: str | None
    all: int
    labels: list[LabelSaid]
    cells: list[SecondCell]
    undoable: str | None


class BeginAsked(Asked):
    """A second reading to begin. sample: how many cells to draw; null: all."""

    sample: int | None = Field(default=None, ge=1, le=100_000)


class LabelAsked(Asked):
    """Cells to give a label in one's own second reading."""

    cells: list[int] = Field(min_length=1, max_length=MOST_CELLS)
    to: str = Field(pattern=LABEL)


class KappaSaid(BaseModel):
    """Agreement beyond chance (Cohen's κ). low, high: 95 % limits.  said: why something is null."""

    cells: int
    observed: float | None
    kappa: float | None
    low: float | None
    high: float | None
    said: str


class AgreementSaid(BaseModel):
    """Two readings of the same cells. table: cells by the first's label (rows) and the second's (columns)."""

    labels: list[str]
    table: list[list[int]]
    whole: KappaSaid
    by_label: dict[str, KappaSaid]


class ComparisonSaid(BaseModel):
    """A finished second reading beside the machine and the first reading. said: how it is to be read."""

    second_reader: str
    first_readers: list[str]
    cells: int
    machine_and_first: AgreementSaid
    machine_and_second: AgreementSaid
    first_and_second: AgreementSaid
    said: str


class AgreementsSaid(BaseModel):
    """How the readings of a run agree. machine_and_first: over all cells, as the review is now.

    going_on: second readers who have not finished.
    """

    run: str
    machine_and_first: AgreementSaid
    comparisons: list[ComparisonSaid]
    going_on: list[str]
