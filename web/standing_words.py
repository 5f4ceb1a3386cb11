"""Where a run stands with its signatures, in the person's language: the sentences of `Standing`."""

from __future__ import annotations

from flask_babel import gettext

from appliance.review.signature import Standing, Status
from web.audit_words import STATUSES


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
