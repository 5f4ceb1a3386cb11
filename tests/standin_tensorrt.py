"""A stand-in for the `tensorrt` module: its calls and habits, with ONNX Runtime on the processor behind them.

A "plan" is the ONNX file with a line before it. "Device memory" is memory of this process, and a stream is a list of
what is still to happen, which only `StandInCuda.synchronise` makes happen.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.errors import AnalysisError

STREAM = 7
ALIGNED = 256
NAMES = {onnx.TensorProto.UINT8: "UINT8", onnx.TensorProto.FLOAT: "FLOAT"}


@dataclass
class Habits:
    """What this TensorRT does, and what it was asked to do.

    driver: whether there is one; TensorRT without one ends the process.  steps: of a build.  fails: what it says when
    it cannot build, load or run.  gives: the type of its answers.  before_step: called before each step of a build.
    """

    version: str = "11.4.0.106"
    driver: bool = True
    steps: int = 6
    fails_building: str = ""
    fails_loading: str = ""
    fails_running: str = ""
    gives: str = "FLOAT"
    before_step: Callable[[int], None] = lambda step: None
    builds: int = 0
    timings_given: list[bytes] = field(default_factory=list)
    shapes_run: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    flags_cleared: list[Any] = field(default_factory=list)
    queued: list[Callable[[], None]] = field(default_factory=list)


def tensorrt(habits: Habits) -> ModuleType:
    """The module, as `import tensorrt` would give it."""
    module: Any = ModuleType("tensorrt")
    module.__version__ = habits.version
    parts = (_values(habits), _building(habits, module), _running(habits, module))
    for part in parts:
        module.__dict__.update(part)
    return module


def _values(habits: Habits) -> dict[str, Any]:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    class ILogger:
        pass

    ILogger.Severity = Severity  # type: ignore[attr-defined]
    DataType = enum.Enum("DataType", "FLOAT HALF INT8 INT32 INT64 BOOL UINT8")  # noqa: N806
    flags = "TF32" if habits.version.startswith("11") else "FP16 INT8 TF32"
    creation = (
        [("STRONGLY_TYPED", 1)]
        if habits.version.startswith("11")
        else [("EXPLICIT_BATCH", 0), ("STRONGLY_TYPED", 1)]
    )
    return {
        "ILogger": ILogger,
        "IProgressMonitor": type("IProgressMonitor", (), {}),
        "Dims": type("Dims", (tuple,), {}),
        "DataType": DataType,
        "TensorIOMode": enum.Enum("TensorIOMode", "NONE INPUT OUTPUT"),
        "BuilderFlag": enum.Enum("BuilderFlag", flags),
        "MemoryPoolType": enum.Enum("MemoryPoolType", "WORKSPACE"),
        "NetworkDefinitionCreationFlag": enum.IntEnum("NetworkDefinitionCreationFlag", creation),
        "ExecutionContextAllocationStrategy": enum.Enum("Strategy", "STATIC ON_PROFILE_CHANGE USER_MANAGED"),
    }


def _building(habits: Habits, module: Any) -> dict[str, Any]:
    class INetworkDefinition:
        def __init__(self, flags: int) -> None:
            self.typed = bool(flags & 2)
            self.model: Any = None

    class ParserError:
        def __init__(self, text: str) -> None:
            self._text = text

        def desc(self) -> str:
            return self._text

    class OnnxParser:
        def __init__(self, network: Any, logger: Any) -> None:
            self._network = network
            self._errors: list[ParserError] = []

        @property
        def num_errors(self) -> int:
            return len(self._errors)

        def get_error(self, index: int) -> ParserError:
            return self._errors[index]

        def parse(self, model: bytes) -> bool:
            self._network.model = onnx.load_model_from_string(model)
            self._errors = [ParserError(text) for text in faults_for_tensorrt(self._network.model)]
            return not self._errors

    class IOptimizationProfile:
        def __init__(self) -> None:
            self.shapes: list[list[int]] = []

        def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
            self.shapes = [list(min), list(opt), list(max)]

    class ITimingCache:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def serialize(self) -> bytes:
            return self.content

    class IBuilderConfig:
        def __init__(self) -> None:
            self.progress_monitor: Any = None
            self.profiles: list[IOptimizationProfile] = []
            self._timings = ITimingCache(b"")

        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            assert pool is module.MemoryPoolType.WORKSPACE

        def clear_flag(self, flag: Any) -> None:
            habits.flags_cleared.append(flag)

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
            fitting = serialized_timing_cache in (b"", b"timings")
            return ITimingCache(serialized_timing_cache) if fitting else None

        def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
            habits.timings_given.append(cache.content)
            self._timings = cache
            return True

        def get_timing_cache(self) -> ITimingCache:
            return self._timings

        def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
            low, usual, high = profile.shapes
            if not all(a <= b <= c for a, b, c in zip(low, usual, high, strict=True)):
                return -1
            self.profiles.append(profile)
            return len(self.profiles) - 1

    class Builder:
        def __init__(self, logger: Any) -> None:
            if not habits.driver:
                logger.log(module.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35.")
                raise TypeError("pybind11::init(): factory function returned nullptr")
            self._logger = logger

        def create_network(self, flags: int = 0) -> INetworkDefinition:
            return INetworkDefinition(flags)

        def create_builder_config(self) -> IBuilderConfig:
            return IBuilderConfig()

        def create_optimization_profile(self) -> IOptimizationProfile:
            return IOptimizationProfile()

        def build_serialized_network(self, network: Any, config: IBuilderConfig) -> bytes | None:
            assert network.typed
            habits.builds += 1
            if not _passes_time(habits, config.progress_monitor):
                self._logger.log(
                    module.ILogger.Severity.ERROR, "Build was cancelled by the progress monitor."
                )
                return None
            if habits.fails_building:
                self._logger.log(module.ILogger.Severity.ERROR, habits.fails_building)
                return None
            config.get_timing_cache().content = b"timings"
            head = {"version": habits.version, "profiles": [each.shapes for each in config.profiles]}
            return json.dumps(head).encode() + b"\n" + network.model.SerializeToString()

    return {name: value for name, value in locals().items() if isinstance(value, type)}


def faults_for_tensorrt(model: Any) -> list[str]:
    """What TensorRT's parser refuses of what this project's networks might hold. Source: its operator tables."""
    integers = {each.name: each.data_type for each in model.graph.initializer}
    images = model.graph.input[0].name
    said = []
    for node in model.graph.node:
        if images in node.input and node.op_type != "Cast":
            said.append(f"{node.op_type}: UINT8 is only converted.")
        if node.op_type.endswith("quantizeLinear") or node.op_type == "QuantizeLinear":
            kinds = {integers.get(name) for name in node.input} - {None}
            if onnx.TensorProto.UINT8 in kinds or onnx.TensorProto.INT32 in kinds:
                said.append(f"{node.op_type}: only activation types allowed as input to this layer.")
    return said


def _passes_time(habits: Habits, monitor: Any) -> bool:
    """A build's phases, one in another. Whatever the monitor raises, TensorRT swallows."""
    outer, inner = "Building Engine", "Finding tactics"
    with contextlib.suppress(BaseException):
        monitor.phase_start(outer, None, 2)
        monitor.phase_start(inner, outer, habits.steps)
    for step in range(habits.steps):
        habits.before_step(step)
        goes_on = False
        with contextlib.suppress(BaseException):
            goes_on = monitor.step_complete(inner, step)
        if not goes_on:
            return False
    monitor.phase_finish(inner)
    monitor.step_complete(outer, 0)
    monitor.step_complete(outer, 1)
    monitor.phase_finish(outer)
    return True


