"""A camera that does not sit straight: turned, sheared, its pixels not square; and a slide as it sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator.slide import Slide, TrueCell

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seat:
    """How the camera sits over the stage.

    turned_deg: from the slide's x axis towards its y axis, of the picture's x axis.
    sheared_deg: by how much the angle between the picture's axes on the slide exceeds 90°.
    stretch: how much longer a pixel is along the picture's x than the objective says; along y as much shorter.
    """

    turned_deg: float = 0.0
    sheared_deg: float = 0.0
    stretch: float = 1.0

    @property
    def straight(self) -> bool:
        """Whether the picture's axes are the slide's."""
        return self == STRAIGHT

    @property
    def matrix(self) -> Matrix:
        """From the picture's axes, µm as the objective says them, to the slide's, µm."""
        along = math.radians(self.turned_deg)
        down = along + math.radians(90 + self.sheared_deg)
        x = self.stretch * np.array([math.cos(along), math.sin(along)])
        y = np.array([math.cos(down), math.sin(down)]) / self.stretch
        return np.column_stack([x, y])

    def to_slide(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Return where on the slide a place lies that is given along the picture's axes."""
        if self.straight:
            return x_um, y_um
        x, y = self.matrix @ (x_um, y_um)
        return float(x), float(y)

    def to_picture(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Return a place of the slide along the picture's axes."""
        if self.straight:
            return x_um, y_um
        x, y = np.linalg.solve(self.matrix, (x_um, y_um))
        return float(x), float(y)


STRAIGHT = Seat()
"""A camera whose rows run along the stage's x."""


class AskewSlide:
    """A slide as a camera that sits askew sees it: every place is given along the picture's axes.

    Put it under a `Mount` with the same seat, which says where the picture's middle lies in those axes.
    """

    def __init__(self, slide: Slide, seat: Seat) -> None:
        self.slide, self.seat = slide, seat
        self.width_um, self.height_um = slide.width_um, slide.height_um
        self.digest = slide.digest if seat.straight else f"{slide.digest}, seen {seat}"

    def light(
        self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
    ) -> NDArray[np.float32]:
        """Return what passes: drawn straight on pixels of the same size, and looked at between them."""
        if self.seat.straight:
            return self.slide.light(x_um, y_um, width_px, height_px, um_per_px)
        left, top, columns, rows = _around(
            self._corners(x_um, y_um, width_px, height_px, um_per_px), um_per_px
        )
        straight = self.slide.light(left * um_per_px, top * um_per_px, columns, rows, um_per_px)
        matrix = self.seat.matrix
        # Places are of pixels' middles: a picture's pixel 0 lies half a pixel within its corner.
        first = matrix @ (x_um / um_per_px + 0.5, y_um / um_per_px + 0.5) - (left + 0.5, top + 0.5)
        return np.asarray(
            cv2.warpAffine(
                straight,
                np.column_stack([matrix, first]),
                (width_px, height_px),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            dtype=np.float32,
        )

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        """Return the cells whose centre lies in a rectangle of the picture's axes."""
        corners = self._corners(x_um, y_um, width_um, height_um, 1.0)
        low, high = corners.min(axis=0), corners.max(axis=0)
        found = []
        for cell in self.slide.truth(*map(float, low), *map(float, high - low)):
            x, y = self.seat.to_picture(cell.x_um, cell.y_um)
            if x_um <= x < x_um + width_um and y_um <= y < y_um + height_um:
                found.append(replace(cell, x_um=x, y_um=y))
        return found

    def _corners(self, x: float, y: float, width: float, height: float, scale: float) -> Matrix:
        right, bottom = x + width * scale, y + height * scale
        return np.array(
            [self.seat.to_slide(*at) for at in ((x, y), (right, y), (x, bottom), (right, bottom))]
        )


def _around(corners: NDArray[Any], um_per_px: float) -> tuple[int, int, int, int]:
    """The raster around some corners: its first column and row, and how many."""
    low = np.floor(corners.min(axis=0) / um_per_px).astype(int) - 1
    high = np.ceil(corners.max(axis=0) / um_per_px).astype(int) + 2
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
