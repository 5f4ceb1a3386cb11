"""What happened to a run that stands still or has ended, and what to do about it: a sentence each, by its cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext

from appliance.cause import Cause


def _(sentence: str) -> str:
    """Mark a sentence for Babel."""
    return sentence


@dataclass(frozen=True, slots=True)
class Advice:
    """Two sentences for whoever stands at the instrument. happened: what the matter is.  do: what to do, in order."""

    happened: str
    do: str


ADVICE: Mapping[Cause, Advice] = {
    Cause.ENOUGH: Advice(
        _("Enough cells are counted."),
        _("Take the slide off, and have the cells reviewed and the result signed."),
    ),
    Cause.MOST: Advice(
        _("As many cells are counted as one count takes."),
        _("Take the slide off, and have the cells reviewed: what is still in doubt is for the reviewer."),
    ),
    Cause.OUT_OF_FIELDS: Advice(
        _("Every field was looked at, and there were too few cells."),
        _("Make another smear of this sample, or a denser one, and start again."),
    ),
    Cause.OUT_OF_CELLS: Advice(
        _("The slide ran out of cells."),
        _("See that the smear lies under the objective, or make a denser one, and start again."),
    ),
    Cause.ALL_SKIPPED: Advice(
        _("No field could be counted: every one was skipped."),
        _("Read why under Details, mend that, and start again."),
    ),
    Cause.NO_FIELDS: Advice(
        _("There is no field to count."),
        _("Put pictures into the folder, or choose another one in the settings, and start again."),
    ),
    Cause.STOPPED: Advice(
        _("A person stopped this count."),
        _("Start again when you are ready: a stopped count is no result and is not resumed."),
    ),
    Cause.PAUSED: Advice(
        _("A person paused this count."),
        _("Leave the slide where it lies, and touch Resume to go on, or Stop to end it."),
    ),
    Cause.POWER_CUT: Advice(
        _("The power was lost, or the instrument was ended; everything counted is kept."),
        _("See that the same slide still lies there, and touch Resume: the stage homes first."),
    ),
    Cause.SHUT_DOWN: Advice(
        _("The instrument was shut down in the middle; everything counted is kept."),
        _("See that the same slide still lies there, and touch Resume: the stage homes first."),
    ),
    Cause.OVERTAKEN: Advice(
        _("Another count began while this one stood still, so its slide was changed."),
        _("Start again with the slide of this sample: what was counted is kept, but it is no result."),
    ),
    Cause.RED_CELLS_DIFFER: Advice(
        _("The red cells are not as wide as the calibration says they should be."),
        _("Check the objective; touch Resume if this patient's may be so, else Stop and calibrate."),
    ),
    Cause.WRONG_SCALE: Advice(
        _("The red cells show that the calibration is not this objective's."),
        _("Put the right objective in, or have an engineer calibrate, and start again."),
    ),
    Cause.NO_SLIDE: Advice(
        _("There is no slide, or nothing on it can be counted."),
        _("Put the slide in with the smear upwards, close the lid, and touch Resume."),
    ),
    Cause.NO_FOCUS: Advice(
        _("The slide cannot be brought into focus."),
        _("Check that the slide lies flat with the smear upwards, that there is oil, and touch Resume."),
    ),
    Cause.SLIDE_MOVED: Advice(
        _("There are no cells where some were seen before: the slide has moved, or focus is far off."),
        _("If the slide was moved, touch Stop and start again; else see that it is held, and Resume."),
    ),
    Cause.DARK: Advice(
        _("The picture is dark: the lamp is off, or something covers the light."),
        _("Switch the lamp on, take away what covers it, close the lid, and touch Resume."),
    ),
    Cause.TOO_BRIGHT: Advice(
        _("Too much light falls on the camera: the lid is open, or the lamp is too bright."),
        _("Close the lid, turn the lamp back to where it was calibrated, and touch Resume."),
    ),
    Cause.NO_PICTURE: Advice(
        _("The camera gives no picture that can be trusted."),
        _("Check the camera's cable and that no other program uses the camera, and touch Resume."),
    ),
    Cause.CAMERA: Advice(
        _("The camera is lost."),
        _("Plug its cable in again at both ends, wait ten seconds, and touch Resume."),
    ),
    Cause.STAGE: Advice(
        _("The stage does not answer."),
        _("Check the stage's power and its cable, wait ten seconds, and touch Resume: it homes first."),
    ),
    Cause.POSITION_LOST: Advice(
        _("The stage does not know any more where it is."),
        _("Take away whatever blocks it, leave the slide in, and touch Resume: it homes first."),
    ),
    Cause.BLOCKED: Advice(
        _("The stage does not go where it is sent."),
        _("Take away what blocks it, see that the slide is held, and touch Resume: it homes first."),
    ),
    Cause.STORE: Advice(
        _("Results cannot be put on record: the disk is full, or fails; what was counted is kept."),
        _("Ask an engineer to make room on the disk or mend it, then touch Resume."),
    ),
    Cause.ANALYSIS_FAILED: Advice(
        _("The pictures could not be analysed."),
        _("Restart the instrument and start again; if it comes back, call an engineer."),
    ),
    Cause.ANALYSIS_SILENT: Advice(
        _("The analysis gave no answer in time."),
        _("Restart the instrument and touch Resume; if it comes back, call an engineer."),
    ),
    Cause.WEIGHTS: Advice(
        _("The networks cannot be used with these pictures."),
        _("Call an engineer: magnification, calibration or weights must change first."),
    ),
    Cause.SETTINGS: Advice(
        _("What the settings or the calibration say does not fit what is there."),
        _("Call an engineer to put it right, and touch Resume, or Stop and start again."),
    ),
    Cause.UNREADABLE: Advice(
        _("This version of Hemadiff cannot read the run."),
        _("Start again with the same slide; an engineer can still read the old run."),
    ),
    Cause.UNEXPECTED: Advice(
        _("Something went wrong that nobody foresaw; everything counted is kept."),
        _("Restart the instrument and touch Resume or start again; call an engineer if it comes back."),
    ),
}
"""There is one for every cause (a test sees to that)."""

MAPPED: Mapping[Cause, str] = {
    Cause.NO_SLIDE: _("If the slide was taken out or moved, touch Stop and start again; else touch Resume."),
    Cause.NO_FOCUS: _("Add oil without moving the slide, and Resume; if it was moved, Stop and start again."),
    Cause.DARK: _("Put the lamp on, leave the slide, and Resume; if it was moved, Stop and start again."),
    Cause.TOO_BRIGHT: _(
        "Close the lid, turn the lamp back, and Resume; if the slide moved, Stop and start again."
    ),
    Cause.NO_PICTURE: _(
        "See to the camera's cable, and Resume; if the slide was moved, Stop and start again."
    ),
    Cause.CAMERA: _(
        "Plug its cable in at both ends, and Resume; if the slide was moved, Stop and start again."
    ),
    Cause.BLOCKED: _("Take away what blocks it, and Resume; if the slide was moved, Stop and start again."),
}
"""What to do instead where the slide was looked over: its map is used again, and holds only where the slide lies."""

UNCHANGED = _("A simulated slide needs no checking: touch Resume.")
SIMULATED: Mapping[Cause, str] = {Cause.POWER_CUT: UNCHANGED, Cause.SHUT_DOWN: UNCHANGED}
"""What to do instead where the slide is simulated."""

NO_MORE: Mapping[Cause, Advice] = {
    Cause.STORE: Advice(
        _("Results cannot be put on record or read: the disk is full, or fails."),
        _("Ask an engineer to make room on the disk or mend it, and start again."),
    ),
    Cause.SETTINGS: Advice(
        ADVICE[Cause.SETTINGS].happened,
        _("Call an engineer to put it right, and start again."),
    ),
    Cause.UNEXPECTED: Advice(
        _("Something went wrong that nobody foresaw, and this count cannot go on."),
        _("Restart the instrument and start again; call an engineer if it comes back."),
    ),
}
"""Instead of what speaks of resuming, where a run has ended by such a cause."""

AGAIN = _("Put that right and start again; call an engineer if it comes back.")
"""The same of every other cause that pauses, should a run end by it."""

PAUSES = frozenset({
    Cause.PAUSED, Cause.POWER_CUT, Cause.SHUT_DOWN, Cause.RED_CELLS_DIFFER, Cause.NO_SLIDE, Cause.NO_FOCUS,
    Cause.SLIDE_MOVED, Cause.DARK, Cause.TOO_BRIGHT, Cause.NO_PICTURE, Cause.CAMERA, Cause.STAGE, Cause.POSITION_LOST,
    Cause.BLOCKED, Cause.ANALYSIS_SILENT,
})  # fmt: skip

UNTROUBLED = frozenset({Cause.ENOUGH, Cause.MOST, Cause.STOPPED, Cause.PAUSED})
"""After these nothing has to be put right."""

RESUMED_BY_OTHERS = _("The operator can resume or stop it at the instrument.")
MENDED_BY_OTHERS = _("The operator puts that right at the instrument, and can then resume or stop the count.")
STARTED_BY_OTHERS = _("The operator can start again at the instrument.")
REVIEWED_NEXT = _("The cells are reviewed, and the result is signed.")
"""What comes next, for who may not count."""


def advice_on(
    cause: Cause | None,
    *,
    ended: bool = False,
    mapped: bool = False,
    simulated: bool = False,
    may_count: bool = True,
) -> Advice | None:
    """Return the advice in the reader's language; None where the run goes on, or is of a version without causes.

    ended: whether the run has.  mapped: whether its slide was looked over, and must lie where it lay.
    simulated: whether the slide is.  may_count: whether the reader's role may start and stop a count.
    """
    if cause is None:
        return None
    said = ADVICE[cause]
    if ended:
        said = NO_MORE.get(cause) or (Advice(said.happened, AGAIN) if cause in PAUSES else said)
    elif simulated and cause in SIMULATED:
        said = Advice(said.happened, SIMULATED[cause])
    elif mapped:
        said = Advice(said.happened, MAPPED.get(cause, said.do))
    if not may_count:
        said = Advice(said.happened, _of_others(cause, ended, simulated))
    return Advice(gettext(said.happened), gettext(said.do))


def _of_others(cause: Cause, ended: bool, simulated: bool) -> str:
    """Return what who may not count waits for."""
    if cause in (Cause.ENOUGH, Cause.MOST):
        return REVIEWED_NEXT
    if ended or cause is Cause.STOPPED:
        return STARTED_BY_OTHERS
    nothing_to_mend = cause in UNTROUBLED or (simulated and cause in SIMULATED)
    return RESUMED_BY_OTHERS if nothing_to_mend else MENDED_BY_OTHERS


def all_advice(may_count: bool = True) -> Mapping[str, Mapping[str, Any]]:
    """Return all of it in the reader's language, by cause, for the live page's script.

    Of each: mend, whether somebody has to put something right, and the advice by how the run stands: paused, paused
    with a map of its slide (mapped), with a simulated slide where that makes a difference, or ended.
    """
    return {
        str(cause): {
            "mend": cause not in UNTROUBLED,
            "paused": _shown(advice_on(cause, may_count=may_count)),
            "mapped": _shown(advice_on(cause, mapped=True, may_count=may_count)),
            "simulated": _shown(advice_on(cause, simulated=True, may_count=may_count))
            if cause in SIMULATED
            else None,
            "ended": _shown(advice_on(cause, ended=True, may_count=may_count)),
        }
        for cause in Cause
    }


def _shown(advice: Advice | None) -> Mapping[str, str]:
    assert advice is not None
    return {"happened": advice.happened, "do": advice.do}
