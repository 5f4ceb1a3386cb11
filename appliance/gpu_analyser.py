"""The analyser of fields on a GPU: a frame is uploaded once, and only small arrays come back.

Flat field, both scales, padding and views are made on the device (`models.gpu.front_end`); detector and classifiers
take them where they lie; peaks, guidance and labels are worked out on the host, by the processor's own code.
One thread owns the device; whoever analyses waits for it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from appliance.expected_frames import FrameSize
from appliance.frame import Frame
from appliance.network_analyser import cells_of, refuse_another_calibration, refuse_dark
from appliance.owner_thread import OwnerThread
from calibration import Scale
from calibration.flat_field import FlatField
from models import Cell
from models.cascade import Cascade
from models.cells import Detection, Probabilities
from models.detector import Detector, NetworkDetector
from models.errors import AnalysisError, GpuFailed
from models.gpu.device import REASON, Device
from models.gpu.front_end import Field, FrontEnd, Optics
from models.gpu.memory import Lane
from models.gpu.nvrtc_library import find_nvrtc
from models.gpu.program import Compiler

LET_GO_WITHIN_S = 5.0
WARM_CELLS = (1, 8)  # in one field: guidance makes a batch of views of each
AGAIN = "Restart the instrument, then resume."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Networks:
    """What finds cells and what names them, opened where they are to run."""

    detector: Detector
    cascade: Cascade


@dataclass(slots=True)
class _Held:
    """What only the owner's thread touches. made_for: what the front end was made for."""

    device: Device
    compiler: Compiler
    lane: Lane
    networks: Networks
    front_end: FrontEnd | None = None
    made_for: tuple[Optics, FlatField | None] | None = None


class Gpu:
    """A GPU with networks on it, in the hands of a thread of its own until nobody refers to it."""

    def __init__(
        self,
        load: Callable[[Lane], Networks],
        open_device: Callable[[], Device] | None = None,
        compiler: Callable[[Device], Compiler] | None = None,
        kernels: Path | None = None,
    ) -> None:
        """Take the device and load the networks, in the thread that owns both.

        load: is given the stream on which they may run.  open_device, compiler: PyCUDA's first GPU and NVRTC by
        themselves.  kernels: where those that were compiled are kept.
        Raises EngineRefused where there is no device or no compiler, ModelRefused as `load` does.
        """
        self._owner = OwnerThread("gpu")
        try:
            self._held = self._owner.do(_take, load, open_device or Device, compiler or _nvrtc(kernels))
        except BaseException:
            self._owner.end(lambda: None, LET_GO_WITHIN_S)
            raise
        self.name = self._held.device.name
        self.cascade = self._held.networks.cascade
        self.detector = self._held.networks.detector
        self._finalizer = weakref.finalize(self, _put_down, self._owner, self._held)

    def close(self) -> None:
        """Let go of the device now. May be called twice."""
        self._finalizer()

    def do(self, work: Callable[[_Held], T]) -> T:
        """Do something with the device in its own thread.

        Raises GpuFailed with the name of CUDA's error wherever CUDA fails, and what else `work` raises.
        """
        if not self._finalizer.alive:
            raise GpuFailed(f"The GPU {self.name} was let go of. {AGAIN}", REASON)
        return self._owner.do(_watched, self._held, work)


class GpuAnalyser:
    """Networks on a GPU, whole field by whole field."""

    def __init__(self, gpu: Gpu, flat_field: FlatField | None = None) -> None:
        """Take the GPU, ready to run. flat_field: what every frame is made even by, there."""
        self._gpu = gpu
        self._flat_field = flat_field
        self.engine = f"{gpu.cascade.engine}, frames prepared by the GPU"
        self.weights = f"{gpu.cascade.name}, {gpu.detector.name}"
        self.outputs = gpu.cascade.outputs

    def check(self, scale: Scale) -> None:
        """Raise ModelRefused where frames of this scale are too coarse for the weights."""
        self._gpu.cascade.refuse_too_coarse(scale.um_per_px)

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """Every white cell of the frame, best first.

        Raises AnalysisError for a dark frame, a frame of another calibration, and where a network fails; GpuFailed
        where the GPU does; ModelRefused for a scale too coarse for the weights; CalibrationRefused for a frame of
        another size than the flat field's.
        """
        refuse_another_calibration(frame, scale)
        self.check(scale)
        if self._flat_field is not None:
            self._flat_field.refuse_another_size(frame.pixels)
        return self._gpu.do(lambda held: _analyse(held, frame, scale, self._flat_field))

    def evened_by(self, flat_field: FlatField) -> GpuAnalyser:
        """Return the same analyser, but one that sees every frame as an even lamp would have given it."""
        return GpuAnalyser(self._gpu, flat_field)

    def probabilities(self, patches: NDArray[np.uint8]) -> Probabilities:
        """Return what the cascade says of single views in host memory (see `Cascade.probabilities`)."""
        return self._gpu.do(lambda held: held.networks.cascade.probabilities(patches))

    def warm(self, frames: FrameSize | None) -> None:
        """Run everything once, so that the first field takes no longer than the others.

        frames: what the run's will be; None where nobody knows, and then only classifiers are run.
        """
        self._gpu.do(lambda held: _warm(held, frames, self._flat_field))

    def close(self) -> None:
        """Let go of the GPU; it is let go of by itself once nobody refers to any of its analysers."""
        self._gpu.close()


