"""One exported network on one device: images in, numbers out, or an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What a network takes and gives.

    input: the name of its input, N×H×W×3 uint8.  height, width: of its images, px; None where any will do.
    outputs: the names of its outputs; the first is the one that is asked for.
    """

    input: str
    height: int | None
    width: int | None
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DeviceBatch:
    """N×H×W×3 uint8 in the memory of a GPU, without gaps.

    address: of the first byte, in the device's primary context.  owner: keeps that memory alive.
    Whatever wrote it has finished before an engine is given it.
    """

    address: int
    shape: tuple[int, int, int, int]
    owner: object = None
    device: int = 0

    def __len__(self) -> int:
        """How many images."""
        return self.shape[0]


Batch = NDArray[np.uint8] | DeviceBatch
"""Images, N×H×W×3 uint8 RGB: in host memory for any engine, or on a device for the engines of that device."""


def parts_of(batch: Batch, largest: int) -> list[Batch]:
    """Return a batch as parts of at most `largest` images, in order and where it lies; not copies."""
    return [_part(batch, first, min(first + largest, len(batch))) for first in range(0, len(batch), largest)]


def _part(batch: Batch, first: int, end: int) -> Batch:
    if not isinstance(batch, DeviceBatch):
        return batch[first:end]
    _, height, width, channels = batch.shape
    address = batch.address + first * height * width * channels
    return DeviceBatch(address, (end - first, height, width, channels), batch.owner, batch.device)


class Engine(Protocol):
    """A network, ready to run.

    `run` returns once the engine has done with the batch. One thread uses an engine.
    """

    @property
    def name(self) -> str:
        """The runtime, its version and the device that really runs the network."""

    @property
    def precision(self) -> str | None:
        """In what numbers the engine computes, where it does not keep to the network's own; None where it does."""

    @property
    def shape(self) -> NetworkShape:
        """What the network takes and gives."""

    @property
    def largest_batch(self) -> int:
        """How many images it takes at a time. `run` itself divides what is more."""

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the network's first output for every image of a batch, in host memory.

        Raises AnalysisError where the runtime fails, an output is not a finite number, or the batch lies on a device
        that is not the engine's.
        """


OpenEngine = Callable[[Path], Engine]
"""Opens an exported network (.onnx). Raises ModelRefused, or EngineRefused where the device cannot run it."""
