"""A GPU that is no GPU: what Hemadiff asks of PyCUDA, done by the processor with the very same kernels.

The kernels' source is compiled by the machine's C++ compiler (kernels_on_host.cpp). Memory of the device is memory of
the host. A stream keeps what it is given until somebody waits for it, as late as a device could be: what is read
too early is not yet there.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pytest

import models.gpu
from models.engines.engine import Batch, DeviceBatch
from models.engines.onnx_engine import open_on_cpu

KERNELS = Path(models.gpu.__file__).parent / "kernels"
ON_HOST = Path(__file__).parent / "kernels_on_host.cpp"
NUMBERS = {"P": ctypes.c_void_p, "i": ctypes.c_int, "I": ctypes.c_uint, "f": ctypes.c_float}
JUNK = 0xA5


def kernels_on_host() -> ctypes.CDLL:
    """The kernels as functions of this machine; the test skips where there is no C++ compiler."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler to run the kernels without a GPU; install g++")
    sources = [ON_HOST, *sorted(KERNELS.glob("*.cu"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    built = Path(gettempdir()) / f"hemadiff-kernels-{digest}.so"
    if not built.exists():
        part = built.with_suffix(f".{id(built)}.part")
        options = [
            "-O2",
            "-std=c++17",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-ffp-contract=off",
            "-shared",
            "-fPIC",
        ]
        subprocess.run([compiler, *options, f"-I{KERNELS}", str(ON_HOST), "-o", str(part)], check=True)
        part.replace(built)
    return ctypes.CDLL(str(built))


class CudaError(Exception):
    """What every error of PyCUDA is."""


class Stream:
    """Work that waits until somebody waits for it."""

    def __init__(self, driver: StandInDriver, flags: int) -> None:
        self.driver = driver
        self.flags = flags
        self.handle = id(self)
        self.work: list[Callable[[], None]] = []

    def do(self, one: Callable[[], None]) -> None:
        self.driver.ask()
        self.work.append(one)

    def synchronize(self) -> None:
        self.driver.ask()
        self.run_until(None)

    def wait_for_event(self, event: Event) -> None:
        self.do(event.synchronize)

    def run_until(self, last: Callable[[], None] | None) -> None:
        while self.work:
            one = self.work.pop(0)
            one()
            if one is last:
                return


class Event:
    def __init__(self) -> None:
        self.passed = True

    def record(self, stream: Stream) -> None:
        def mark() -> None:
            self.passed = True

        self.passed = False
        self.stream, self.mark = stream, mark
        stream.do(mark)

    def synchronize(self) -> None:
        if not self.passed:
            self.stream.run_until(self.mark)


class Allocation:
    def __init__(self, size: int) -> None:
        raw = np.full(size + 256, JUNK, np.uint8)
        skip = -raw.ctypes.data % 256
        self.bytes = raw[skip : skip + size]

    def __int__(self) -> int:
        return int(self.bytes.ctypes.data)

    def free(self) -> None:
        self.bytes = self.bytes[:0]


class Function:
    def __init__(self, function: Any) -> None:
        self.function = function
        self.arg_types = ""

    def prepare(self, arg_types: str) -> None:
        self.arg_types = arg_types

    def prepared_async_call(
        self, grid: tuple[int, int], block: tuple[int, int, int], stream: Stream, *args: Any
    ) -> None:
        assert len(args) == len(self.arg_types)
        held = [NUMBERS[kind](value) for kind, value in zip(self.arg_types, args, strict=True)]
        given = (ctypes.c_void_p * len(held))(*(ctypes.addressof(value) for value in held))
        sizes = (ctypes.c_uint * 2)(*grid), (ctypes.c_uint * 3)(*block)

        def run(keep: Any = held) -> None:
            self.function(given, *sizes)

        stream.do(run)


class Module:
    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def get_function(self, name: str) -> Function:
        return Function(getattr(self.library, f"host_{name}"))


class Context:
    def __init__(self) -> None:
        self.said: list[str] = []

    def push(self) -> None:
        self.said.append("push")

    def pop(self) -> None:
        self.said.append("pop")

    def detach(self) -> None:
        self.said.append("detach")


class Device:
    def __init__(self, context: Context) -> None:
        self.context = context

    def name(self) -> str:
        return "stand-in"

    def compute_capability(self) -> tuple[int, int]:
        return 9, 0

    def retain_primary_context(self) -> Context:
        self.context.said.append("retain")
        return self.context


class StandInDriver:
    """The module pycuda.driver.

    fails: what CUDA says of everything asked from now on; empty where all is well.
    """

    Error = CudaError

    def __init__(self) -> None:
        self.library = kernels_on_host()
        self.context = Context()
        self.fails = ""
        self.allocated: list[int] = []

    def ask(self) -> None:
        if self.fails:
            raise CudaError(self.fails)

    def init(self) -> None:
        self.ask()

    def get_driver_version(self) -> int:
        return 13000

    def Device(self, number: int) -> Device:  # noqa: N802
        return Device(self.context)

    def Stream(self, flags: int) -> Stream:  # noqa: N802
        return Stream(self, flags)

    def Event(self) -> Event:  # noqa: N802
        return Event()

    def module_from_buffer(self, buffer: bytes) -> Module:
        self.ask()
        return Module(self.library)

    def mem_alloc(self, bytes: int) -> Allocation:
        self.ask()
        self.allocated.append(bytes)
        return Allocation(bytes)

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        self.ask()
        return np.full(shape, JUNK, dtype)

    def memcpy_htod_async(self, dest: int, src: Any, stream: Stream) -> None:
        stream.do(lambda: ctypes.memmove(dest, src.ctypes.data, src.nbytes) and None)

    def memcpy_dtoh_async(self, dest: Any, src: int, stream: Stream) -> None:
        stream.do(lambda: ctypes.memmove(dest.ctypes.data, src, dest.nbytes) and None)


class StandInCompiler:
    """In place of NVRTC: what it gives, the stand-in's driver does not read."""

    name = "stand-in"

    def compiled(self, name: str, source: str, capability: tuple[int, int]) -> bytes:
        return source.encode()


def on_device(address: int, shape: tuple[int, ...]) -> Any:
    """What lies in the stand-in's memory."""
    held = (ctypes.c_ubyte * int(np.prod(shape))).from_address(address)
    return np.ctypeslib.as_array(held).reshape(shape).copy()


class EngineOnStandIn:
    """An engine of the processor that takes batches from the stand-in's memory, and only those."""

    def __init__(self, path: Path) -> None:
        self._engine = open_on_cpu(path)
        self.name = f"{self._engine.name}, stand-in"
        self.precision = self._engine.precision
        self.shape = self._engine.shape
        self.largest_batch = self._engine.largest_batch

    def run(self, batch: Batch) -> Any:
        assert isinstance(batch, DeviceBatch)
        return self._engine.run(on_device(batch.address, batch.shape))
