"""Where a run stands with its signatures, in the person's language: the sentences of `Standing`."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import LazyString, gettext, lazy_gettext

from appliance.review import obstacles
from appliance.review.obstacles import Phrase
from appliance.review.signature import Standing, Status
from web.languages import STATES

STATUSES: Mapping[str, LazyString] = {
    Status.PRELIMINARY: lazy_gettext("preliminary"),
    Status.FINAL: lazy_gettext("final"),
    Status.AMENDED: lazy_gettext("amended"),
}

OBSTACLES: Mapping[str, LazyString] = {
    obstacles.QUALITY_CONTROL: lazy_gettext(
        "This run was counted for quality control: it is no result of a patient, and is not signed."
    ),
    obstacles.STOPPED: lazy_gettext(
        "This count was stopped: a stopped count is no result, and is not signed. Count the slide anew."
    ),
    obstacles.ONE_UNIDENTIFIED: lazy_gettext("1 cell is unidentified. Give it a label, then sign."),
    obstacles.UNIDENTIFIED: lazy_gettext("{count} cells are unidentified. Give each a label, then sign."),
    obstacles.NO_CELL: lazy_gettext(
        "No cell of this run counts. There is nothing to sign: count another smear."
    ),
    obstacles.NOT_COMPLETED: lazy_gettext(
        "The run is {state}, not completed: {counted} of at least {least} cells are counted."
    ),
    obstacles.TOO_FEW: lazy_gettext("After review {counted} of at least {least} cells are counted."),
    obstacles.ONLY_PRELIMINARY: lazy_gettext(
        "Only a preliminary result can be signed of it, and {who} has signed it as {status}."
    ),
    obstacles.SIGNED: lazy_gettext("{who} has signed it as {status}. To amend it, change a label first."),
    obstacles.AMENDS: lazy_gettext("Say why the signed result is amended."),
}
"""Each by the instrument's own sentence."""


def phrase_said(phrase: Phrase) -> str:
    """Return what keeps a result from being signed, or asks for a note, in the person's language."""
    values = dict(phrase.values)
    for name, words in (("status", STATUSES), ("state", STATES)):
        if name in values:
            values[name] = str(words[str(values[name])])
    return str(OBSTACLES[phrase.sentence]).format(**values)


def standing_sentence(standing: Standing) -> str:
    """Return the sentence; a script says the same (static/review/standing.js)."""
    last = standing.last
    if last is None:
        return str(gettext("Not signed."))
    if not standing.changed:
        sentence = gettext("Signed as {status} by {who}.")
    elif last.status is Status.PRELIMINARY:
        sentence = gettext("Signed as {status} by {who}; changed since it was signed: sign it anew.")
    else:
        sentence = gettext("Signed as {status} by {who}; changed since it was signed: sign an amendment.")
    return str(sentence).format(status=STATUSES[last.status], who=last.who)
