"""What a report says of a run: as it was signed, or as review has it now, or as the machine left it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.errors import ApplianceRefused
from appliance.record_number import masked
from appliance.reports.course import Course, course_of
from appliance.review.case import Case, open_case
from appliance.review.notes import Note, notes
from appliance.review.signature import Signature, Standing, signatures, standing, verify
from appliance.run import State
from appliance.stopping import LOOK_CONFIDENCE
from appliance.store import Store
from appliance.store_records import RunRecord
from appliance.tally import Tally

DOUBTED = f"{100 * LOOK_CONFIDENCE:g} % interval"
LOOK_INTERVAL = (
    f"The {DOUBTED} is the one by which a count ends or goes on; the differential has 95 % limits."
)
REPRESENTATIVES = 2  # of each label


@dataclass(frozen=True, slots=True)
class Pictured:
    """A cell of which a report shows the picture. png: 96 × 96, RGB."""

    label: str
    probability: float
    png: bytes


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a report shows of a run. cells: in clinical order.  slide: the JPEG of the slide that was looked over."""

    cells: Sequence[Pictured]
    slide: bytes | None


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that a report of one run says.

    sample: the sample's number, masked or not; empty where nobody gave one.  tally: the reviewed one where there was a
    review.  case, standing: None for a run that cannot be reviewed; then why_not says why.
    problems: what does not agree with what was signed.  course: when it stood still, and ended.
    """

    run: RunRecord
    sample: str
    tally: Tally
    case: Case | None
    standing: Standing | None
    why_not: str
    signed: Sequence[Signature]
    problems: Sequence[str]
    notes: Sequence[Note]
    skipped: int
    fields: int
    course: Course

    @property
    def ended(self) -> str:
        """Why the count ended. The machine's sentence on its own count is said to be that where people changed it."""
        reason = self.run.reason
        if self.case is not None and self.case.history and self.run.state is State.COMPLETED:
            reason = f"The machine, before review: {reason}"
        return f"{reason} {LOOK_INTERVAL}" if DOUBTED in reason else reason

    @property
    def status(self) -> str:
        """What the result is worth, in a sentence."""
        if self.standing is None:
            return self.why_not
        return str(self.standing)


def result_of(store: Store, run: str, *, unmasked: bool) -> Result:
    """Return it. unmasked: whether the sample's number is shown whole. Raises ApplianceRefused for no such run."""
    record = store.run(run)
    number = store.record_number(record.id)
    case, why_not = _case(store, record)
    signed = signatures(store, record.id)
    tally = store.tally(record.id) if case is None else case.tally
    return Result(
        run=record,
        sample="" if number is None else number if unmasked else masked(number),
        tally=tally,
        case=case,
        standing=None if case is None else standing(case, signed),
        why_not=why_not,
        signed=signed,
        problems=() if case is None else tuple(verify(store, case).problems),
        notes=notes(store, record.id),
        skipped=sum(store.skipped(record.id).values()),
        fields=store.fields_counted(record.id),
        course=course_of(store.states(record.id)),
    )


def said_of_review(result: Result) -> list[str]:
    """Return what people made of a run, in sentences: where it stands, and how far it is from the machine's count."""
    if result.case is None:
        return []
    case = result.case
    changed = sum(cell.changed for cell in case.cells)
    said = [str(result.standing), *result.problems]
    if changed:
        counted, machine = case.tally.counted, case.machine_tally.counted
        cells = "1 cell has" if changed == 1 else f"{changed} cells have"
        said.append(f"After review {cells} another label: {counted} counted, {machine} by the machine.")
    elif not case.history:
        said.append("Not reviewed: this is the machine's count.")
    return said


def _case(store: Store, record: RunRecord) -> tuple[Case | None, str]:
    try:
        return open_case(store, record.id), ""
    except ApplianceRefused as refusal:
        return None, str(refusal)


def pictures_of(store: Store, result: Result) -> Pictures:
    """Return what its report shows: the surest cells of every label that counts, and the slide."""
    survey = store.survey(result.run.id)
    cells = [] if result.case is None else result.case.cells
    surest = sorted(cells, key=lambda cell: -cell.probability)
    found: list[Pictured] = []
    for row in result.tally.rows:
        for cell in [each for each in surest if each.label == row.label][:REPRESENTATIVES]:
            with contextlib.suppress(ApplianceRefused):  # a run that kept no pictures
                found.append(Pictured(row.short, cell.probability, store.patch(cell.id)))
    return Pictures(tuple(found), None if survey is None else survey.picture)
