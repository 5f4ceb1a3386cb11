"""The variants that are measured, each in a process of its own: how its networks are opened and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gpu_fields import Fields
from benchmarks.gpu_options import Options
from benchmarks.gpu_paths import DevicePath, FieldPath, Frame, HostPath, Places, Seen
from benchmarks.gpu_roofline import FP16, FP32
from models.card import read_card
from models.cascade import load_cascade
from models.cascade_file import Precision
from models.cells import Detection
from models.detector import NetworkDetector
from models.engines.box import Box, ask_box
from models.engines.engine import OpenEngine
from models.errors import EngineRefused

if TYPE_CHECKING:
    from benchmarks.published import PublishedMethod
    from models.gpu.device import Device

PANEL, SPECIMEN = "smear-13", "marrow"
NETWORKS = ("detector", "cells", "cells-residual")
TORCH_NEEDED = "needs PyTorch and onnx: pip install 'hemadiff[train]'"


@dataclass(frozen=True, slots=True)
class Opened:
    """A variant, ready but not warm. open_engine: opens a network as it runs here; None for the published way."""

    path: FieldPath
    open_engine: OpenEngine | None


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of doing it. ours: the appliance's, not measured for (c) alone.  precision: what its floor is of."""

    title: str
    ours: bool
    precision: str
    open: Callable[[Options, Fields], Opened]


def _on_cuda(options: Options, fields: Fields) -> Opened:
    from models.engines.onnx_engine import open_on_cuda

    return _with_front_end(fields, partial(open_on_cuda, gpu=_box(options).gpu))


def _on_cuda_from_host(options: Options, fields: Fields) -> Opened:
    from models.engines.onnx_engine import open_on_cuda

    return _from_host(fields, partial(open_on_cuda, gpu=_box(options).gpu), Precision.FLOAT)


def _on_cpu(_: Options, fields: Fields) -> Opened:
    from models.engines.onnx_engine import open_on_cpu

    return _from_host(fields, open_on_cpu, None)


def _on_tensorrt(options: Options, fields: Fields) -> Opened:
    box = _box(options)
    if box.tensorrt is None:
        raise EngineRefused("TensorRT is not installed")
    from models.engines.names import EnginePrecision
    from models.engines.plan_cache import PlanCache
    from models.engines.profiles import field_size
    from models.engines.tensorrt_build import build_plan
    from models.engines.tensorrt_opener import TensorRTOpener
    from models.gpu.memory import Lane

    plans = PlanCache(Path(options.plans or "runs/gpu-plans"))
    sizes = (field_size(fields.size, fields.um_per_px, read_card("detector").um_per_px),)
    for name in NETWORKS:
        build_plan(read_card(name).path, sizes, EnginePrecision.FP16, box, plans)
    device = _device()
    opener = TensorRTOpener(box, Lane(device), plans, EnginePrecision.FP16, sizes)
    return _with_front_end(fields, opener, device)


def _on_torch(*, compiled: bool = False, half: bool = False) -> Callable[[Options, Fields], Opened]:
    def opened(options: Options, fields: Fields) -> Opened:
        _refuse_without_torch(options)
        from benchmarks.gpu_torch import TorchEngine

        def open_engine(path: Path) -> TorchEngine:
            return TorchEngine(path, options.device, compiled=compiled, half=half)

        return _from_host(fields, open_engine, Precision.FLOAT)

    return opened


def _published(options: Options, fields: Fields) -> Opened:
    _refuse_without_torch(options)
    import os

    from benchmarks.published import PublishedMethod

    threads = len(os.sched_getaffinity(0))
    return Opened(PublishedPath(PublishedMethod(threads, options.device), fields.um_per_px), None)


