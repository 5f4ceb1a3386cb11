"""Pictures on the device, brought to another scale."""

from __future__ import annotations

import numpy as np

from models.gpu.kernels import LEVELS, Kernels
from models.gpu.memory import DeviceMemory, Lane
from models.gpu.resampling import Axis, Method, Resampling


class Resampler:
    """One picture size to one scale, with room for the result.

    size: width and height of the result, px.  padded: the same, with its edges drawn out to a multiple.
    """

    def __init__(self, lane: Lane, kernels: Kernels, way: Resampling, multiple: int = 1) -> None:
        """Take the memory, and upload the tables. Raises AnalysisError."""
        self._lane = lane
        self._kernels = kernels
        self._way = way
        self.size = way.size
        width, height = way.size
        self.padded = (width + -width % multiple, height + -height % multiple)
        self._unchanged = way.method is Method.SAME and self.padded == way.size
        self._target = lane.allocate(0 if self._unchanged else self.padded[0] * self.padded[1] * LEVELS)
        across, down = way.across, way.down
        self._tables = [] if across is None or down is None else [*self._held(across), *self._held(down)]

    def resample(self, picture: DeviceMemory) -> DeviceMemory:
        """Queue it; return where the result will be: the picture's own place where it stays as it is."""
        if self._unchanged:
            return picture
        columns, rows = self.size
        source_columns, source_rows = self._way.source
        target = (self._target.address, columns, rows, self.padded[0])
        tables = tuple(table.address for table in self._tables)
        given: tuple[object, ...]
        match self._way.method:
            case Method.SAME:
                given = (picture.address, *target)
            case Method.SHRINK_BY_WHOLE:
                across, down = self._way.steps
                share = float(np.float32(1.0 / (across * down)))
                given = (picture.address, source_columns, *target, across, down, share)
            case Method.SHRINK:
                given = (picture.address, source_columns, *target, *tables)
            case Method.GROW:
                given = (picture.address, source_columns, source_rows, *target, *tables)
        self._kernels.start(
            self._lane, self._way.method.value, self.padded[0] * LEVELS, self.padded[1], *given
        )
        return self._target

    def _held(self, axis: Axis) -> list[DeviceMemory]:
        counted = [] if self._way.method is Method.GROW else [axis.count]
        return [self._lane.holding(table) for table in (axis.first, *counted, axis.weights)]
