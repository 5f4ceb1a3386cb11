"""Optimisation profiles: the sizes of batches that a plan is made for, and which of them takes a given batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.detector import MULTIPLE_PX
from models.engines.engine import NetworkShape

Shape = tuple[int, int, int, int]
"""N×H×W×3."""

BATCHES = (1, 8, 64, 256)
SLACK_PX = 2 * MULTIPLE_PX
"""How much a field may grow or shrink, as a new calibration makes it, before the detector wants a new plan."""


@dataclass(frozen=True, slots=True, order=True)
class FieldSize:
    """Height and width, px, of a field as the detector sees it."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A range of shapes of a batch. usual: the one that TensorRT makes fastest."""

    least: Shape
    usual: Shape
    most: Shape

    def holds(self, shape: Shape) -> bool:
        """Whether a batch of this shape may be given under the profile."""
        return all(low <= side <= high for low, side, high in zip(self.least, shape, self.most, strict=True))

    @property
    def usual_pixels(self) -> int:
        """Images times height times width of the usual shape."""
        count, height, width, _ = self.usual
        return count * height * width


def field_size(frame_px: tuple[int, int], um_per_px: float, network_um_per_px: float) -> FieldSize:
    """Return how large the detector sees a camera's frame.

    frame_px: width and height.  um_per_px: the frame's calibrated scale.  network_um_per_px: the detector's own.
    The frame is brought to that scale and then filled up to the multiple of 16 px that the network needs.
    """
    factor = um_per_px / network_um_per_px
    width, height = (max(1, round(side * factor)) for side in frame_px)
    return FieldSize(height + -height % MULTIPLE_PX, width + -width % MULTIPLE_PX)


def profiles_of(shape: NetworkShape, fields: Iterable[FieldSize]) -> tuple[Profile, ...]:
    """Return the profiles that a network's plan needs.

    A classifier's patches have one size: a profile for each batch of BATCHES, from the one before it up.
    A detector's fields come one at a time: a profile for each size, with some slack around it.
    """
    if shape.height is None or shape.width is None:
        return tuple(_around(size) for size in sorted(set(fields)))
    height, width = shape.height, shape.width
    before = (0, *BATCHES)
    return tuple(
        Profile((least + 1, height, width, 3), (most, height, width, 3), (most, height, width, 3))
        for least, most in zip(before, BATCHES, strict=False)
    )


def shapes_to_hold(shape: NetworkShape, fields: Iterable[FieldSize]) -> tuple[Shape, ...]:
    """Return the batches that a plan must be able to take to be of use."""
    if shape.height is None or shape.width is None:
        return tuple((1, size.height, size.width, 3) for size in sorted(set(fields)))
    return tuple((batch, shape.height, shape.width, 3) for batch in BATCHES)


def fastest(profiles: Sequence[Profile], shape: Shape) -> int | None:
    """Return the index of the profile made for what is nearest to this shape; None where none holds it."""
    fitting = [i for i, profile in enumerate(profiles) if profile.holds(shape)]
    pixels = shape[0] * shape[1] * shape[2]
    return min(fitting, key=lambda i: abs(profiles[i].usual_pixels - pixels), default=None)


def most_at_a_time(profiles: Iterable[Profile], height: int, width: int) -> int:
    """Return how many images of this size some profile takes; 0 where none takes any."""
    fitting = [each.most[0] for each in profiles if each.holds((each.most[0], height, width, 3))]
    return max(fitting, default=0)


def _around(size: FieldSize) -> Profile:
    low = [max(SLACK_PX, side - SLACK_PX) for side in (size.height, size.width)]
    high = [side + SLACK_PX for side in (size.height, size.width)]
    return Profile((1, low[0], low[1], 3), (1, size.height, size.width, 3), (1, high[0], high[1], 3))
