"""Views of cells: squares of a picture at the canonical scale, as they are, turned or mirrored.

A cascade asks a `Picture` for views and never handles pixels itself, so that whoever has the pixels cuts them: the
processor (`HostPicture`), or a GPU that never gives them away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.cells import Patch
from models.engines.engine import Batch

AS_IT_IS = 0
MIRRORED = 4
TURNS = tuple(range(1, 8))
"""The symmetries of the square, less the picture as it is, in the order in which guidance takes them."""


@dataclass(frozen=True, slots=True)
class View:
    """A square of a picture.

    left, top: of its first pixel.  turn: 0 as it is; otherwise mirrored left to right first from 4 on, then turned
    anticlockwise by so many right angles as `turn` is more than 0 or 4.
    """

    left: int
    top: int
    turn: int = AS_IT_IS


class Picture(Protocol):
    """A field at the canonical scale, wherever its pixels are."""

    @property
    def width(self) -> int:
        """Pixels across."""

    @property
    def height(self) -> int:
        """Pixels down."""

    @property
    def side(self) -> int:
        """How many pixels its views have to a side."""

    def cut(self, views: Sequence[View]) -> Batch:
        """Return views, all inside the picture, as a batch: N×side×side×3. It holds until the next one is cut."""

    def patches(self, views: Sequence[View]) -> list[Patch]:
        """Return views in host memory, each with pixels of its own, to keep."""


@dataclass(frozen=True, slots=True, eq=False)
class HostPicture:
    """A picture in host memory. pixels: H×W×3 uint8 RGB, canonical scale."""

    pixels: NDArray[np.uint8]
    side: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])

    def cut(self, views: Sequence[View]) -> NDArray[np.uint8]:
        """Return views as a batch. See `Picture`."""
        batch = np.empty((len(views), self.side, self.side, 3), np.uint8)
        for i, view in enumerate(views):
            batch[i] = self._seen(view)
        return batch

    def patches(self, views: Sequence[View]) -> list[Patch]:
        """Return views, each with pixels of its own."""
        return [self._seen(view).copy() for view in views]

    def _seen(self, view: View) -> Patch:
        rows, columns = slice(view.top, view.top + self.side), slice(view.left, view.left + self.side)
        return turned(self.pixels[rows, columns], view.turn)


def turned(patch: Patch, turn: int) -> Patch:
    """Return a square patch as a view of this `turn` shows it; not a copy."""
    mirrored = patch[:, ::-1] if turn >= MIRRORED else patch
    return np.rot90(mirrored, turn % MIRRORED)


def centred(x: float, y: float, side: int, width: int, height: int) -> View | None:
    """Return the view centred on x, y (px) of a picture of this size, or None where it leaves the picture."""
    left, top = round(x - side / 2), round(y - side / 2)
    if left < 0 or top < 0 or left + side > width or top + side > height:
        return None
    return View(left, top)
