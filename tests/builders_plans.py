"""Small exported networks, a box with a GPU, and the modules that use TensorRT over the stand-in for it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.engines.box import Box

USERS = ("said", "progress", "build", "engine", "opener")
SIDE = 32


def box(tensorrt: str | None = "11.4.0.106", **changes: Any) -> Box:
    """A box with a GPU and TensorRT."""
    parts = {"gpu": "A GPU", "uuid": "1", "capability": "9.0", "driver": "580.1", "cuda": "13.0", **changes}
    return Box(**parts, tensorrt=tensorrt)


def with_tensorrt(monkeypatch: pytest.MonkeyPatch, module: Any) -> SimpleNamespace:
    """The modules that use TensorRT, loaded anew over this one for the length of a test."""
    names = {user: f"models.engines.tensorrt_{user}" for user in USERS}
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    for name in names.values():
        monkeypatch.delitem(sys.modules, name, raising=False)
    loaded = {user: importlib.import_module(name) for user, name in names.items()}
    for name in names.values():
        monkeypatch.delitem(sys.modules, name)
    return SimpleNamespace(**loaded)


def classifier(folder: Path, name: str = "small", weight: float = 0.1, any_size: bool = False) -> Path:
    """Write a network of two convolutions: N×32×32×3 uint8 in, N×2 out; or a detector's kind, images of any size in."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")
    helper, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    random = np.random.default_rng(0)
    first = random.normal(0, weight, (4, 3, 3, 3)).astype(np.float32)
    second = random.normal(0, weight, (2, 4, 3, 3)).astype(np.float32)
    ends = helper.make_node("ReduceMean", ["b", "axes"], ["output"], keepdims=0)
    sides: list[Any] = [SIDE, SIDE]
    if any_size:
        ends, sides = helper.make_node("Sigmoid", ["b"], ["output"]), ["rows", "columns"]
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["images"], ["turned"], perm=[0, 3, 1, 2]),
            helper.make_node("Cast", ["turned"], ["float"], to=types.FLOAT),
            helper.make_node("Div", ["float", "scale"], ["scaled"]),
            helper.make_node("Conv", ["scaled", "first"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["rectified"]),
            helper.make_node("Conv", ["rectified", "second"], ["b"], pads=[1, 1, 1, 1]),
            ends,
        ],
        name,
        [helper.make_tensor_value_info("images", types.UINT8, ["n", *sides, 3])],
        [helper.make_tensor_value_info("output", types.FLOAT, ["n", 2, "h", "w"] if any_size else ["n", 2])],
        [
            numpy_helper.from_array(np.array(255, np.float32), "scale"),
            numpy_helper.from_array(first, "first"),
            numpy_helper.from_array(second, "second"),
            numpy_helper.from_array(np.array([2, 3]), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def images(count: int, height: int = SIDE, width: int = SIDE) -> NDArray[np.uint8]:
    """Images without sense, the same every time."""
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
