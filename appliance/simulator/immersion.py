"""Immersion oil that thins out: long moves leave it behind on the slide."""

from __future__ import annotations

import math

from firmware_bridge.point import Point

DRAGGED_UM = 500.0  # a move up to so long takes its oil along


class Immersion:
    """How much oil is left between lens and slide, 1 to 0.

    lasts_mm: after how much travel in long moves the share is down to 1/e.
    """

    def __init__(self, lasts_mm: float = 200.0) -> None:
        """A fresh drop."""
        self._lasts_um = lasts_mm * 1000
        self._lost_um = 0.0
        self._last: Point | None = None

    @property
    def share(self) -> float:
        """What is left, in hundredths."""
        return round(math.exp(-self._lost_um / self._lasts_um), 2)

    def moved_to(self, place: Point) -> None:
        """Take note of where the carriage is now."""
        if self._last is not None:
            length = math.hypot(place.x_um - self._last.x_um, place.y_um - self._last.y_um)
            self._lost_um += max(0.0, length - DRAGGED_UM)
        self._last = place

    def renew(self) -> None:
        """Put a fresh drop."""
        self._lost_um = 0.0