def _running(habits: Habits, module: Any) -> dict[str, Any]:
    class IExecutionContext:
        def __init__(self, engine: Any) -> None:
            self._engine = engine
            self._profile = 0
            self._shape: tuple[int, ...] | None = None
            self._addresses: dict[str, int] = {}
            self._scratch = 0

        def set_device_memory(self, memory: int, size: int) -> None:
            assert size >= self._engine.device_memory_size_v2
            self._scratch = memory

        def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
            assert stream_handle == STREAM
            self._profile = profile_index
            return True

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            low, _, high = self._engine.profiles[self._profile]
            fits = all(a <= side <= c for a, side, c in zip(low, shape, high, strict=True))
            self._shape = shape if fits else None
            return fits

        def get_tensor_shape(self, name: str) -> Any:
            return module.Dims(self._engine.answer(np.zeros(self._shape or (), np.uint8)).shape)

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return memory % ALIGNED == 0

        def execute_async_v3(self, stream_handle: int) -> bool:
            assert stream_handle == STREAM
            assert self._scratch
            if habits.fails_running or self._shape is None:
                self._engine.logger.log(module.ILogger.Severity.ERROR, habits.fails_running)
                return False
            habits.shapes_run.append((self._profile, self._shape))
            habits.queued.append(lambda shape=self._shape: self._compute(shape))
            return True

        def _compute(self, shape: tuple[int, ...]) -> None:
            source, target = self._addresses["images"], self._addresses["output"]
            nbytes = int(np.prod(shape))
            images = np.frombuffer(ctypes.string_at(source, nbytes), np.uint8).reshape(shape)
            answer = np.ascontiguousarray(self._engine.answer(images))
            ctypes.memmove(target, answer.ctypes.data, answer.nbytes)

    class ICudaEngine:
        device_memory_size_v2 = 512

        def __init__(self, profiles: Any, content: bytes, logger: Any) -> None:
            self.profiles = profiles
            self.logger = logger
            self._graph = onnx.load_model_from_string(content).graph
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            self._tensors = {each.name: each for each in (*self._graph.input, *self._graph.output)}

        def answer(self, images: NDArray[np.uint8]) -> NDArray[Any]:
            return np.asarray(self._session.run(None, {"images": images})[0])

        @property
        def num_optimization_profiles(self) -> int:
            return len(self.profiles)

        @property
        def num_io_tensors(self) -> int:
            return len(self._tensors)

        def get_tensor_name(self, index: int) -> str:
            return list(self._tensors)[index]

        def get_tensor_mode(self, name: str) -> Any:
            modes = module.TensorIOMode
            return modes.INPUT if name == self._graph.input[0].name else modes.OUTPUT

        def get_tensor_dtype(self, name: str) -> Any:
            if name != self._graph.input[0].name:
                return module.DataType[habits.gives]
            return module.DataType[NAMES[self._tensors[name].type.tensor_type.elem_type]]

        def get_tensor_shape(self, name: str) -> Any:
            sides = self._tensors[name].type.tensor_type.shape.dim
            return module.Dims(side.dim_value or -1 for side in sides)

        def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Any]:
            return [module.Dims(shape) for shape in self.profiles[profile_index]]

        def create_execution_context(self, strategy: Any) -> IExecutionContext:
            assert strategy is module.ExecutionContextAllocationStrategy.USER_MANAGED
            return IExecutionContext(self)

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            if not habits.driver:
                raise SystemError("TensorRT without a driver ends the process.")
            head, _, content = serialized_engine.partition(b"\n")
            if habits.fails_loading:
                self._logger.log(module.ILogger.Severity.ERROR, habits.fails_loading)
                return None
            return ICudaEngine(json.loads(head)["profiles"], content, self._logger)

    return {name: value for name, value in locals().items() if isinstance(value, type)}


