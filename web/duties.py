"""What a role may do, in the page's words: one line beside the place where it is given."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import LazyString, gettext, lazy_gettext

from appliance.accounts.roles import ALLOWED, FOR_PROGRAMS, Permission, Role

DUTIES: Mapping[Permission, LazyString] = {
    Permission.WATCH: lazy_gettext("see counts and results"),
    Permission.COUNT: lazy_gettext("start and stop counts"),
    Permission.REVIEW: lazy_gettext("give cells other labels"),
    Permission.SIGN: lazy_gettext("sign results"),
    Permission.SEE_IDENTITY: lazy_gettext("see whole sample numbers"),
    Permission.EXPORT: lazy_gettext("take out reports and tables"),
    Permission.LABEL: lazy_gettext("label cells to train with"),
    Permission.QC: lazy_gettext("do the daily quality control"),
    Permission.SERVICE: lazy_gettext("calibrate and look after the microscope"),
    Permission.BACK_UP: lazy_gettext("take a copy of the database"),
    Permission.ADMINISTER: lazy_gettext("make accounts and tokens"),
    Permission.AUDIT: lazy_gettext("read who did what"),
}


def may_do(role: Role | str, *, program: bool = False) -> str:
    """Return what a person of that role, or a program with a token of it, may do."""
    allowed = ALLOWED[Role(role)] & (FOR_PROGRAMS if program else frozenset(Permission))
    if allowed == frozenset(Permission):
        return str(gettext("everything"))
    return ", ".join(str(DUTIES[each]) for each in Permission if each in allowed)
