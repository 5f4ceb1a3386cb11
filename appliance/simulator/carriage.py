"""What the simulated optics need to know of the mechanics: where the carriage really is, and how bright the lamp."""

from __future__ import annotations

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
