"""The ways that a frame in host memory takes to its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.cascade import Cascade
from models.cells import Detection, Opinion
from models.detector import NetworkDetector
from models.gpu.front_end import Field, FrontEnd

Frame = NDArray[np.uint8]
Places = Sequence[tuple[float, float]]
"""x, y in px of a frame."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How many cells were named, and how many of them were looked at again."""

    named: int = 0
    again: int = 0

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.named + other.named, self.again + other.again)


class FieldPath(Protocol):
    """From frames to labels, one way of doing it. Each call ends when its answer is in host memory."""

    @property
    def name(self) -> str:
        """What runs."""

    def detect(self, frame: Frame) -> list[Detection]:
        """Find the white cells of a frame."""

    def look(self, frame: Frame, places: Places | None = None, *, always: bool = False) -> Seen:
        """Find the cells of a frame and name them. places: name what is there instead. always: look twice at all."""

    def count(self, frames: Sequence[Frame]) -> Seen:
        """Do so with many frames, as fast as it goes."""


class HostPath:
    """Resampled and cut by the processor; the networks run wherever their engines do."""

    def __init__(self, detector: NetworkDetector, cascade: Cascade, um_per_px: float) -> None:
        """Take both, and the scale of all frames."""
        self._detector, self._cascade, self._um_per_px = detector, cascade, um_per_px
        self._always = cascade.looking_always()
        self.name = detector.engine

    def detect(self, frame: Frame) -> list[Detection]:
        """Find the white cells of a frame."""
        return self._detector.detect(frame, self._um_per_px)

    def look(self, frame: Frame, places: Places | None = None, *, always: bool = False) -> Seen:
        """Find and name."""
        found = self.detect(frame)
        centres = [(each.x, each.y) for each in found] if places is None else places
        cascade = self._always if always else self._cascade
        return seen(cascade.examine(frame, self._um_per_px, centres))

    def count(self, frames: Sequence[Frame]) -> Seen:
        """One after the other."""
        return sum((self.look(frame) for frame in frames), Seen())


class DevicePath:
    """Uploaded once; resampled and cut on the GPU. The next frame is uploaded while one is looked at."""

    def __init__(self, front_end: FrontEnd, detector: NetworkDetector, cascade: Cascade) -> None:
        """Take all three, on the same device."""
        self._front_end, self._detector, self._cascade = front_end, detector, cascade
        self._always = cascade.looking_always()
        self.name = f"{detector.engine}, front end on the GPU"

    def detect(self, frame: Frame) -> list[Detection]:
        """Find the white cells of a frame."""
        field = self._front_end.field(self._front_end.begin(frame))
        return self._detector.detect_in(field.batch, field.shrunk)

    def look(self, frame: Frame, places: Places | None = None, *, always: bool = False) -> Seen:
        """Find and name."""
        field = self._front_end.field(self._front_end.begin(frame))
        return self._named(field, places, self._always if always else self._cascade)

    def count(self, frames: Sequence[Frame]) -> Seen:
        """Overlapping."""
        total = Seen()
        begun = self._front_end.begin(frames[0])
        for following in (*frames[1:], None):
            field = self._front_end.field(begun)
            if following is not None:
                begun = self._front_end.begin(following)
            total += self._named(field, None, self._cascade)
        return total

    def _named(self, field: Field, places: Places | None, cascade: Cascade) -> Seen:
        found = self._detector.detect_in(field.batch, field.shrunk)
        centres = [(each.x, each.y) for each in found] if places is None else places
        across = field.picture.width / field.shrunk.width
        down = field.picture.height / field.shrunk.height
        return seen(cascade.examine_in(field.picture, [(x * across, y * down) for x, y in centres]))


def seen(answers: Sequence[tuple[object, Opinion] | None]) -> Seen:
    """Return what a cascade's answers amount to."""
    opinions = [answer[1] for answer in answers if answer is not None]
    return Seen(len(opinions), sum(opinion.views > 1 for opinion in opinions))


def places_of(path: FieldPath, frame: Frame, count: int, margin_px: float) -> Places:
    """Return so many places of cells whose windows lie inside a frame, the same ones again where it has fewer.

    Raises ValueError where no cell is found.
    """
    height, width = frame.shape[:2]
    inside = [
        (each.x, each.y)
        for each in path.detect(frame)
        if margin_px <= each.x <= width - margin_px and margin_px <= each.y <= height - margin_px
    ]
    if not inside:
        raise ValueError("No cell was found in the field that is timed.")
    return list(islice(cycle(inside), count))
