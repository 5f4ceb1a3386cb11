"""From a frame to what the networks take, without the pixels leaving the GPU.

A frame is uploaded once. It is made even by the flat field, brought to the detector's scale and to the canonical one,
and views of its cells are cut there. All of it equals what the processor makes of the frame: see kernels/frame.cu.
While one field is looked at, the next one's frame may be uploaded: `begin` it before the networks are run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.flat_field import FlatField
from models.detector import MULTIPLE_PX, Shrunk
from models.engines.engine import DeviceBatch
from models.errors import AnalysisError
from models.gpu.device import REASON, Device
from models.gpu.driver import Event
from models.gpu.kernels import LEVELS, Kernels, load_kernels
from models.gpu.memory import DeviceMemory, Lane, new_event, wait_here
from models.gpu.program import Compiler
from models.gpu.resampler import Resampler
from models.gpu.resampling import resampling
from models.gpu.view_cutter import DevicePicture, ViewCutter

SLOTS = 2  # the frame that is looked at, and the next one
SAMPLED_PX = 8


@dataclass(frozen=True, slots=True)
class Optics:
    """What frames a run has, and what its networks want. Scales in µm/px.

    width, height: of every frame, px.  side: of the views, px.
    """

    width: int
    height: int
    um_per_px: float
    detector_um_per_px: float
    canonical_um_per_px: float
    side: int


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A frame as the networks take it. It holds until the next field.

    batch: for the detector, 1×H×W×3, padded by its edge.  shrunk: what is known of it.
    picture: at the canonical scale.  sample: uint8, every 8th pixel of every 8th row of the corrected frame.
    """

    batch: DeviceBatch
    shrunk: Shrunk
    picture: DevicePicture
    sample: NDArray[np.uint8]


class Begun:
    """A frame on its way to the device, until its field is asked for."""

    __slots__ = ("slot",)

    def __init__(self, slot: int) -> None:
        self.slot: int | None = slot


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """Room for one frame. uploaded: passed once it is on the device."""

    host: NDArray[np.uint8]
    memory: DeviceMemory
    uploaded: Event


