"""What is asked of PyCUDA, and nothing else of it.

PyCUDA has no types of its own. These protocols name every class, method and argument that Hemadiff uses: tests hold
them against the real PyCUDA wherever it is installed, and run everything above them without a GPU.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, SupportsInt, cast

from numpy.typing import NDArray

from models.errors import EngineRefused

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: waits for no other stream unless told to
_REMEDY = 'See docs/gpu.md to install it, or set [engine] name to "onnx".'


class Allocation(SupportsInt, Protocol):
    """Memory of the device, until nothing refers to it. Its number is its address."""

    def free(self) -> None:
        """Give it back now."""


class Event(Protocol):
    """A mark in a stream."""

    def record(self, stream: Any) -> object:
        """Mark where the stream is now."""

    def synchronize(self) -> object:
        """Wait until what was before the mark is done."""


class Stream(Protocol):
    """Work that the device does one after another."""

    @property
    def handle(self) -> int:
        """What CUDA knows it by."""

    def synchronize(self) -> None:
        """Wait until all of it is done."""

    def wait_for_event(self, event: Any) -> None:
        """Let what follows begin only when the event's mark was passed."""


class Function(Protocol):
    """A kernel."""

    def prepare(self, arg_types: str) -> object:
        """Say what it takes: P an address, i and I whole numbers, f a float."""

    def prepared_async_call(
        self, grid: tuple[int, int], block: tuple[int, int, int], stream: Any, *args: object
    ) -> None:
        """Start it on a stream."""


class Module(Protocol):
    """Compiled kernels, loaded."""

    def get_function(self, name: str) -> Function:
        """Return one by its name."""


class Context(Protocol):
    """A device's context."""

    def push(self) -> None:
        """Make it this thread's."""

    def pop(self) -> None:
        """Take it from this thread."""

    def detach(self) -> None:
        """Let go of it."""


class CudaDevice(Protocol):
    """A GPU."""

    def name(self) -> str:
        """What its maker calls it."""

    def compute_capability(self) -> tuple[int, int]:
        """Major and minor."""

    def retain_primary_context(self) -> Context:
        """Return the context that TensorRT and ONNX Runtime use too."""


class Driver(Protocol):
    """The module pycuda.driver."""

    @property
    def Error(self) -> type[Exception]:  # noqa: N802
        """What every error of CUDA is."""

    def init(self) -> None:
        """Begin."""

    def get_driver_version(self) -> int:
        """The newest CUDA that the driver has: 1000 × major + 10 × minor."""

    def Device(self, number: int) -> CudaDevice:  # noqa: N802
        """Return a GPU by its number."""

    def Stream(self, flags: int) -> Stream:  # noqa: N802
        """Return a new stream of the current context."""

    def Event(self) -> Event:  # noqa: N802
        """Return a new event of the current context."""

    def module_from_buffer(self, buffer: bytes) -> Module:
        """Load compiled kernels."""

    def mem_alloc(self, bytes: int) -> Allocation:
        """Return new memory of the device."""

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return a new array in host memory that the device itself reads and writes."""

    def memcpy_htod_async(self, dest: int, src: NDArray[Any], stream: Any) -> None:
        """Copy to the device on a stream."""

    def memcpy_dtoh_async(self, dest: NDArray[Any], src: int, stream: Any) -> None:
        """Copy from the device on a stream."""


def load_driver() -> Driver:
    """Return PyCUDA's driver interface. Raises EngineRefused where it is not installed or cannot be loaded."""
    try:
        return cast(Driver, import_module("pycuda.driver"))
    except ImportError as error:
        raise EngineRefused(f"PyCUDA cannot be loaded: {error}. {_REMEDY}") from error
