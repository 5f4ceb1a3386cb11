"""Views of cells, cut on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.cells import Patch
from models.engines.engine import DeviceBatch
from models.errors import AnalysisError
from models.gpu.device import REASON
from models.gpu.kernels import LEVELS, Kernels
from models.gpu.memory import DeviceMemory, Lane
from models.views import View

FIRST_VIEWS = 256
MOST_VIEWS = 65_535  # the grid of blocks goes no further down
_NUMBERS = 3  # left, top, turn


class ViewBatch:
    """Room on the device for a batch of views, larger whenever more are asked for.

    It holds one batch at a time.
    """

    def __init__(self, lane: Lane, kernels: Kernels, side: int) -> None:
        """Take the room for the first. Raises AnalysisError."""
        self._lane = lane
        self._kernels = kernels
        self.side = side
        self._room = 0
        self._take(FIRST_VIEWS)

    @property
    def view_bytes(self) -> int:
        """Of one view."""
        return self.side * self.side * LEVELS

    def cut(self, address: int, columns: int, views: NDArray[np.int32]) -> DeviceMemory:
        """Queue the cutting of views (N×3: left, top, turn) from a picture; return where they will be."""
        if len(views) > self._room:
            self._take(1 << (len(views) - 1).bit_length())
        table = self._table[: views.size]
        table[:] = views.ravel()
        self._lane.to_device(self._views.address, table)
        given = (address, columns, self._views.address, self._memory.address, self.side)
        self._kernels.start(self._lane, "cut", self.view_bytes, len(views), *given)
        return self._memory

    def _take(self, room: int) -> None:
        # A batch that somebody still holds keeps its own memory alive.
        self._memory = self._lane.allocate(room * self.view_bytes)
        self._views = self._lane.allocate(room * _NUMBERS * np.dtype(np.int32).itemsize)
        self._table = self._lane.page_locked(self._views.nbytes).view(np.int32)
        self._room = room


class ViewCutter:
    """Cuts views for engines, and patches to keep, each into memory of its own."""

    def __init__(self, lane: Lane, kernels: Kernels, side: int) -> None:
        """Take the memory. Raises AnalysisError."""
        self._lane = lane
        self._seen = ViewBatch(lane, kernels, side)
        self._kept = ViewBatch(lane, kernels, side)
        self._host = lane.page_locked(0)
        self.side = side

    def batch(self, address: int, columns: int, views: NDArray[np.int32]) -> DeviceBatch:
        """Return views as a batch, done. It holds until the next one."""
        shape = (len(views), self.side, self.side, LEVELS)
        if not len(views):
            return DeviceBatch(0, shape, None, self._lane.device)
        memory = self._seen.cut(address, columns, views)
        self._lane.synchronise()
        return DeviceBatch(memory.address, shape, memory, self._lane.device)

    def patches(self, address: int, columns: int, views: NDArray[np.int32]) -> list[Patch]:
        """Return views in host memory, each with pixels of its own."""
        if not len(views):
            return []
        memory = self._kept.cut(address, columns, views)
        size = len(views) * self._kept.view_bytes
        if size > self._host.size:
            self._host = self._lane.page_locked(max(size, FIRST_VIEWS * self._kept.view_bytes))
        self._lane.to_host(self._host[:size], memory.address)
        self._lane.synchronise()
        patches = self._host[:size].reshape(len(views), self.side, self.side, LEVELS)
        return [patch.copy() for patch in patches]


class DevicePicture:
    """A field at the canonical scale in the memory of a GPU: a `models.views.Picture`."""

    def __init__(
        self, address: int, width: int, height: int, cutter: ViewCutter, gone: Callable[[], bool]
    ) -> None:
        """Take a picture at an address. gone: whether another field has taken its place."""
        self._address = address
        self._cutter = cutter
        self._gone = gone
        self.width = width
        self.height = height
        self.side = cutter.side

    def cut(self, views: Sequence[View]) -> DeviceBatch:
        """Return views as a batch on the device; it holds until the next one is cut. Raises AnalysisError."""
        return self._cutter.batch(self._address, self.width, self._checked(views))

    def patches(self, views: Sequence[View]) -> list[Patch]:
        """Return views in host memory, each with pixels of its own. Raises AnalysisError."""
        return self._cutter.patches(self._address, self.width, self._checked(views))

    def _checked(self, views: Sequence[View]) -> NDArray[np.int32]:
        """Refuse what would be cut from memory that is not this picture's."""
        if self._gone():
            raise AnalysisError(
                "The field on the GPU was replaced before its cells were cut. Report this.", REASON
            )
        table = np.array([(view.left, view.top, view.turn) for view in views], np.int32).reshape(-1, _NUMBERS)
        left, top, turn = table.T
        inside = (left >= 0) & (top >= 0) & (turn >= 0) & (turn < 8)
        inside &= (left + self.side <= self.width) & (top + self.side <= self.height)
        if not inside.all() or len(table) > MOST_VIEWS:
            raise AnalysisError(
                f"{len(table)} views were asked for, not all of them inside the picture. Report this.", REASON
            )
        return table
