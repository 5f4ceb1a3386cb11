"""Run a plan with TensorRT, 10.x or 11.x.

Source: TensorRT's Python interface (Runtime, ICudaEngine, IExecutionContext).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import tensorrt as trt
from numpy.typing import NDArray

from models.engines.cuda_memory import Cuda
from models.engines.engine import Batch, DeviceBatch, NetworkShape, parts_of
from models.engines.names import EnginePrecision
from models.engines.plan_cache import BUILD
from models.engines.profiles import Profile, Shape, fastest, most_at_a_time
from models.engines.tensorrt_said import Said
from models.errors import AnalysisError, EngineRefused

ALIGNED_BYTES = 256  # of every tensor's address
FLOAT_BYTES = 4

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class _Tensors:
    """The names of a plan's input and output."""

    images: str
    output: str


class TensorRTEngine:
    """A plan on a GPU: one execution context for each of its profiles, on one stream, over memory that they share.

    name: TensorRT, its version and the GPU.  precision: in what the plan computes.
    """

    def __init__(self, plan: bytes, precision: EnginePrecision, cuda: Cuda, called: str) -> None:
        """Load a plan. called: the network's name, for refusals. Raises EngineRefused, AnalysisError for CUDA's errors.

        cuda: that there is one says that a driver was asked first. Without a driver, loading ends the process.
        """
        self._said, self._cuda, self._called = Said(), cuda, called
        self.name = f"TensorRT {trt.__version__} on {cuda.gpu}"
        self.precision: str | None = str(precision)
        try:
            self._runtime = trt.Runtime(self._said)
            self._engine = self._present(self._runtime.deserialize_cuda_engine(plan))
            self._tensors = self._named()
            self._profiles = [self._profile(i) for i in range(self._engine.num_optimization_profiles)]
            self._scratch = cuda.allocate(max(1, self._engine.device_memory_size_v2))
            self._contexts = [self._context(i) for i in range(len(self._profiles))]
            most = [self._output_shape(i, profile.most) for i, profile in enumerate(self._profiles)]
        except (RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, EngineRefused | AnalysisError):
                raise
            raise self._refusal(self._said.because(error)) from error
        self.shape = self._network_shape()
        self.largest_batch = max(profile.most[0] for profile in self._profiles)
        taken = max(math.prod(profile.most) for profile in self._profiles)
        given = max(math.prod(shape) for shape in most)
        self._images, self._answers = cuda.allocate(taken), cuda.allocate(given * FLOAT_BYTES)
        self._host_images = cuda.page_locked(taken)
        self._host_answers = cuda.page_locked(given * FLOAT_BYTES).view(np.float32)

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the network's output for a batch, N×H×W×3 uint8 in host memory or on this engine's device.

        Raises AnalysisError where TensorRT or CUDA fails, no profile takes images of this size, or an output is not a
        finite number.
        """
        if len(batch.shape) != 4 or 0 in batch.shape:
            raise AnalysisError(f"{self._called} takes batches of N×H×W×3, and was given {batch.shape}.")
        largest = most_at_a_time(self._profiles, batch.shape[1], batch.shape[2])
        if not largest:
            raise AnalysisError(
                f"The plan of {self._called} takes no images of {batch.shape[2]}×{batch.shape[1]} px. {BUILD}."
            )
        result = np.concatenate([self._answer(part) for part in parts_of(batch, largest)])
        if not np.isfinite(result).all():
            raise AnalysisError(f"The network {self._called} on {self.name} gave a value that is no number.")
        return result

    def _answer(self, part: Batch) -> NDArray[np.float32]:
        count, height, width, channels = part.shape
        shape = (count, height, width, channels)
        index = fastest(self._profiles, shape)
        if index is None:
            raise AnalysisError(f"The plan of {self._called} takes no batch of {shape}. {BUILD}.")
        address = self._on_device(part)
        context = self._contexts[index]
        try:
            gives = self._output_shape(index, shape)
            ready = context.set_tensor_address(self._tensors.images, address)
            ready = ready and context.set_tensor_address(self._tensors.output, self._answers.address)
            if not (ready and context.execute_async_v3(self._cuda.stream)):
                raise ValueError("it did not run")
        except (RuntimeError, TypeError, ValueError) as error:
            raise AnalysisError(
                f"The network {self._called} failed on {self.name}: {self._said.because(error)}."
            ) from error
        answers = self._host_answers[: math.prod(gives)]
        self._cuda.to_host(answers, self._answers.address)
        self._cuda.synchronise()
        return answers.reshape(gives).copy()

    def _on_device(self, part: Batch) -> int:
        """The address of the images; copied to the device where they are not there yet."""
        if isinstance(part, DeviceBatch):
            if part.device != self._cuda.device or part.address % ALIGNED_BYTES:
                raise AnalysisError(
                    f"A batch on device {part.device} at {part.address:#x} cannot be read by {self._called} on device "
                    f"{self._cuda.device}: it must lie there, at a multiple of {ALIGNED_BYTES} bytes."
                )
            return part.address
        if part.dtype != np.uint8:
            raise AnalysisError(f"{self._called} takes uint8 images, and was given {part.dtype}.")
        locked = self._host_images[: part.size]
        np.copyto(locked.reshape(part.shape), part)
        self._cuda.to_device(self._images.address, locked)
        return self._images.address

    def _named(self) -> _Tensors:
        """The plan's tensors. Raises EngineRefused unless they are one of uint8 in and one of float32 out."""
        engine = self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        kinds = {(engine.get_tensor_mode(name), engine.get_tensor_dtype(name)): name for name in names}
        images = kinds.get((trt.TensorIOMode.INPUT, trt.DataType.UINT8))
        output = kinds.get((trt.TensorIOMode.OUTPUT, trt.DataType.FLOAT))
        if len(names) != 2 or images is None or output is None:
            raise self._refusal(f"it has the tensors {', '.join(names)}, not images of uint8 and float32 out")
        return _Tensors(images, output)

    def _profile(self, index: int) -> Profile:
        least, usual, most = self._engine.get_tensor_profile_shape(self._tensors.images, index)
        return Profile(_four(tuple(least)), _four(tuple(usual)), _four(tuple(most)))

    def _context(self, index: int) -> trt.IExecutionContext:
        """A context for a profile. All use the same scratch memory: one thread runs one after the other."""
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._present(self._engine.create_execution_context(strategy))
        context.set_device_memory(self._scratch.address, self._engine.device_memory_size_v2)
        if not context.set_optimization_profile_async(index, self._cuda.stream):
            raise ValueError(f"profile {index} cannot be set")
        return context

    def _output_shape(self, index: int, shape: Shape) -> tuple[int, ...]:
        """The output's shape for a batch. Raises ValueError where the context does not take such a batch."""
        context = self._contexts[index]
        if not context.set_input_shape(self._tensors.images, shape):
            raise ValueError(f"it takes no batch of {shape}")
        gives = tuple(context.get_tensor_shape(self._tensors.output))
        if min(gives, default=-1) < 1:
            raise ValueError(f"it does not say how much it gives for a batch of {shape}")
        return gives

    def _network_shape(self) -> NetworkShape:
        _, height, width, _ = (
            side if side > 0 else None for side in self._engine.get_tensor_shape(self._tensors.images)
        )
        return NetworkShape(self._tensors.images, height, width, (self._tensors.output,))

    def _present(self, made: Made | None) -> Made:
        """What TensorRT made. It gives nothing where it fails."""
        if made is None:
            raise self._refusal(self._said.because())
        return made

    def _refusal(self, because: str) -> EngineRefused:
        return EngineRefused(
            f"{self.name} cannot load the plan of {self._called}: {because}. Delete it, and run hemadiff engines build."
        )


def _four(sides: Sequence[int]) -> Shape:
    count, height, width, channels = sides
    return count, height, width, channels
