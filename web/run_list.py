"""A page of the runs on record, as review has them now: for the page and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask_babel import gettext

from appliance.accounts.roles import Permission
from appliance.record_number import masked
from appliance.review.listed import Listed, listed
from appliance.review.signature import Status
from appliance.run import State
from appliance.store import Store
from web.access import may_here
from web.blind import read_blind

A_PAGE = 25
FARTHEST = 10**9
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2999, 12, 31)  # beyond, zones end in no moment


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs. state: empty for any.  since, until: days in the laboratory's zone, both included.

    ids: those that a search found, which may be none; None for any.
    """

    state: str = ""
    since: date | None = None
    until: date | None = None
    ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, the newest first, each with its sample's number as who asks may see it. older: where to go on from."""

    runs: Sequence[tuple[Listed, str]]
    older: int | None


def run_page(store: Store, wanted: Wanted, skip: int = 0, at_most: int = A_PAGE) -> RunPage:
    """Return a page of the runs that are wanted."""
    since = None if wanted.since is None else _begin(min(wanted.since, LAST_DAY))
    before = None if wanted.until is None else _begin(min(wanted.until, LAST_DAY) + timedelta(days=1))
    found = store.runs(at_most + 1, skip, state=wanted.state, since=since, before=before, ids=wanted.ids)
    shown = listed(store, found[:at_most], read_blind(store))
    runs = [(one, sample_here(store, one.run.id)) for one in shown]
    return RunPage(runs, skip + at_most if len(found) > at_most else None)


def ids_found(store: Store, words: str) -> tuple[Sequence[str], bool]:
    """Return which runs have this sample's number, or an id that begins so: the newest, and whether there are more."""
    found = store.runs(A_PAGE + 1, among=words) if words else []
    return [run.id for run in found[:A_PAGE]], len(found) > A_PAGE


def sample_here(store: Store, run: str) -> str:
    """Return a sample's number, masked or not by who asks; empty where nobody gave one."""
    number = store.record_number(run)
    if number is None:
        return ""
    return number if may_here(Permission.SEE_IDENTITY) else masked(number)


def standing_word(one: Listed) -> str:
    """Return where a run of a list stands, in the person's language."""
    if one.run.qc:
        return str(gettext("quality control"))
    if one.withheld:
        return str(gettext("you read it blind"))
    if one.status is Status.PRELIMINARY:
        return str(gettext("preliminary by %(who)s", who=one.by))
    if one.status is Status.FINAL:
        return str(gettext("final by %(who)s", who=one.by))
    if one.status is Status.AMENDED:
        return str(gettext("amended by %(who)s", who=one.by))
    if one.reviewed:
        return str(gettext("reviewed by %(who)s, not signed", who=one.by))
    has_result = one.run.state in (State.COMPLETED, State.INSUFFICIENT, State.STOPPED)
    return str(gettext("not reviewed")) if has_result else "–"


def _begin(day: date) -> datetime:
    """Return when a day begins in the laboratory's zone."""
    return datetime.combine(max(day, FIRST_DAY), time.min).astimezone()
