"""What keeps a result from being signed, or asks for a note, in parts, so that a page can say it in any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.review.case import Case
from appliance.run import State

QUALITY_CONTROL = "This run was counted for quality control: it is no result of a patient, and is not signed."
STOPPED = "This count was stopped: a stopped count is no result, and is not signed. Count the slide anew."
ONE_UNIDENTIFIED = "1 cell is unidentified. Give it a label, then sign."
UNIDENTIFIED = "{count} cells are unidentified. Give each a label, then sign."
NO_CELL = "No cell of this run counts. There is nothing to sign: count another smear."
NOT_COMPLETED = "The run is {state}, not completed: {counted} of at least {least} cells are counted."
TOO_FEW = "After review {counted} of at least {least} cells are counted."
ONLY_PRELIMINARY = "Only a preliminary result can be signed of it, and {who} has signed it as {status}."
SIGNED = "{who} has signed it as {status}. To amend it, change a label first."
AMENDS = "Say why the signed result is amended."


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence, or two. sentence: one of this module's.  values: what stands in its {places}; none without any."""

    sentence: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    def __str__(self) -> str:
        """In English."""
        return self.sentence.format(**self.values)


def obstacle(case: Case) -> Phrase | None:
    """Return why nothing can be signed at all; None where something can."""
    if case.run.plan.qc:
        return Phrase(QUALITY_CONTROL)
    if case.run.state is State.STOPPED:
        return Phrase(STOPPED)
    if n := case.tally.unidentified:
        return Phrase(ONE_UNIDENTIFIED) if n == 1 else Phrase(UNIDENTIFIED, {"count": n})
    return None if case.tally.counted else Phrase(NO_CELL)


def shortfall(case: Case) -> Phrase | None:
    """Return why a result is less than was planned; None where it is not."""
    cells = {"counted": case.tally.counted, "least": case.run.plan.min_cells}
    if case.run.state is not State.COMPLETED:
        return Phrase(NOT_COMPLETED, {"state": str(case.run.state), **cells})
    return None if enough(case) else Phrase(TOO_FEW, cells)


def enough(case: Case) -> bool:
    """Whether as many cells count as were asked for at least."""
    return case.tally.counted >= case.run.plan.min_cells
