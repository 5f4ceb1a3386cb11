"""What the simulated optics need to know of the mechanics: where the carriage really is, and how bright the lamp."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from firmware_bridge.point import Point


class Carriage(Protocol):
    """Mechanics that say the truth about any recent monotonic time; the emulated boards do."""

    @property
    def rate(self) -> float:
        """How many seconds of the mechanics' time pass in a real one."""

    def true_position(self, at_ns: int) -> Point:
        """Return where the carriage really is or was, µm, with backlash and lost steps."""

    def light_at(self, at_ns: int) -> float:
        """Return the lamp's light at a time, as a share of its full light."""


@dataclass(slots=True)
class StandingCarriage:
    """A carriage that stands where it is put, at once. For service pictures, benchmarks and tests."""

    place: Point = field(default_factory=lambda: Point(0.0, 0.0))
    light: float = 1.0
    rate: float = 1.0

    def true_position(self, at_ns: int) -> Point:
        """Return the place, whatever the time."""
        return self.place

    def light_at(self, at_ns: int) -> float:
        """Return the light, whatever the time."""
        return self.light
