"""Probability guidance: how a doubtful cell is looked at again.

Source: Choi's thesis, 4.3.3 (slightly shifted centres; the mean of all views decides). The turned and mirrored
views are ours: a cell on a smear has no upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cells import Patch, Probabilities
from models.views import TURNS, HostPicture, View, centred


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
        return len(self.shifts_px) + (len(TURNS) if self.turned else 0)

    def doubtful(self, probabilities: Probabilities) -> bool:
        """Whether a cell of these probabilities (from one view) is looked at again."""
        return bool(probabilities.max() < self.below)

    def looks(self, x: float, y: float, side: int, width: int, height: int) -> list[View]:
        """Return the other views of the cell at x, y (px) of a picture of this size at the canonical scale.

        A shifted view that leaves the picture is left out: padding would be something that the networks never saw.
        """
        shifted = [centred(x + dx, y + dy, side, width, height) for dx, dy in self.shifts_px]
        views = [view for view in shifted if view is not None]
        middle = centred(x, y, side, width, height)
        if self.turned and middle is not None:
            views += [View(middle.left, middle.top, turn) for turn in TURNS]
        return views

    def views(self, picture: NDArray[np.uint8], x: float, y: float, side: int) -> list[Patch]:
        """Return the pixels of those views, where the picture (H×W×3) is in host memory."""
        height, width = picture.shape[:2]
        return HostPicture(picture, side).patches(self.looks(x, y, side, width, height))