class FrontEnd:
    """Makes fields of frames. One thread uses it: the one that opened the device."""

    def __init__(
        self, device: Device, compiler: Compiler, optics: Optics, flat_field: FlatField | None = None
    ) -> None:
        """Compile the kernels and take all memory that a run needs.

        Raises EngineRefused where the kernels do not compile, AnalysisError where CUDA fails or the flat field is for
        frames of another size.
        """
        self._device = device
        self._optics = optics
        self._shape = (optics.height, optics.width, LEVELS)
        self._nbytes = optics.height * optics.width * LEVELS
        self._kernels = load_kernels(device, compiler)
        self._copying, self._computing = Lane(device), Lane(device)
        self._slots = [
            _Slot(
                self._copying.page_locked(self._nbytes),
                self._copying.allocate(self._nbytes),
                new_event(device),
            )
            for _ in range(SLOTS)
        ]
        self._taken: set[int] = set()
        self._looked_at: int | None = None
        self._fields = 0
        self._evenness = None if flat_field is None else _Evenness(self._computing, flat_field, self._shape)
        size = (optics.width, optics.height, optics.um_per_px)
        self._small = Resampler(
            self._computing, self._kernels, resampling(*size, optics.detector_um_per_px), MULTIPLE_PX
        )
        self._canonical = Resampler(
            self._computing, self._kernels, resampling(*size, optics.canonical_um_per_px)
        )
        self._cutter = ViewCutter(self._computing, self._kernels, optics.side)
        self._sample = _Sample(self._computing, self._kernels, optics.width, optics.height)

    def begin(self, pixels: NDArray[np.uint8]) -> Begun:
        """Queue the upload of a frame (H×W×3 uint8), and return at once. The array may be changed afterwards.

        Raises AnalysisError for a frame of another size, and where two are on the device already.
        """
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise AnalysisError(
                f"A frame of {' × '.join(map(str, pixels.shape))} ({pixels.dtype}) came, the run began with frames of "
                f"{' × '.join(map(str, self._shape))} (uint8). Count it in a run of its own."
            )
        free = [slot for slot in range(SLOTS) if slot not in self._taken]
        if not free:
            raise AnalysisError(
                f"{SLOTS} frames are on the GPU, and a further one came. Report this.", REASON
            )
        slot = self._slots[free[0]]
        np.copyto(slot.host.reshape(self._shape), pixels)
        self._copying.to_device(slot.memory.address, slot.host)
        self._copying.mark(slot.uploaded)
        self._taken.add(free[0])
        return Begun(free[0])

    def drop(self, begun: Begun) -> None:
        """Forget a frame whose field nobody will ask for. Raises AnalysisError."""
        if begun.slot is not None:
            wait_here(self._device, self._slots[begun.slot].uploaded)
            self._taken.discard(begun.slot)
            begun.slot = None

    def field(self, begun: Begun) -> Field:
        """Return the field of a frame, done; the one before is gone. Raises AnalysisError."""
        if begun.slot is None:
            raise AnalysisError("The frame on the GPU was asked for twice. Report this.", REASON)
        self._taken.discard(-1 if self._looked_at is None else self._looked_at)
        self._fields += 1
        self._looked_at, begun.slot = begun.slot, None
        slot = self._slots[self._looked_at]
        self._computing.wait_for(slot.uploaded)
        even = slot.memory
        if self._evenness is not None:
            even = self._evenness.correct(self._kernels, even)
        small = self._small.resample(even)
        canonical = self._canonical.resample(even)
        sample = self._sample.of(even)
        self._computing.synchronise()
        this = self._fields
        width, height = self._canonical.size
        picture = DevicePicture(canonical.address, width, height, self._cutter, lambda: self._fields != this)
        columns, rows = self._small.size
        optics = self._optics
        return Field(
            DeviceBatch(small.address, (1, *self._small.padded[::-1], LEVELS), small, self._device.number),
            Shrunk(columns, rows, optics.width, optics.height, optics.um_per_px),
            picture,
            sample.copy(),
        )


class _Evenness:
    """A flat field on the device, and room for a frame made even."""

    def __init__(self, lane: Lane, flat_field: FlatField, shape: tuple[int, int, int]) -> None:
        if flat_field.gain.shape != shape:
            raise AnalysisError(
                f"The flat field is for frames of {' × '.join(map(str, flat_field.gain.shape))}, the run's have "
                f"{' × '.join(map(str, shape))}. Use the calibration of this camera setting, or calibrate it."
            )
        self._lane = lane
        self._levels = flat_field.gain.size
        self._gain = lane.holding(flat_field.gain)
        self._offset = None if flat_field.offset is None else lane.holding(flat_field.offset)
        self._even = lane.allocate(self._levels)

    def correct(self, kernels: Kernels, frame: DeviceMemory) -> DeviceMemory:
        offset = 0 if self._offset is None else self._offset.address
        given = (frame.address, self._gain.address, offset, self._even.address, self._levels)
        kernels.start(self._lane, "correct", self._levels, 1, *given)
        return self._even


class _Sample:
    """A few pixels of a frame in host memory, to judge its light by."""

    def __init__(self, lane: Lane, kernels: Kernels, width: int, height: int) -> None:
        self._lane = lane
        self._kernels = kernels
        self._width = width
        self._shape = (-(-height // SAMPLED_PX), -(-width // SAMPLED_PX), LEVELS)
        rows, columns, _ = self._shape
        self._host = lane.page_locked(rows * columns * LEVELS)
        self._memory = lane.allocate(self._host.size)

    def of(self, frame: DeviceMemory) -> NDArray[np.uint8]:
        rows, columns, _ = self._shape
        given = (frame.address, self._width, self._memory.address, columns, rows, SAMPLED_PX)
        self._kernels.start(self._lane, "sample", columns * LEVELS, rows, *given)
        self._lane.to_host(self._host, self._memory.address)
        return self._host.reshape(self._shape)
