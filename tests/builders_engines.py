"""A box with a GPU that there is not, and engines that answer as a test wants them to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.engines.box import Box
from models.engines.engine import Batch, NetworkShape
from models.engines.names import EngineName, EnginePrecision
from models.engines.onnx_engine import OnnxEngine
from models.engines.verified import Subject, Verification

BOX = Box(
    gpu="NVIDIA H100",
    uuid="00000000-0000-0000-0000-000000000001",
    capability="9.0",
    driver="580.65.06",
    cuda="13.0",
    onnxruntime="1.31.1",
    tensorrt="10.16.1",
    pycuda="2026.1",
)


def subject(**changes: Any) -> Subject:
    return replace(Subject(EngineName.TENSORRT, EnginePrecision.FP16, "d1935e", BOX), **changes)


def verification(of: Subject | None = None, passed: bool = True, *said: str) -> Verification:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Verification(of or subject(), passed, at, {"labels equal": 0.9991}, said)


class ElsewhereEngine:
    """ONNX Runtime on the processor, under the name of an engine elsewhere."""

    name, precision, largest_batch = "Elsewhere 1, a device", None, 8

    def __init__(self, path: Path) -> None:
        self._engine = OnnxEngine(path)
        self.shape: NetworkShape = self._engine.shape

    def run(self, batch: Batch) -> np.ndarray:
        return self._engine.run(batch)


class HalfEngine(ElsewhereEngine):
    """The same, computing in numbers of its own."""

    precision = "fp16"
