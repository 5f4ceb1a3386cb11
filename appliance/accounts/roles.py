"""Roles and what each may do. What is not listed is denied."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Permission(StrEnum):
    """One thing that somebody may do."""

    WATCH = "watch"  # the live tally and finished runs
    COUNT = "count"  # start, pause, resume, stop
    REVIEW = "review"  # read cells anew, write notes
    SIGN = "sign"
    SEE_IDENTITY = "see_identity"  # the sample's number, unmasked
    EXPORT = "export"  # reports, tables, pictures
    LABEL = "label"  # make a set of cells to train with
    QC = "qc"  # the daily control
    SERVICE = "service"  # calibrate, jog, camera, self-test, logs
    BACK_UP = "back_up"  # take a copy of the database out, with every sample's number
    ADMINISTER = "administer"  # accounts, tokens
    AUDIT = "audit"  # read the trail


class Role(StrEnum):
    """What a person is at this instrument."""

    OPERATOR = "operator"
    REVIEWER = "reviewer"
    VIEWER = "viewer"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"


P = Permission
ALLOWED: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({P.WATCH}),
    Role.OPERATOR: frozenset({P.WATCH, P.COUNT, P.SEE_IDENTITY, P.QC, P.EXPORT}),
    Role.REVIEWER: frozenset({P.WATCH, P.COUNT, P.REVIEW, P.SIGN, P.SEE_IDENTITY, P.EXPORT, P.LABEL, P.QC}),
    Role.ENGINEER: frozenset({P.WATCH, P.COUNT, P.SERVICE, P.QC, P.AUDIT}),
    Role.ADMINISTRATOR: frozenset(P),
}


FOR_PROGRAMS = frozenset({P.WATCH, P.COUNT, P.SEE_IDENTITY, P.EXPORT})
"""What a token may do at most: a signature, a label, a calibration are a person's."""


def may(role: Role, permission: Permission) -> bool:
    """Whether a role may do it."""
    return permission in ALLOWED[role]