def _nvrtc(kernels: Path | None) -> Callable[[Device], Compiler]:
    return lambda device: Compiler(find_nvrtc(newest=device.cuda[0]), kernels)


# In the owner's thread


def _take(
    load: Callable[[Lane], Networks],
    open_device: Callable[[], Device],
    compiler: Callable[[Device], Compiler],
) -> _Held:
    device = open_device()
    try:
        lane = Lane(device)
        return _Held(device, compiler(device), lane, load(lane))
    except BaseException:
        device.close()
        raise


def _put_down(owner: OwnerThread, held: _Held) -> None:
    def let_go() -> None:
        device = held.device
        # Memory, streams and networks go before the context that they live in.
        del held.front_end, held.made_for, held.networks, held.lane, held.compiler
        device.close()

    owner.end(let_go, LET_GO_WITHIN_S)


def _watched(held: _Held, work: Callable[[_Held], T]) -> T:
    """Tell the device's own failures, which every further field would have too, from a field's."""
    try:
        return work(held)
    except AnalysisError as error:
        if failure := _failure(held, error):
            held.front_end = held.made_for = None  # whatever it was doing is half done
            raise GpuFailed(f"{str(failure).rstrip('.')}. {AGAIN}", REASON) from error
        raise


def _failure(held: _Held, error: AnalysisError) -> AnalysisError | None:
    """What CUDA says, where it was CUDA that failed: an engine need not say so, but the device still does."""
    if error.reason == REASON:
        return error
    try:
        held.lane.synchronise()
    except AnalysisError as failure:
        return failure
    return None


def _analyse(held: _Held, frame: Frame, scale: Scale, flat_field: FlatField | None) -> list[Cell]:
    end = _front_end(held, frame, scale.um_per_px, flat_field)
    field = end.field(end.begin(frame.pixels))
    refuse_dark(frame.name, field.sample)
    found = _found(held.networks.detector, field, frame.pixels, scale.um_per_px, flat_field)
    height, width = frame.pixels.shape[:2]
    across, down = field.picture.width / width, field.picture.height / height
    places = [(each.x * across, each.y * down) for each in found]
    return cells_of(frame, scale, found, held.networks.cascade.examine_in(field.picture, places))


def _found(
    detector: Detector,
    field: Field,
    pixels: NDArray[np.uint8],
    um_per_px: float,
    flat_field: FlatField | None,
) -> list[Detection]:
    if isinstance(detector, NetworkDetector):
        return detector.detect_in(field.batch, field.shrunk)
    # The classical detector is the processor's: it looks at the frame itself, made even there.
    return detector.detect(pixels if flat_field is None else flat_field.apply(pixels), um_per_px)


def _front_end(held: _Held, frame: Frame, um_per_px: float, flat_field: FlatField | None) -> FrontEnd:
    height, width = frame.pixels.shape[:2]
    return _front_end_for(held, FrameSize(width, height, um_per_px), flat_field)


def _front_end_for(held: _Held, frames: FrameSize, flat_field: FlatField | None) -> FrontEnd:
    """The front end for such frames; made anew where the last ones were others."""
    detector, cascade = held.networks.detector, held.networks.cascade
    coarse = detector.um_per_px if isinstance(detector, NetworkDetector) else cascade.um_per_px
    sizes = (frames.width, frames.height, frames.um_per_px)
    optics = Optics(*sizes, coarse, cascade.um_per_px, cascade.patch_px)
    made_for = held.made_for
    if held.front_end is None or made_for is None or made_for[0] != optics or made_for[1] is not flat_field:
        held.front_end = held.made_for = None  # its memory first
        held.front_end = FrontEnd(held.device, held.compiler, optics, flat_field)
        held.made_for = optics, flat_field
    return held.front_end


def _warm(held: _Held, frames: FrameSize | None, flat_field: FlatField | None) -> None:
    detector, cascade = held.networks.detector, held.networks.cascade
    cascade.warm()
    if frames is None:  # and a detector's plan takes fields of the run's size alone
        return
    blank = np.full((frames.height, frames.width, 3), 200, np.uint8)
    end = _front_end_for(held, frames, flat_field)
    field = end.field(end.begin(blank))
    _found(detector, field, blank, frames.um_per_px, flat_field)
    middle = (field.picture.width / 2, field.picture.height / 2)
    for cells in WARM_CELLS:
        cascade.examine_in(field.picture, [middle] * cells)
