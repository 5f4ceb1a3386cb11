"""Pure arithmetic of moves: what is refused, which way a target is approached, and how long a leg takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.errors import StageRefused
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES, AxisSettings, StageSettings

SAME_UM = 1e-6
Steps = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Leg:
    """A straight piece of a move.

    speed_um_s: along the path, so that no axis passes its own speed.  duration_s: of a trapezoidal ramp.
    """

    start: Point
    end: Point
    speed_um_s: float
    duration_s: float


def take_up_um(axis: AxisSettings, step_um: float) -> float:
    """Return how far aside of a target an axis goes to take up its backlash: whole steps, signed."""
    return math.ceil(axis.backlash_um / step_um - SAME_UM) * step_um * axis.approach


def refuse_outside(settings: StageSettings, steps_um: Steps, start: Point, target: Point) -> None:
    """Raise StageRefused, naming axis, limit and wish, where `target` may not be approached from `start`.

    The place from which an axis takes up its backlash must lie within the limits too. An axis that is not asked to
    move is not looked at.
    """
    for name in AXES:
        wish = target[name]
        if not math.isfinite(wish):
            raise StageRefused(f"Axis {name}: {wish} is no position. Give micrometres.")
        if abs(wish - start[name]) < SAME_UM:
            continue
        axis = settings.axis(name)
        if axis.limits_um is None:
            raise StageRefused(
                f"Axis {name}: a move to {wish:.1f} µm is refused, because no soft limits are set for it. "
                f"Set them: limits_um under [stage.{name}] in the settings, or --{name} LOW:HIGH."
            )
        _refuse_axis(name, wish, axis.limits_um, take_up_um(axis, steps_um[name]))


def _refuse_axis(name: str, wish: float, limits: tuple[float, float], taken_up: float) -> None:
    low, high = limits
    wished = f"Axis {name}: the wish is {wish:.1f} µm, "
    if not low <= wish <= high:
        side, limit = ("below", low) if wish < low else ("above", high)
        raise StageRefused(
            f"{wished}{side} the soft limit of {limit:.1f} µm. Choose a target within the limits."
        )
    if not low <= wish - taken_up <= high:
        limit, side = (low + taken_up, "above") if taken_up > 0 else (high + taken_up, "below")
        raise StageRefused(
            f"{wished}which leaves no room to take up {abs(taken_up):.1f} µm of backlash within the soft limits. "
            f"Choose a target {side} {limit:.1f} µm."
        )


def on_grid(settings: StageSettings, steps_um: Steps, start: Point, target: Point) -> Point:
    """Return the whole steps nearest to an allowed target that are within the limits, and so is the place aside.

    Axes that are not moved keep their place.
    """
    return Point(*(_steps_nearest(settings.axis(n), steps_um[n], start[n], target[n]) for n in AXES))


def _steps_nearest(axis: AxisSettings, step: float, start: float, wish: float) -> float:
    if abs(wish - start) < SAME_UM:
        return start
    low, high = axis.limits_um or (-math.inf, math.inf)
    aside = take_up_um(axis, step)
    place = round(wish / step) * step
    if min(place, place - aside) < low - SAME_UM:
        return place + step
    return place - step if max(place, place - aside) > high + SAME_UM else place


def legs(
    settings: StageSettings, steps_um: Steps, start: Point, target: Point, taken_up: frozenset[str]
) -> list[Leg]:
    """Return the way from `start` to `target`: one leg, or two where an axis first takes up its backlash.

    taken_up: the axes whose backlash is taken up at `start`. Such an axis needs no second leg when it moves on to its
    approach side; one that moves far enough to that side does not either. Axes that do not move are left alone.
    """
    aside = {}
    for name in AXES:
        axis = settings.axis(name)
        along = (target[name] - start[name]) * axis.approach
        if abs(along) < SAME_UM or axis.backlash_um == 0:
            continue
        if along < 0 or (name not in taken_up and along < axis.backlash_um):
            aside[name] = target[name] - take_up_um(axis, steps_um[name])
    if not aside:
        return [] if start == target else [leg(settings, start, target)]
    via = Point(*(aside.get(name, target[name]) for name in AXES))
    return [leg(settings, start, via), leg(settings, via, target)]


def leg(settings: StageSettings, start: Point, end: Point) -> Leg:
    """Return the straight leg from `start` to `end` at the axes' speeds and accelerations."""
    length = math.dist([start[name] for name in AXES], [end[name] for name in AXES])
    shares = {name: abs(end[name] - start[name]) / length for name in AXES if end[name] != start[name]}
    if not shares:
        return Leg(start, end, settings.x.speed_um_s, 0.0)
    speed = min(settings.axis(name).speed_um_s / share for name, share in shares.items())
    ramp = min(settings.axis(name).acceleration_um_s2 / share for name, share in shares.items())
    return Leg(start, end, speed, trapezoid_s(length, speed, ramp))


def trapezoid_s(length: float, speed: float, acceleration: float) -> float:
    """Return how long a length takes from rest to rest, with equal ramps up and down."""
    if length <= speed * speed / acceleration:
        return 2.0 * math.sqrt(length / acceleration)
    return length / speed + speed / acceleration