@dataclass
class StandInMemory:
    """Memory "on the device". address: a multiple of 256."""

    content: NDArray[np.uint8]
    address: int


@dataclass
class StandInCuda:
    """CUDA as an engine needs it. fails: what it says when it is asked to copy."""

    habits: Habits
    fails: str = ""
    device: int = 0
    gpu: str = "A GPU"
    stream: int = STREAM

    def allocate(self, nbytes: int) -> StandInMemory:
        content = np.full(nbytes + ALIGNED, 0xA5, np.uint8)
        return StandInMemory(content, content.ctypes.data + -content.ctypes.data % ALIGNED)

    def page_locked(self, nbytes: int) -> NDArray[np.uint8]:
        return np.full(nbytes, 0x5A, np.uint8)

    def to_device(self, address: int, source: NDArray[Any]) -> None:
        if self.fails:
            raise AnalysisError(self.fails)
        self.habits.queued.append(lambda: self._copy(address, source.ctypes.data, source.nbytes))

    def to_host(self, target: NDArray[Any], address: int) -> None:
        self.habits.queued.append(lambda: self._copy(target.ctypes.data, address, target.nbytes))

    def synchronise(self) -> None:
        queued, self.habits.queued[:] = list(self.habits.queued), []
        for happen in queued:
            happen()

    @staticmethod
    def _copy(target: int, source: int, nbytes: int) -> None:
        ctypes.memmove(target, source, nbytes)