# In the order in which they are worth their time, where time is short.
VARIANTS = {
    "tensorrt": Variant("TensorRT, front end on the GPU", True, FP16, _on_tensorrt),
    "onnx-cuda": Variant("ONNX Runtime CUDA, front end on the GPU", True, FP32, _on_cuda),
    "onnx-cuda-host": Variant(
        "ONNX Runtime CUDA, resampled by the processor", True, FP32, _on_cuda_from_host
    ),
    "published": Variant("the published way: saliency, VGG-16, one cell at a time", False, FP32, _published),
    "torch-eager": Variant("PyTorch eager", False, FP32, _on_torch()),
    "torch-compile": Variant("torch.compile", False, FP32, _on_torch(compiled=True)),
    "onnx-cpu": Variant("ONNX Runtime on the processor, as it counts without a GPU", True, FP32, _on_cpu),
    "torch-eager-fp16": Variant("PyTorch eager, float16", False, FP16, _on_torch(half=True)),
    "torch-compile-fp16": Variant("torch.compile, float16", False, FP16, _on_torch(compiled=True, half=True)),
}


def chosen(options: Options) -> list[str]:
    """Return the variants that these items are measured with: the others only for (c)."""
    return [name for name, variant in VARIANTS.items() if variant.ours or "c" in options.items]


class PublishedPath:
    """The published way. It has no guidance, and its network's weights are random: its time is all that is asked."""

    def __init__(self, method: PublishedMethod, um_per_px: float) -> None:
        """Take the method, and the scale of all frames."""
        self._method, self._um_per_px = method, um_per_px
        self.name = f"VGG-16 in PyTorch eager, {method.device}"

    def detect(self, frame: Frame) -> list[Detection]:
        """Find by saliency."""
        return self._method.detector.detect(frame, self._um_per_px)

    def look(self, frame: Frame, places: Places | None = None, *, always: bool = False) -> Seen:
        """Find and name, one cell after the other."""
        found = self.detect(frame)
        centres = [(each.x, each.y) for each in found] if places is None else places
        return Seen(len(self._method.name_at(frame, self._um_per_px, centres)), 0)

    def count(self, frames: Sequence[Frame]) -> Seen:
        """One field after the other."""
        return sum((self.look(frame) for frame in frames), Seen())


def _box(options: Options) -> Box:
    """Raises EngineRefused where this is a rehearsal, or there is no GPU."""
    if not options.on_card:
        raise EngineRefused("a rehearsal on the processor leaves the GPU's engines out")
    asked = ask_box()
    if asked.box is None:
        raise EngineRefused(asked.why_none)
    return asked.box


def _device() -> Device:
    if find_spec("pycuda") is None:
        raise EngineRefused("PyCUDA is not installed, so there is no front end on the GPU")
    from models.gpu.device import Device

    return Device()


def _with_front_end(fields: Fields, open_anew: OpenEngine, device: Device | None = None) -> Opened:
    from models.gpu.front_end import FrontEnd, Optics
    from models.gpu.nvrtc_library import find_nvrtc
    from models.gpu.program import Compiler

    held, open_engine = device or _device(), cache(open_anew)
    cascade = load_cascade(PANEL, SPECIMEN, precision=Precision.FLOAT, open_engine=open_engine)
    detector = NetworkDetector(open_engine=open_engine)
    width, height = fields.size
    optics = Optics(width, height, fields.um_per_px, detector.um_per_px, cascade.um_per_px, cascade.patch_px)
    front_end = FrontEnd(held, Compiler(find_nvrtc(held.cuda[0])), optics)
    return Opened(DevicePath(front_end, detector, cascade), open_engine)


def _from_host(fields: Fields, open_anew: OpenEngine, precision: Precision | None) -> Opened:
    open_engine = cache(open_anew)
    cascade = load_cascade(PANEL, SPECIMEN, precision=precision, open_engine=open_engine)
    return Opened(HostPath(NetworkDetector(open_engine=open_engine), cascade, fields.um_per_px), open_engine)


def _refuse_without_torch(options: Options) -> None:
    if find_spec("torch") is None or find_spec("onnx") is None:
        raise EngineRefused(TORCH_NEEDED)
    import torch

    if options.on_card and not torch.cuda.is_available():
        raise EngineRefused("PyTorch sees no GPU")
    # Float32 is meant where it is said, as for the other engines.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
