"""One run at a time, and one slide: what may be asked of the run in hand, and what would mix two patients.

A paused run keeps its slide, and the map of it, until it ends: whoever resumed it after another count would count on
that one's slide. So nothing else begins while a run is paused, and only the run in hand is resumed.
"""

from __future__ import annotations

from appliance.errors import ApplianceRefused
from appliance.run import State
from appliance.run_in_hand import RunInHand
from appliance.store_records import RunRecord


def busy(run: RunInHand | None) -> str | None:
    """Return why a run that goes on keeps another from it; None where none does."""
    if run is None or not run.busy:
        return None
    return f"The run {run.record.id} is {run.run.state}. One run at a time: wait for its end, or stop it."


def paused(run: RunInHand | None) -> str | None:
    """Return why a paused run keeps everything else from beginning; None where none is paused."""
    if run is None or run.run.state is not State.PAUSED:
        return None
    return (
        f"The run {run.record.id} is paused, and its slide must stay where it lies. "
        "Resume it to its end, or stop it."
    )


def to_resume(run: RunInHand | None, record: RunRecord | None) -> RunInHand:
    """Return the paused run in hand. record: of the run that is meant, where somebody says.

    Raises ApplianceRefused where there is none, or another one is meant.
    """
    if run is None:
        raise ApplianceRefused("There is no paused run. Start a new one.")
    state = run.run.state
    if record is not None and record.id != run.record.id:
        state = record.state
        if not state.ended:
            refuse_another(run, record)
    if state is not State.PAUSED:
        raise ApplianceRefused(
            f"The run {(record or run.record).id} is {state}; only a paused run can be resumed."
        )
    return run


def refuse_another(run: RunInHand, record: RunRecord) -> None:
    """Raise ApplianceRefused unless the run that somebody means is the one in hand."""
    if record.id != run.record.id:
        raise ApplianceRefused(
            f"The run {record.id} is not the one in hand: by now that is {run.record.id}. Look at the page again."
        )
