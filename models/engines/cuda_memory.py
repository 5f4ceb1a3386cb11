"""What an engine needs of CUDA: memory on the device, page-locked memory on the host, and a stream between them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class DeviceMemory(Protocol):
    """Memory on the device, freed with the last reference to it."""

    @property
    def address(self) -> int:
        """Of its first byte, a multiple of 256."""


class Cuda(Protocol):
    """The device's primary context, current in the thread that owns it, and one stream.

    Whoever has one has asked the driver: TensorRT may be used only then. Every method raises AnalysisError with the
    name of CUDA's error. What is queued happens in order; `synchronise` waits for it, and tells of its errors.
    """

    @property
    def device(self) -> int:
        """The device's number."""

    @property
    def gpu(self) -> str:
        """The device's name."""

    @property
    def stream(self) -> int:
        """The stream's handle."""

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Return memory on the device."""

    def page_locked(self, nbytes: int) -> NDArray[np.uint8]:
        """Return page-locked memory on the host, as bytes."""

    def to_device(self, address: int, source: NDArray[Any]) -> None:
        """Queue a copy of page-locked memory (without gaps) to the device."""

    def to_host(self, target: NDArray[Any], address: int) -> None:
        """Queue a copy from the device into page-locked memory (without gaps)."""

    def synchronise(self) -> None:
        """Wait until everything that was queued has happened."""
