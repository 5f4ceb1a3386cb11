"""Probability guidance: how a doubtful cell is looked at again.

Source: Choi's thesis, 4.3.3 (slightly shifted centres; the mean of all views decides). The turned and mirrored
views are ours: a cell on a smear has no upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cells import Patch, Probabilities
from models.resample import window

TURNS = 7  # the symmetries of the square, less the picture as it is


@dataclass(frozen=True, slots=True)
class Guidance:
    """When a cell is looked at again, from where, and when it is named.

    below: a best probability under this is looked at again.  shifts_px: where, from the centre, in canonical
    pixels.  turned: also the centred view's seven other rotations by right angles and mirror images.
    identified_from: a best probability under this, after guidance, is `unidentified`.
    """

    below: float
    shifts_px: tuple[tuple[int, int], ...]
    turned: bool
    identified_from: float

    @property
    def most_views(self) -> int:
        """How many other views there are of a cell that lies far enough inside its picture."""
        return len(self.shifts_px) + (TURNS if self.turned else 0)

    def doubtful(self, probabilities: Probabilities) -> bool:
        """Whether a cell of these probabilities (from one view) is looked at again."""
        return bool(probabilities.max() < self.below)

    def views(self, picture: NDArray[np.uint8], x: float, y: float, side: int) -> list[Patch]:
        """Return the other views of the cell at x, y (px) of a picture at the canonical scale.

        A shifted view that leaves the picture is left out: padding would be something that the networks never saw.
        """
        shifted = [window(picture, x + dx, y + dy, side) for dx, dy in self.shifts_px]
        views = [view for view in shifted if view is not None]
        centred = window(picture, x, y, side)
        if self.turned and centred is not None:
            views += _turns(centred)
        return views


def _turns(patch: Patch) -> list[Patch]:
    mirrored = patch[:, ::-1]
    rotated = [np.rot90(patch, quarter) for quarter in (1, 2, 3)]
    return [*rotated, mirrored, *(np.rot90(mirrored, quarter) for quarter in (1, 2, 3))]
