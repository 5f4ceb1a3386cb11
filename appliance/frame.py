"""One exposure, and the seam through which it becomes cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.picture_axes import ALONG, Axes
from calibration import Scale
from firmware_bridge.point import Point
from models import Cell

__all__ = ["Analyser", "Frame", "Point", "SkippedField"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One exposure, as the sensor gave it.

    index: its place in the plan, from 0.  name: what a person calls it (a file's name relative to the folder).
    pixels: uint8, H×W×3, RGB.  position: stage, µm, of the frame's top left corner.
    exposure_start_ns: monotonic.  exposure_us and gain: None where the sensor did not say.
    calibration_id: the id of the Scale it belongs to.
    axes: how the picture lies on the stage.
    """

    index: int
    name: str
    pixels: NDArray[np.uint8]
    position: Point
    exposure_start_ns: int
    exposure_us: int | None
    gain: float | None
    calibration_id: str
    axes: Axes = ALONG


@dataclass(frozen=True, slots=True)
class SkippedField:
    """A field of the plan that could not be had, on record. Never a field with zero cells.

    reason: its kind in a few words, the same for every such field ("cut short", "greyscale").
    detail: one sentence for a person: which file, what is wrong, what to do.
    place: of its upper left corner on the stage, without a height, where the source knows it.
    """

    index: int
    name: str
    reason: str
    detail: str
    place: Point | None = None


class Analyser(Protocol):
    """A frame and its calibration in, cells out, or an error."""

    @property
    def engine(self) -> str:
        """The engine and device in use, for status and every result."""

    @property
    def weights(self) -> str:
        """Name and digest of the weights in use."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of a cell's probabilities, in their order."""

    def check(self, scale: Scale) -> None:
        """Raise ModelRefused where frames of this scale are too coarse for the weights."""

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """Every white cell of the frame.

        Raises AnalysisError when the answer is not known; an empty list means that there are none.
        """
