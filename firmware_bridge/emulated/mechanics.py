"""The mechanics behind a controller: what its pulses do to a carriage, with backlash, lost steps and end stops.

Backlash is a play operator: while the motor turns upwards the carriage is at the motor's place; when it turns back, the
carriage rests until the motor has crossed the play. A position is exact when it was approached upwards.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Self

from firmware_bridge.emulated.ramp import Ramp
from firmware_bridge.point import Point

KEPT = 256
OVERTRAVEL_UM = 500.0

Triple = tuple[float, float, float]
Counts = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Mechanics:
    """How a stage is built, x, y and z.

    travel_um: from the low switch (0) up.  power_on_um: where the carriage stands when the power comes.
    """

    travel_um: Triple = (75_000.0, 25_000.0, 5_000.0)
    steps_per_mm: Triple = (3_200.0, 3_200.0, 20_000.0)
    speed_um_s: Triple = (20_000.0, 20_000.0, 2_000.0)
    acceleration_um_s2: Triple = (500_000.0, 500_000.0, 50_000.0)
    backlash_um: Triple = (0.0, 0.0, 0.0)
    power_on_um: Triple = (31_000.0, 9_000.0, 1_500.0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One motion of all axes.

    sent: the motor's place at the start, as the controller counts pulses.  turned: where it really is.
    carried: the carriage's place at the start.  gain: the share of the pulses that turn the motor.
    counts: how often each axis has moved, this motion too.
    """

    ramp: Ramp
    way: Triple
    sent: Triple
    turned: Triple
    carried: Triple
    gain: Triple
    counts: Counts = (0, 0, 0)


@dataclass(slots=True)
class Carriage:
    """Where everything is, at any time since the power came (seconds of the board's own clock)."""

    mechanics: Mechanics
    lost_um: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    stuck: list[bool] = field(default_factory=lambda: [False, False, False])
    _stretches: deque[Stretch] = field(default_factory=lambda: deque(maxlen=KEPT))

    @classmethod
    def built(cls, mechanics: Mechanics) -> Self:
        """A carriage at rest where the power found it."""
        new = cls(mechanics)
        place = mechanics.power_on_um
        new._stretches.append(
            Stretch(Ramp((), 0.0, 0.0), (0.0, 0.0, 0.0), place, place, place, (1.0, 1.0, 1.0))
        )
        return new

    @property
    def end_s(self) -> float:
        """When the last motion ends."""
        return self._stretches[-1].ramp.end_s

    def sent(self, time_s: float) -> Triple:
        """What the controller believes: the pulses it has sent, in micrometres."""
        part = self._at(time_s)
        return _along(part.sent, part.way, part.ramp.at(time_s)[0])

    def carried(self, time_s: float) -> Triple:
        """Where the carriage is."""
        return self._carried(self._at(time_s), time_s)

    def true_point(self, time_s: float) -> Point:
        """Where the carriage is, as a Point."""
        return Point(*self.carried(time_s))

    def moves(self, time_s: float) -> tuple[Counts, Counts, float]:
        """How often each axis had moved before its last motion, how often with it, and what share of that is over."""
        part = self._at(time_s)
        before = tuple(n - bool(way) for n, way in zip(part.counts, part.way, strict=True))
        share = part.ramp.at(time_s)[0] / part.ramp.length if part.ramp.length else 1.0
        return (before[0], before[1], before[2]), part.counts, share

    def start(self, time_s: float, target: Triple, speed_um_s: float) -> None:
        """Begin a motion (after those that are under way) to where the controller wants to have sent the motor."""
        begin = max(time_s, self.end_s)
        sent, turned = self.sent(begin), self._turned(begin)
        length = math.dist(sent, target)
        way = _scaled([to - at for at, to in zip(sent, target, strict=True)], 1.0 / length if length else 0.0)
        moving = [i for i in range(3) if way[i]]
        speeds = [self.mechanics.speed_um_s[i] / abs(way[i]) for i in moving]
        ramps = [self.mechanics.acceleration_um_s2[i] / abs(way[i]) for i in moving]
        ramp = Ramp.trapezoid(begin, length, min([speed_um_s, *speeds]), min(ramps, default=1.0))
        gain = [0.0 if self.stuck[i] else 1.0 for i in range(3)]
        for i in moving:
            wanted = abs(way[i]) * length
            lost = min(self.lost_um[i], wanted)
            gain[i] *= 1.0 - lost / wanted
            self.lost_um[i] -= lost
        x, y, z = (n + bool(part) for n, part in zip(self._stretches[-1].counts, way, strict=True))
        self._stretches.append(
            Stretch(ramp, way, sent, turned, self.carried(begin), (gain[0], gain[1], gain[2]), (x, y, z))
        )

    def halt(self, time_s: float, *, abruptly: bool = False) -> None:
        """Brake; what was to follow is forgotten."""
        while len(self._stretches) > 1 and self._stretches[-1].ramp.phases and self._begins(-1) >= time_s:
            self._stretches.pop()
        last = self._stretches[-1]
        moving = [i for i in range(3) if last.way[i]]
        brake = min(
            (self.mechanics.acceleration_um_s2[i] / abs(last.way[i]) for i in moving), default=math.inf
        )
        ramp = last.ramp.halted(time_s, math.inf if abruptly else brake)
        self._stretches[-1] = replace(last, ramp=ramp)

    def to_switch(self, time_s: float, axis: int) -> float | None:
        """How far the motor has to turn down until the axis' switch closes; None where it never will.

        Negative where it was driven past the switch, which opens so much higher.
        """
        return None if self.stuck[axis] else self._turned(max(time_s, self.end_s))[axis]

    def _begins(self, index: int) -> float:
        return self._stretches[index].ramp.phases[0].start_s

    def _at(self, time_s: float) -> Stretch:
        for part in reversed(self._stretches):
            if part.ramp.phases and part.ramp.phases[0].start_s <= time_s:
                return part
        return self._stretches[0]

    def _turned(self, time_s: float) -> Triple:
        part = self._at(time_s)
        return self._turned_by(part, part.ramp.at(time_s)[0])

    def _turned_by(self, part: Stretch, length: float) -> Triple:
        way = tuple(w * g for w, g in zip(part.way, part.gain, strict=True))
        x, y, z = _along(part.turned, (way[0], way[1], way[2]), length)
        return self._within(0, x), self._within(1, y), self._within(2, z)

    def _within(self, axis: int, place: float) -> float:
        return min(max(place, -OVERTRAVEL_UM), self.mechanics.travel_um[axis] + OVERTRAVEL_UM)

    def _carried(self, part: Stretch, time_s: float) -> Triple:
        turned = self._turned_by(part, part.ramp.at(time_s)[0])
        x, y, z = (self._carried_axis(part, i, turned[i]) for i in range(3))
        return x, y, z

    def _carried_axis(self, part: Stretch, axis: int, turned: float) -> float:
        return min(max(part.carried[axis], turned), turned + self.mechanics.backlash_um[axis])


def _along(start: Triple, way: Triple, length: float) -> Triple:
    return start[0] + way[0] * length, start[1] + way[1] * length, start[2] + way[2] * length


def _scaled(values: list[float], factor: float) -> Triple:
    return values[0] * factor, values[1] * factor, values[2] * factor
