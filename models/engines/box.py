"""What this box is, as far as an engine's answers may depend on it.

CUDA's driver is asked first: TensorRT's loader ends the process where there is none. No context is made, so a process
that only asks leaves the device to the one that works.
Source: the CUDA Driver API (cuInit, cuDeviceGet, cuDeviceGetName, cuDeviceGetUuid, cuDeviceGetAttribute,
cuDriverGetVersion).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol
from uuid import UUID

DRIVER_LIBRARY = "libcuda.so.1"
DRIVER_TOLD_IN = Path("/proc/driver/nvidia/version")
UNKNOWN = "unknown"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
_NAME_BYTES, _UUID_BYTES = 256, 16


@dataclass(frozen=True, slots=True)
class Box:
    """A GPU and what drives it.

    gpu: its name.  uuid: of this very one.  capability: compute capability, as "9.0".  driver: as "580.65.06", or
    ``unknown``.  cuda: the newest CUDA that the driver has, as "13.0".  onnxruntime, tensorrt, pycuda: versions, None
    where they are not installed.
    """

    gpu: str
    uuid: str
    capability: str
    driver: str
    cuda: str
    onnxruntime: str | None = None
    tensorrt: str | None = None
    pycuda: str | None = None


class CudaDriver(Protocol):
    """The few questions that CUDA's driver is asked. Each raises OSError where it does not answer."""

    def name(self) -> str:
        """The first device's name. There is a driver and a device wherever this answers."""

    def uuid(self) -> str:
        """The first device's UUID, as nvidia-smi writes it without its ``GPU-``."""

    def capability(self) -> tuple[int, int]:
        """The first device's compute capability."""

    def cuda(self) -> int:
        """The newest CUDA that the driver has, 1000 × major + 10 × minor."""


class LoadedDriver:
    """CUDA's driver library on this machine."""

    def __init__(self, library: str = DRIVER_LIBRARY) -> None:
        """Load the library and find the first device. Raises OSError where there is none of either."""
        self._library = ctypes.CDLL(library)
        self._ask("cuInit", 0)
        self._device = ctypes.c_int()
        self._ask("cuDeviceGet", ctypes.byref(self._device), 0)

    def name(self) -> str:
        """The first device's name."""
        text = ctypes.create_string_buffer(_NAME_BYTES)
        self._ask("cuDeviceGetName", text, _NAME_BYTES, self._device)
        return text.value.decode("utf-8", "replace")

    def uuid(self) -> str:
        """The first device's UUID."""
        octets = (ctypes.c_ubyte * _UUID_BYTES)()
        # The second version knows a slice of a divided GPU from the whole; old drivers have only the first.
        newer = hasattr(self._library, "cuDeviceGetUuid_v2")
        self._ask("cuDeviceGetUuid_v2" if newer else "cuDeviceGetUuid", octets, self._device)
        return str(UUID(bytes=bytes(octets)))

    def capability(self) -> tuple[int, int]:
        """The first device's compute capability."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._ask("cuDeviceGetAttribute", ctypes.byref(major), _MAJOR, self._device)
        self._ask("cuDeviceGetAttribute", ctypes.byref(minor), _MINOR, self._device)
        return major.value, minor.value

    def cuda(self) -> int:
        """The newest CUDA that the driver has."""
        number = ctypes.c_int()
        self._ask("cuDriverGetVersion", ctypes.byref(number))
        return number.value

    def _ask(self, function: str, *arguments: object) -> None:
        try:
            status = getattr(self._library, function)(*arguments)
        except AttributeError as error:
            raise OSError(f"{DRIVER_LIBRARY} has no {function}") from error
        if status != 0:
            raise OSError(f"{function} gave CUDA error {status}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was learnt of this machine. box: None where no GPU can be used, and then `why_none` says why."""

    box: Box | None
    why_none: str = ""


def ask_box(driver: Callable[[], CudaDriver] = LoadedDriver, told_in: Path = DRIVER_TOLD_IN) -> Asked:
    """Return what this machine's first GPU is.

    driver: how CUDA's driver is reached.  told_in: where its kernel module tells its version.
    """
    try:
        cuda = driver()
        name, uuid, (major, minor), newest = cuda.name(), cuda.uuid(), cuda.capability(), cuda.cuda()
    except OSError as error:
        return Asked(None, f"no GPU can be used ({error})")
    try:
        told = told_in.read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    return Asked(
        Box(
            gpu=name,
            uuid=uuid,
            capability=f"{major}.{minor}",
            driver=driver_version(told),
            cuda=f"{newest // 1000}.{newest % 1000 // 10}",
            onnxruntime=onnxruntime_version(),
            tensorrt=tensorrt_version(),
            pycuda=pycuda_version(),
        )
    )


def onnxruntime_version() -> str | None:
    """Return ONNX Runtime's version, None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return str(onnxruntime.__version__)


def tensorrt_version() -> str | None:
    """Return TensorRT's version, None where it is not installed. Only where CUDA answered: see above."""
    try:
        tensorrt = import_module("tensorrt")
    except (ImportError, OSError):  # the bindings without their libraries raise one or the other
        return None
    return str(getattr(tensorrt, "__version__", None) or UNKNOWN)


def pycuda_version() -> str | None:
    """Return PyCUDA's version, None where it is not installed. It is not imported: that would need the driver."""
    try:
        return version("pycuda")
    except PackageNotFoundError:
        return None


def driver_version(text: str) -> str:
    """Return the driver's version from what its kernel module tells, ``unknown`` where it is not in it."""
    found = re.search(r"\b(\d{3}\.\d+(?:\.\d+)*)\b", text)
    return found[1] if found else UNKNOWN
