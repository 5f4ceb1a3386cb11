"""The audit trail in sentences: who may use the instrument, its records, and its own start and end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import url_for
from flask_babel import gettext, ngettext
from markupsafe import Markup, escape

from appliance.accounts.lockout import Wanted, Way
from appliance.accounts.roles import Permission, Role
from appliance.audit import Entry
from appliance.instrument_on_trail import ENDED, RESTORED, STARTED
from web.access import may_here
from web.audit_parts import say, short
from web.navigation import ROLES

Link = Callable[[str], Markup]
"""Gives a run's id as a link."""


def _signed_in(entry: Entry, _: Link) -> Markup:
    said = {
        Way.PIN: gettext("Signed in, by PIN."),
        Way.PASSWORD: gettext("Signed in, by password."),
        Way.FROM_AFAR: gettext("Signed in from another machine, by password."),
    }
    return escape(said[Way(entry.details["how"])])


def _refused(entry: Entry, _: Link) -> Markup:
    if entry.who == "?":
        return escape(gettext("A sign-in was refused: nobody here has the name that was given."))
    way, wanted = Way(entry.details["how"]), Wanted(entry.details.get("for", Wanted.SIGN_IN))
    return say(_REFUSED[wanted]()[way], name=entry.who)


_REFUSED: Mapping[Wanted, Callable[[], Mapping[Way, str]]] = {
    Wanted.SIGN_IN: lambda: {
        Way.PIN: gettext("A sign-in as {name} was refused: the PIN did not fit."),
        Way.PASSWORD: gettext("A sign-in as {name} was refused: the password did not fit."),
        Way.FROM_AFAR: gettext(
            "A sign-in as {name} from another machine was refused: the password did not fit."
        ),
    },
    Wanted.SIGNATURE: lambda: {
        Way.PIN: gettext("A signature as {name} was refused: the PIN did not fit."),
        Way.PASSWORD: gettext("A signature as {name} was refused: the password did not fit."),
        Way.FROM_AFAR: gettext(
            "A signature as {name} from another machine was refused: the password did not fit."
        ),
    },
    Wanted.CHANGE: lambda: {
        Way.PIN: gettext("A new PIN for {name} was refused: the old PIN did not fit."),
        Way.PASSWORD: gettext("A new password or PIN for {name} was refused: the old password did not fit."),
        Way.FROM_AFAR: gettext(
            "A new password or PIN for {name} from another machine was refused: the old password did not fit."
        ),
    },
}


def _account(entry: Entry, _: Link) -> Markup:
    details, name = entry.details, entry.subject
    if "added" in details:
        sentence = (
            gettext("Made the first account, {name}, as {role}.")
            if details.get("first")
            else gettext("Made the account {name}, as {role}.")
        )
        return say(sentence, name=name, role=_role(details["added"]))
    changed = [
        *([gettext("the role is %(role)s now", role=_role(details["role"]))] if "role" in details else []),
        *([gettext("a new password")] if "password" in details else []),
        *([gettext("a new PIN")] if "pin" in details else []),
    ]
    if "disabled" in details:
        changed.append(gettext("it was closed") if details["disabled"] else gettext("it was opened again"))
    if not changed:
        return say(gettext("Ended the sessions of {name}."), name=name)
    sentence = (
        gettext("Changed their own account: {changed}.")
        if entry.who == name
        else gettext("Changed the account {name}: {changed}.")
    )
    return say(sentence, name=name, changed=", ".join(changed))


def _token(entry: Entry, _: Link) -> Markup:
    if "revoked" in entry.details:
        return say(gettext("Took the token {token} back."), token=entry.subject)
    days = ngettext("%(num)s day", "%(num)s days", entry.details["days"])
    sentence = gettext("Made the token {token} for a program, as {role}, for {days}.")
    return say(sentence, token=entry.subject, role=_role(entry.details["added"]), days=days)


def _watching_link(entry: Entry, link: Link) -> Markup:
    details, run = entry.details, link(entry.subject)
    if "opened" in details:
        return say(gettext("Opened a link that shows run {run}."), run=run)
    if "ended" in details:
        return say(gettext("Ended link {link}, which showed run {run}."), link=details["ended"], run=run)
    hours = ngettext("%(num)s hour", "%(num)s hours", details["hours"])
    return say(gettext("Made a link with which a phone watches run {run} for {hours}."), run=run, hours=hours)


def _calibration(entry: Entry, _: Link) -> Markup:
    name = escape(entry.subject)
    if may_here(Permission.SERVICE):
        address = url_for("service.calibration", name=entry.subject)
        name = Markup('<a href="{}">{}</a>').format(address, entry.subject)
    sentence = {
        "in force": gettext("Put the calibration {name} in force."),
        "on record": gettext("Measured the calibration {name}; it is on record."),
        "imported": gettext("Imported the calibration {name}; it is on record."),
    }[entry.details["step"]]
    return say(sentence, name=name)


def _backup(entry: Entry, _: Link) -> Markup:
    runs = ngettext("%(num)s run", "%(num)s runs", entry.details["runs"])
    return say(gettext("Made the backup {name}, of {runs}."), name=entry.subject, runs=runs)


def _labelled(entry: Entry, _: Link) -> Markup:
    details = entry.details
    if "made" in details:
        sentence = gettext("Made the set {set} of cells to train with.")
    elif "withdrawn" in details:
        sentence = (
            gettext("Withdrew what belongs to the set {set} of labelled cells.")
            if details["withdrawn"]
            else gettext("Put back what was withdrawn of the set {set} of labelled cells.")
        )
    elif any(key.startswith("imported") for key in details):
        sentence = gettext("Imported labelled cells into the set {set}.")
    else:
        sentence = gettext("Worked on the set {set} of labelled cells.")
    return say(sentence, set=short(entry.subject))


def _started(entry: Entry, _: Link) -> Markup:
    said = say(gettext("The instrument started, version {version}."), version=entry.details["version"])
    if entry.details["in order before"]:
        return said
    before = gettext("Before that it ended without saying so: a power cut, a failure, or it was killed.")
    return said + " " + escape(before)


def _always(sentence: Callable[[], str]) -> Callable[[Entry, Link], Markup]:
    return lambda entry, _: say(sentence(), name=entry.subject)


def _role(name: str) -> str:
    return str(ROLES[Role(name)]) if name in list(Role) else name


SAID: Mapping[str, Callable[[Entry, Link], Markup]] = {
    "sign-in": _signed_in,
    "sign-in refused": _refused,
    "sign-out": _always(lambda: gettext("Signed out.")),
    "account": _account,
    "token": _token,
    "link": _watching_link,
    "calibration": _calibration,
    "backup": _backup,
    RESTORED: _always(lambda: gettext("Put the backup {name} back.")),
    "label": _labelled,
    "service begun": _always(lambda: gettext("Took the microscope in hand, for service.")),
    "service ended": _always(lambda: gettext("Let go of the microscope.")),
    STARTED: _started,
    ENDED: _always(lambda: gettext("The instrument ended in order.")),
}
"""What each kind of row says in a sentence; it raises for a row that has not the details of its kind."""
