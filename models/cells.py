"""The two values that stand between a field and a count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Patch = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detection:
    """Where a white cell is.

    x, y: centre in the frame's own pixels.  radius_um: micrometres.  score: 0 to 1.
    """

    x: float
    y: float
    radius_um: float
    score: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a cascade says of one cell.

    label: the final answer, ``unidentified`` where no probability is high enough.
    probabilities: after guidance, one per output of the cascade (same order as its ``outputs``).
    label_single_view, single_view: the same from the centred view alone.
    views: how many views were averaged (1: the cell was not looked at again).
    findings: what specialists added without changing the label.
    """

    label: str
    probability: float
    probabilities: Probabilities
    label_single_view: str
    probability_single_view: float
    single_view: Probabilities
    views: int
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A detection, its 96×96 patch (uint8, RGB, canonical scale) and what the cascade says of it.

    x_um, y_um: where it lies on the slide.  patch and opinion are None when the window leaves the frame:
    such a cell is on record and never counted.
    """

    detection: Detection
    x_um: float
    y_um: float
    patch: Patch | None
    opinion: Opinion | None
