"""One motion along a line, from rest, with constant acceleration: how far it is at a time, and how it is halted."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of constant acceleration: from `start_s` on, at `place` with `speed`."""

    start_s: float
    place: float
    speed: float
    acceleration: float

    def at(self, time_s: float) -> tuple[float, float]:
        """Place and speed at a time of the phase."""
        t = time_s - self.start_s
        return (
            self.place + self.speed * t + 0.5 * self.acceleration * t * t,
            self.speed + self.acceleration * t,
        )


@dataclass(frozen=True, slots=True)
class Ramp:
    """Phases in their order, and when and where they end."""

    phases: tuple[Phase, ...]
    end_s: float
    length: float

    @classmethod
    def trapezoid(cls, start_s: float, length: float, speed: float, acceleration: float) -> Ramp:
        """A length from rest to rest."""
        if length <= 0:
            return cls((), start_s, 0.0)
        peak = min(speed, math.sqrt(length * acceleration))
        rising_s = peak / acceleration
        rising = 0.5 * peak * rising_s
        even_s = (length - 2 * rising) / peak
        up = Phase(start_s, 0.0, 0.0, acceleration)
        even = Phase(start_s + rising_s, rising, peak, 0.0)
        down = Phase(start_s + rising_s + even_s, length - rising, peak, -acceleration)
        return cls((up, even, down), start_s + 2 * rising_s + even_s, length)

    def at(self, time_s: float) -> tuple[float, float]:
        """Place and speed at a time."""
        if time_s >= self.end_s or not self.phases:
            return self.length, 0.0
        now = [phase for phase in self.phases if phase.start_s <= time_s]
        return now[-1].at(time_s) if now else (0.0, 0.0)

    def halted(self, time_s: float, acceleration: float) -> Ramp:
        """The same motion, braked from a time on; at once where the acceleration is infinite."""
        place, speed = self.at(time_s)
        if time_s >= self.end_s:
            return self
        before = tuple(phase for phase in self.phases if phase.start_s < time_s)
        if math.isinf(acceleration) or speed == 0.0:
            return Ramp(before, time_s, place)
        braking = Phase(time_s, place, speed, -acceleration)
        return Ramp(
            (*before, braking), time_s + speed / acceleration, place + 0.5 * speed * speed / acceleration
        )
