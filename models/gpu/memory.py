"""Memory on the device and page-locked memory beside it, and the streams that fill both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.gpu.device import Device
from models.gpu.driver import NON_BLOCKING, Allocation, Event, Function

AT_ONCE = 1 << 24  # bytes of a table that are page-locked while it is copied


@dataclass(frozen=True, slots=True, eq=False)
class DeviceMemory:
    """Memory on the device, given back with the last reference to it.

    address: of its first byte, a multiple of 256.
    """

    address: int
    nbytes: int
    allocation: Allocation


class Lane:
    """What the device does one thing after another, beside what it does in other lanes.

    It is also what TensorRT's engine takes: `models.engines.cuda_memory.Cuda`. Every method raises AnalysisError.
    """

    def __init__(self, device: Device) -> None:
        """Begin one."""
        self._device = device
        with device.doing("beginning a stream"):
            self._stream = device.driver.Stream(NON_BLOCKING)

    @property
    def device(self) -> int:
        """The device's number."""
        return self._device.number

    @property
    def gpu(self) -> str:
        """The device's name."""
        return self._device.name

    @property
    def stream(self) -> int:
        """The stream's handle."""
        return int(self._stream.handle)

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Return memory on the device."""
        with self._device.doing(f"taking {max(nbytes, 1) / 1e6:.1f} MB of its memory"):
            allocation = self._device.driver.mem_alloc(max(nbytes, 1))
        return DeviceMemory(int(allocation), nbytes, allocation)

    def holding(self, values: NDArray[Any]) -> DeviceMemory:
        """Return memory on the device that holds an array, copied when it returns."""
        memory = self.allocate(values.nbytes)
        given = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        # From other than page-locked memory CUDA may return before all is copied, and this lane would not wait for it.
        host = self.page_locked(min(values.nbytes, AT_ONCE))
        for first in range(0, given.size, AT_ONCE):
            part = given[first : first + AT_ONCE]
            host[: part.size] = part
            self.to_device(memory.address + first, host[: part.size])
            self.synchronise()
        return memory

    def page_locked(self, nbytes: int) -> NDArray[np.uint8]:
        """Return page-locked memory on the host, as bytes."""
        with self._device.doing(f"page-locking {max(nbytes, 1) / 1e6:.1f} MB of memory"):
            return self._device.driver.pagelocked_empty((max(nbytes, 1),), np.uint8)[:nbytes]

    def to_device(self, address: int, source: NDArray[Any]) -> None:
        """Queue a copy of page-locked memory (without gaps) to the device."""
        with self._device.doing("copying to it"):
            self._device.driver.memcpy_htod_async(address, source, self._stream)

    def to_host(self, target: NDArray[Any], address: int) -> None:
        """Queue a copy from the device into page-locked memory (without gaps)."""
        with self._device.doing("copying from it"):
            self._device.driver.memcpy_dtoh_async(target, address, self._stream)

    def launch(
        self, kernel: Function, grid: tuple[int, int], block: tuple[int, int, int], *given: object
    ) -> None:
        """Queue a kernel."""
        with self._device.doing("starting a kernel"):
            kernel.prepared_async_call(grid, block, self._stream, *given)

    def mark(self, event: Event) -> None:
        """Queue a mark."""
        with self._device.doing("marking its progress"):
            event.record(self._stream)

    def wait_for(self, event: Event) -> None:
        """Let what follows in this lane begin only once a mark of another lane was passed."""
        with self._device.doing("waiting for another stream"):
            self._stream.wait_for_event(event)

    def synchronise(self) -> None:
        """Wait until everything that was queued has happened."""
        with self._device.doing("working on a field"):
            self._stream.synchronize()


def new_event(device: Device) -> Event:
    """Return an event, for marks. Raises AnalysisError."""
    with device.doing("making an event"):
        return device.driver.Event()


def wait_here(device: Device, event: Event) -> None:
    """Let this thread wait until a mark was passed. Raises AnalysisError."""
    with device.doing("copying a frame to it"):
        event.synchronize()
