"""Where a run stands with its signatures, in the person's language: the sentences of `Standing`."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import LazyString, gettext, lazy_gettext

from appliance.review.signature import Standing, Status

STATUSES: Mapping[str, LazyString] = {
    Status.PRELIMINARY: lazy_gettext("preliminary"),
    Status.FINAL: lazy_gettext("final"),
    Status.AMENDED: lazy_gettext("amended"),
}


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
