"""The audit trail in sentences: what happened, to which run, from what to what, and who did it.

A row is never changed for that, and stands whole below its sentence. A row of a kind that is not known here, or that
has not the details of its kind, is shown as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app, url_for
from flask_babel import LazyString, gettext, lazy_gettext, ngettext
from markupsafe import Markup, escape

from appliance.accounts.roles import Permission
from appliance.audit import HERE, INSTRUMENT, Entry
from appliance.errors import ApplianceRefused
from appliance.instrument_on_trail import ENDED, RESTORED, STARTED
from appliance.store import Store
from models import ModelRefused
from models.panel import UNIDENTIFIED, load_panel
from web import audit_account_words
from web.access import may_here
from web.audit_parts import say, short
from web.blind import read_blind
from web.standing_words import STATUSES

log = logging.getLogger(__name__)

KINDS: Mapping[str, LazyString] = {
    "sign-in": lazy_gettext("Sign-in"),
    "sign-in refused": lazy_gettext("Sign-in refused"),
    "sign-out": lazy_gettext("Sign-out"),
    "start": lazy_gettext("Count started"),
    "pause": lazy_gettext("Count paused"),
    "resume": lazy_gettext("Count let go on"),
    "stop": lazy_gettext("Count stopped"),
    "reclassify": lazy_gettext("Changed labels"),
    "second reading": lazy_gettext("Second reading"),
    "sign": lazy_gettext("Signature"),
    "note": lazy_gettext("Note"),
    "export": lazy_gettext("Export"),
    "calibration": lazy_gettext("Calibration"),
    "quality control": lazy_gettext("Quality control"),
    "label": lazy_gettext("Labelling"),
    "service begun": lazy_gettext("Service begun"),
    "service ended": lazy_gettext("Service ended"),
    "account": lazy_gettext("Account"),
    "token": lazy_gettext("Token"),
    "link": lazy_gettext("Watching link"),
    "backup": lazy_gettext("Backup"),
    RESTORED: lazy_gettext("Backup put back"),
    STARTED: lazy_gettext("Instrument started"),
    ENDED: lazy_gettext("Instrument ended"),
}
NOBODY = "?"


@dataclass(frozen=True, slots=True)
class Line:
    """An entry for a person. said: the sentence.  run: the whole id of the run that it is of; empty for none.

    details: the row's own; none where the reader must not see a label of that run.
    """

    entry: Entry
    who: str
    said: Markup
    run: str
    details: Mapping[str, Any]


class AuditWords:
    """Puts entries of a store's trail into words, for who asks now."""

    def __init__(self, store: Store) -> None:
        """Look up there what a row does not hold."""
        self._store = store
        self._blind = read_blind(store)
        self._runs: dict[str, str | None] = {}  # the panel's name by run; None for what is no run
        self._by_kind: Mapping[str, Callable[[Entry], Markup]] = {
            "reclassify": self._reclassify,
            "second reading": self._second_reading,
            "sign": self._sign,
            "export": self._export,
            "quality control": self._control,
        }

    def line(self, entry: Entry) -> Line:
        """Return one entry in words. No row is ever changed or deleted: none may take the page away."""
        hidden = entry.subject in self._blind and entry.what == "reclassify"
        details, run, who = {} if hidden else entry.details, "", person_word(entry.who)
        try:
            run = "" if self._panel(entry.subject) is None else entry.subject
            who, said = who_word(entry), self._said(entry)
        except Exception:  # noqa: BLE001 written by another version, or odd in a way that nobody thought of
            log.info("a row of the audit trail is shown as it is: %s", entry.what)
            said = say("{what} {subject}", what=kind_word(entry.what), subject=short(entry.subject))
        return Line(entry, who, said, run, details)

    def _said(self, entry: Entry) -> Markup:
        if (own := self._by_kind.get(entry.what)) is not None:
            return own(entry)
        if (sentence := OF_A_RUN.get(entry.what)) is not None:
            return say(str(sentence), run=self._link(entry.subject))
        return audit_account_words.SAID[entry.what](entry, self._link)

    def _link(self, run: str) -> Markup:
        """Return a run's short id, as a link where the reader may open the run."""
        if (
            self._panel(run) is None
            or not may_here(Permission.WATCH)
            or "runs.run" not in current_app.view_functions
        ):
            return escape(short(run))
        return Markup('<a href="{}">{}</a>').format(url_for("runs.run", run=run), short(run))

    def _panel(self, run: str) -> str | None:
        if run not in self._runs:
            rows = self._store.rows("SELECT id FROM runs WHERE id = ?", run)
            self._runs[run] = self._panel_of(run) if rows else None
        return self._runs[run]

    def _panel_of(self, run: str) -> str:
        try:
            return self._store.run(run).plan.panel
        except (
            ApplianceRefused,
            ModelRefused,
            ValueError,
        ):  # of another version: its labels keep their short names
            return ""

    def _reclassify(self, entry: Entry) -> Markup:
        run, details = self._link(entry.subject), entry.details
        cells = len(details["cells"])
        number = ngettext("%(num)s cell", "%(num)s cells", cells)
        if entry.subject in self._blind:
            return say(gettext("Changed {cells} of run {run}; you read it blind."), cells=number, run=run)
        changes = self._changes(entry)
        if details.get("undoes"):
            sentence = gettext("Took back a change of {cells} of run {run}: {changes}.")
        elif details["reading"] == "second":
            sentence = gettext("Named {cells} of run {run} in the second reading: {changes}.")
        else:
            sentence = gettext("Changed {cells} of run {run}: {changes}.")
        return say(sentence, cells=number, run=run, changes=changes)

    def _changes(self, entry: Entry) -> str:
        """Return from what to what, and how many of each; what they are now, where the store has it no more."""
        rows = self._store.rows(
            "SELECT label_from, label_to, count(*) AS cells FROM reclassifications WHERE run = ? AND batch = ? "
            "GROUP BY label_from, label_to ORDER BY cells DESC, label_from, label_to",
            entry.subject,
            entry.details["batch"],
        )
        titles = self._titles(entry.subject)

        def named(label: str | None) -> str:
            if label is None:
                return str(gettext("no label yet"))
            return titles.get(label) or label.replace("_", " ")

        if not rows:
            return f"→ {', '.join(named(label) for label in entry.details['to'])}"
        several = len(rows) > 1
        return "; ".join(
            f"{named(row['label_from'])} → {named(row['label_to'])}"
            + (f" ({row['cells']})" if several else "")
            for row in rows
        )

    def _titles(self, run: str) -> Mapping[str, str]:
        panel = self._panel(run)
        try:
            labels = load_panel(panel).labels if panel else ()
        except ModelRefused:
            return {}
        return {label.name: gettext(label.title) for label in labels} | {
            UNIDENTIFIED: gettext("unidentified")
        }

    def _second_reading(self, entry: Entry) -> Markup:
        finished = entry.details["step"] == "finished"
        sentence = (
            gettext("Finished the second reading of run {run}: {cells}.")
            if finished
            else gettext("Began a second reading of run {run}: {cells}.")
        )
        cells = ngettext("%(num)s cell", "%(num)s cells", entry.details["cells"])
        return say(sentence, run=self._link(entry.subject), cells=cells)

    def _sign(self, entry: Entry) -> Markup:
        status = STATUSES.get(entry.details["status"], entry.details["status"])
        return say(gettext("Signed run {run} as {status}."), run=self._link(entry.subject), status=status)

    def _export(self, entry: Entry) -> Markup:
        details = entry.details
        if entry.subject == "diagnostics":
            return escape(gettext("Took the diagnostics bundle out."))
        if "layout" in details:
            sentence = gettext("Took the set {set} of labelled cells out, as {kind}.")
            return say(sentence, set=short(entry.subject), kind=details["layout"])
        sentence = {
            "whole": gettext("Took run {run} out as {kind}, with the whole sample number."),
            "masked": gettext("Took run {run} out as {kind}, the sample number masked."),
            "none": gettext("Took run {run} out as {kind}; it has no sample number."),
        }.get(details.get("identity", ""), gettext("Took run {run} out as {kind}."))
        return say(sentence, run=self._link(entry.subject), kind=details["kind"].upper())

    def _control(self, entry: Entry) -> Markup:
        details, run = entry.details, self._link(entry.subject)
        if "passed" not in details:
            return say(
                gettext("Went over field {field} of the control {run}."), field=details["field"], run=run
            )
        sentence = (
            gettext(
                "Recorded a quality control that passed: {located} located, {missed} missed, {others} no cells."
            )
            if details["passed"]
            else gettext(
                "Recorded a quality control that failed: {located} located, {missed} missed, {others} no cells."
            )
        )
        numbers = {
            "located": details["located"],
            "missed": details["missed"],
            "others": details["false finds"],
        }
        said = say(sentence, **numbers)
        return said if not entry.subject else said + say(" ({run})", run=run)


OF_A_RUN: Mapping[str, LazyString] = {
    "start": lazy_gettext("Started run {run}."),
    "pause": lazy_gettext("Paused run {run}."),
    "resume": lazy_gettext("Let run {run} go on."),
    "stop": lazy_gettext("Stopped run {run}."),
    "note": lazy_gettext("Wrote a note on run {run}."),
}


def kind_word(what: str) -> str:
    """Return what a kind of entry is called, for a person."""
    return str(KINDS.get(what, what))


def who_word(entry: Entry) -> str:
    """Return who did it: a login name, or in words what is no person."""
    if entry.who == NOBODY and "opened" in entry.details:
        return str(gettext("a phone, by link %(link)s", link=entry.details["opened"]))
    return person_word(entry.who)


def person_word(who: str) -> str:
    """Return in words what is no login name."""
    if who.startswith("token "):
        return str(gettext("a program, by token %(token)s", token=who.removeprefix("token ")))
    words = {
        NOBODY: gettext("nobody known"),
        HERE: gettext("command line"),
        INSTRUMENT: gettext("the instrument"),
    }
    return str(words.get(who, who))
