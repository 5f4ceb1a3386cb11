"""Where the carriage went while the shutter was open: the path that a picture is smeared along.

A stop shakes the stand: it rings as a damped spring does whose load is braked, with the deflection a/ω² under the
braking a (den Hartog 1956, Mechanical Vibrations, 2.3). So a frame taken before everything has settled shows it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from appliance.simulator.carriage import Carriage
from firmware_bridge.point import Point

STILL_UM = 0.005
FINEST_UM = 0.01
FEWEST, MOST = 9, 49
OWN_DECAY_S = 0.018
BRAKED_OVER_S = 0.004  # shorter than any braking; of a stand with this decay


@dataclass(frozen=True, slots=True)
class Vibration:
    """How the stand rings after a stop: no stand's in particular, but over within the usual 120 ms of settling.

    hertz: how fast.  decay_s: after how long the swing is down to 1/e; after six times that nothing is left.
    softness: 1 is a mass on one spring; 0 never rings.
    """

    hertz: float = 45.0
    decay_s: float = OWN_DECAY_S
    softness: float = 0.5

    @property
    def over_after_s(self) -> float:
        """After how long nothing of it can be seen."""
        return 6.0 * self.decay_s

    def paced(self, pace: float) -> Vibration:
        """Return it in a world whose time runs so many times faster."""
        return Vibration(self.hertz * pace, self.decay_s / pace, self.softness)

    def swing_um(self, braking_um_s2: float, since_s: float) -> float:
        """Return how far along the path the stand is off, so long after the stop."""
        if since_s < 0:
            return 0.0
        omega = 2 * math.pi * self.hertz
        deflected = self.softness * braking_um_s2 / omega**2
        return deflected * math.exp(-since_s / self.decay_s) * math.sin(omega * since_s)


@dataclass(frozen=True, slots=True)
class Trail:
    """The places where the carriage was during an exposure, evenly spaced in time.

    shares: what part of the exposure's light each saw; they sum to 1.
    light: the lamp's mean light, as a share of its full light.
    """

    places: tuple[Point, ...]
    shares: tuple[float, ...]
    light: float

    @classmethod
    def still(cls, place: Point, light: float = 1.0) -> Trail:
        """Return the trail of a carriage that stands."""
        return cls((_rounded(place),), (1.0,), light)

    @property
    def middle(self) -> Point:
        """The mean place, weighted by light."""
        return Point(
            *(sum(s * p[axis] for s, p in zip(self.shares, self.places, strict=True)) for axis in "xyz")
        )


def trail(carriage: Carriage, start_ns: int, duration_ns: int, vibration: Vibration | None) -> Trail:
    """Return the trail of an exposure. vibration: None for a stand that never rings."""
    end_ns = start_ns + duration_ns
    stop = None if vibration is None else _last_stop(carriage, start_ns, end_ns, vibration)
    ends = [_place(carriage, at_ns, vibration, stop) for at_ns in (start_ns, end_ns)]
    count = FEWEST if stop is None and math.dist(*map(_as_tuple, ends)) < STILL_UM else MOST
    times = [start_ns + round(duration_ns * k / (count - 1)) for k in range(count)]
    places = [_place(carriage, at_ns, vibration, stop) for at_ns in times]
    lights = np.array([max(0.0, carriage.light_at(at_ns)) for at_ns in times])
    light = float(lights.mean())
    shares = lights / lights.sum() if light > 0 else np.full(count, 1 / count)
    if all(place == places[0] for place in places):
        return Trail((places[0],), (1.0,), light)
    return Trail(tuple(places), tuple(shares.tolist()), light)


@dataclass(frozen=True, slots=True)
class _Stop:
    """When the carriage came to rest, which way it had gone (a unit vector) and how hard it braked."""

    at_ns: int
    way: tuple[float, float, float]
    braking_um_s2: float


def _place(carriage: Carriage, at_ns: int, vibration: Vibration | None, stop: _Stop | None) -> Point:
    place = carriage.true_position(at_ns)
    if vibration is None or stop is None:
        return _rounded(place)
    swing = vibration.swing_um(stop.braking_um_s2, (at_ns - stop.at_ns) / 1e9)
    return _rounded(Point(*(place[axis] + swing * way for axis, way in zip("xyz", stop.way, strict=True))))


def _rounded(place: Point) -> Point:
    """Hundredths of a micrometre: what is alike to the eye is alike to a memory of pictures too."""
    return Point(*(round(place[axis] / FINEST_UM) * FINEST_UM for axis in "xyz"))


def _last_stop(carriage: Carriage, start_ns: int, end_ns: int, vibration: Vibration) -> _Stop | None:
    """Look back for the last time at which the carriage still moved; None where that is too long ago."""
    step_ns = max(1, round(vibration.decay_s * 1e9 / 6))
    rest = carriage.true_position(end_ns)
    later_ns, oldest_ns = end_ns, start_ns - round(vibration.over_after_s * 1e9)
    while later_ns > oldest_ns:
        earlier_ns = later_ns - step_ns
        if _apart(carriage.true_position(earlier_ns), rest) > STILL_UM:
            break
        later_ns = earlier_ns
    else:
        return None
    if later_ns == end_ns:  # it moves to the very end: the smear hides every swing
        return None
    while later_ns - earlier_ns > 20_000:
        middle_ns = (earlier_ns + later_ns) // 2
        if _apart(carriage.true_position(middle_ns), rest) > STILL_UM:
            earlier_ns = middle_ns
        else:
            later_ns = middle_ns
    return _braked(carriage, later_ns, rest, BRAKED_OVER_S * vibration.decay_s / OWN_DECAY_S)


def _braked(carriage: Carriage, at_ns: int, rest: Point, over_s: float) -> _Stop | None:
    """Measure the braking from the last stretch: its length is a·t²/2."""
    before = carriage.true_position(at_ns - round(over_s * 1e9))
    length = _apart(before, rest)
    if length <= STILL_UM:
        return None
    way = tuple((rest[axis] - before[axis]) / length for axis in "xyz")
    return _Stop(at_ns, (way[0], way[1], way[2]), 2 * length / over_s**2)


def _apart(one: Point, other: Point) -> float:
    return math.dist(_as_tuple(one), _as_tuple(other))


def _as_tuple(place: Point) -> tuple[float, float, float]:
    return place.x_um, place.y_um, place.z_um
