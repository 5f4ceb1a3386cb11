"""PyTorch's networks in the benchmark are the bundled ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[train]'")

from benchmarks.gpu_torch import OnnxNetwork, TorchEngine, agreement  # noqa: E402
from models.card import BUNDLED  # noqa: E402
from models.errors import AnalysisError, ModelRefused  # noqa: E402


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("cells", (3, 96, 96, 3)), ("cells-residual", (3, 96, 96, 3)), ("detector", (1, 64, 96, 3))],
)
def test_they_answer_as_onnx_runtime_does(name: str, shape: tuple[int, ...]) -> None:
    path = BUNDLED / f"{name}.onnx"
    assert agreement(path, TorchEngine(path, "cpu"), noise(*shape)) < 1e-4


def test_an_answer_that_differs_is_refused() -> None:
    path = BUNDLED / "cells-residual.onnx"
    engine = TorchEngine(BUNDLED / "cells.onnx", "cpu")
    with pytest.raises(AnalysisError, match="off what ONNX Runtime answers"):
        agreement(path, engine, noise(2, 96, 96, 3))


def test_a_layer_that_is_not_known_is_refused() -> None:
    with pytest.raises(ModelRefused, match="which is not known here"):
        OnnxNetwork(Path(BUNDLED / "cells-int8.onnx"))


def test_a_batch_larger_than_the_largest_is_taken_in_parts() -> None:
    engine = TorchEngine(BUNDLED / "cells-residual.onnx", "cpu")
    engine.largest_batch = 2
    assert engine.run(noise(3, 96, 96, 3)).shape == (3, 14)
