"""Why a count is complete, in the reader's language and numbers, by what is on record of it.

A run that goes on says the same (static/run_words.js).
"""

from __future__ import annotations

from flask_babel import format_decimal, gettext

from appliance.cause import Cause
from appliance.reports.result import Result
from appliance.run import State
from appliance.stopping import Doubt, doubts_of, enough_said, looks, most_said
from appliance.tally import Tally


def ending_said(result: Result) -> str:
    """Return it; empty where only the run's own sentence can tell (`Result.ended`).

    Only what would be said in the very words on record is put into others: rules of another version decided otherwise.
    """
    run, case = result.run, result.case
    machine = result.tally if case is None else case.machine_tally
    least, most = run.plan.min_cells, run.plan.max_cells
    aim = max((number for number in looks(least, most) if number <= machine.counted), default=least)
    if run.state is not State.COMPLETED:
        return ""
    if run.cause is Cause.ENOUGH and run.reason == enough_said(machine, aim):
        said = _enough(machine, aim)
    elif run.cause is Cause.MOST and run.reason == most_said(machine, most):
        said = _most(machine, most)
    else:
        return ""
    if case is not None and case.history:
        said = str(gettext("The machine, before review: {reason}")).format(reason=said)
    if run.cause is Cause.MOST and doubts_of(machine):
        limits = gettext(
            "The 99 %% limits are those by which a count ends or goes on; the differential has 95 %% limits."
        )
        said = f"{said} {_percent_signs(limits)}"
    return said


def _enough(machine: Tally, aim: int) -> str:
    if machine.rules.watched:
        sentence = gettext(
            "{counted} cells are counted; {aim} are enough: no watched percentage is in doubt."
        )
    else:
        sentence = gettext("{counted} cells are counted; {aim} are enough.")
    return str(sentence).format(counted=machine.counted, aim=aim)


def _most(machine: Tally, most: int) -> str:
    if machine.counted > most:
        sentence = gettext(
            "{counted} cells are counted; a count ends at {max_cells}, and its last field counts whole."
        )
    else:
        sentence = gettext("{counted} cells are counted; a count ends at {max_cells}.")
    said = str(sentence).format(counted=machine.counted, max_cells=most)
    if doubts := doubts_of(machine):
        near = ", ".join(_doubt(each) for each in doubts)
        said += " " + str(gettext("Still in doubt: {near}.")).format(near=near)
    return said


def _doubt(doubt: Doubt) -> str:
    sentence = gettext("{cell} {percent} %% (99 %% limits {low} – {high}) is near {limits} %%")
    limits = f" {gettext('or')} ".join(format_decimal(limit, "0.###") for limit in doubt.limits)
    tenths = {
        name: format_decimal(value, "0.0")
        for name, value in (("percent", doubt.percent), ("low", doubt.low), ("high", doubt.high))
    }
    return _percent_signs(sentence).format(cell=gettext(doubt.title), limits=limits, **tenths)


def _percent_signs(sentence: str) -> str:
    return sentence.replace("%%", "%")
