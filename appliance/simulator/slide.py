"""What lies under the simulated objective: light that passes a slide, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NOT_COUNTED = ("platelet", "smudge_cell", "artefact")
"""Labels of the truth that are no nucleated cell a person would count."""


@dataclass(frozen=True, slots=True)
class TrueCell:
    """What really lies at a place on the slide.

    label: a panel's label, or one of `NOT_COUNTED` (stain precipitate and dust are artefacts).
    x_um, y_um: its centre on the slide.
    at_edge: whether it lies so near the smear's border or so far in the feathered end that nobody counts there.
    countable: whether a person would count it: a whole nucleated cell, not at the edge, not in the thick zone.
    source: the image that a blended cell was cut from, relative to its folder; empty for a drawn one.
    """

    label: str
    x_um: float
    y_um: float
    radius_um: float
    at_edge: bool
    countable: bool = True
    source: str = ""


class Slide(Protocol):
    """A slide in focus, lit from below by an even lamp. Its origin is its upper left corner, y points down."""

    @property
    def width_um(self) -> float:
        """How wide it is."""

    @property
    def height_um(self) -> float:
        """How high it is."""

    @property
    def digest(self) -> str:
        """What decides everything that is seen: the same digest, the same slide."""

    def light(
        self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
    ) -> NDArray[np.float32]:
        """Return the share of the lamp's light that passes, H×W×3 (RGB, linear), 0 to 1, in focus.

        x_um, y_um: the upper left corner of the first pixel. What lies beside the slide is empty and bright.
        """

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        """Return everything whose centre lies in this rectangle, in reading order."""
