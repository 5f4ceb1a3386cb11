"""What an instrument did and when, and how that splits by step. Pure: no clock, no thread.

Within a field the first move is the way to it. A later move along the height alone is part of a refinement of focus;
a later one aside is part of the proof that the stage is where it counts itself to be. A picture belongs to what the
move before it was for. What neither moves nor takes a picture is spent on judging pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from firmware_bridge.point import Point

SAME_PLACE_UM = 1e-6


class Step(StrEnum):
    """What a field's acquisition consists of."""

    MOVING = "moving"
    SETTLING = "settling"
    EXPOSING = "exposing, with the wait for the sensor"
    READING_OUT = "read-out, and the check that a picture is fresh"
    JUDGING = "judging pictures"
    REFINING = "refinement of focus"
    PROVING = "proof of place"
    WAITING = "waiting for analysis"


@dataclass(frozen=True, slots=True)
class Move:
    """The stage went to a place and settled. Times are monotonic, s."""

    place: Point
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """A picture was taken. light_over_s: when its exposure had ended."""

    from_s: float
    light_over_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class FieldTaken:
    """A field was taken, or skipped, and given away. given_s: when analysis had taken it from the stage's hands."""

    from_s: float
    to_s: float
    given_s: float


Act = Move | Look


def split(field: FieldTaken, acts: Sequence[Act], settle_s: float) -> dict[Step, float]:
    """Return the seconds of one field by step. They sum to the time from its beginning until it was given away.

    acts: of any time, in order; those of this field are used.  settle_s: the part of every move that is settling.
    """
    spent = dict.fromkeys(Step, 0.0)
    spent[Step.WAITING] = field.given_s - field.to_s
    at_s, purpose = field.from_s, Step.MOVING
    here: Point | None = None
    for act in acts:
        if not field.from_s <= act.from_s < field.to_s:
            continue
        before = purpose
        if isinstance(act, Move):
            purpose = _purpose(here, act.place)
            here = act.place
        side_step = purpose if purpose is before and purpose is not Step.MOVING else Step.JUDGING
        spent[side_step] += act.from_s - at_s
        for step, seconds in _parts(act, purpose, settle_s):
            spent[step] += seconds
        at_s = act.to_s
    spent[Step.JUDGING] += field.to_s - at_s
    return spent


def way(fields: Sequence[FieldTaken], acts: Sequence[Act]) -> list[Point]:
    """Return the place of every field: where the first move within it went."""
    places = []
    for field in fields:
        own = (act.place for act in acts if isinstance(act, Move) and field.from_s <= act.from_s < field.to_s)
        places += [place for place in [next(own, None)] if place is not None]
    return places


def _purpose(here: Point | None, there: Point) -> Step:
    if here is None:
        return Step.MOVING
    aside_um = max(abs(here.x_um - there.x_um), abs(here.y_um - there.y_um))
    return Step.PROVING if aside_um > SAME_PLACE_UM else Step.REFINING


def _parts(act: Act, purpose: Step, settle_s: float) -> list[tuple[Step, float]]:
    took_s = act.to_s - act.from_s
    if purpose is not Step.MOVING:
        return [(purpose, took_s)]
    if isinstance(act, Move):
        settling_s = min(settle_s, took_s)
        return [(Step.MOVING, took_s - settling_s), (Step.SETTLING, settling_s)]
    return [(Step.EXPOSING, act.light_over_s - act.from_s), (Step.READING_OUT, act.to_s - act.light_over_s)]
