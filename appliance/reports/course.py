"""When a run began, stood still, went on and ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.run import State


@dataclass(frozen=True, slots=True)
class Break:
    """A run stood still. until: when it went on or ended; None while it stands."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went. breaks: in their order.  ended: None for a run that has not. All UTC."""

    breaks: Sequence[Break] = ()
    ended: datetime | None = None


def course_of(states: Sequence[tuple[State, datetime]]) -> Course:
    """Return it from the states that a run was in, in their order, with when each began."""
    breaks: list[Break] = []
    since: datetime | None = None
    for state, at in states:
        if since is not None and state is not State.PAUSED:
            breaks.append(Break(since, at))
            since = None
        elif since is None and state is State.PAUSED:
            since = at
    if since is not None:
        breaks.append(Break(since, None))
    ended = states[-1][1] if states and states[-1][0].ended else None
    return Course(tuple(breaks), ended)
