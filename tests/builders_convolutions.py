"""A tiny real convolutional classifier, such as may be quantised, with its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders_networks import write_card

GRAPH = """
<ir_version: 10, opset_import: ["" : 18]>
cells (uint8[n, 96, 96, 3] images) => (float[n, outputs] output) {
    first = Transpose<perm = [0, 3, 1, 2]>(images)
    light = Cast<to = 1>(first)
    centred = Sub(light, grey)
    scaled = Div(centred, spread)
    one = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(scaled, w1, b1)
    bright = Relu(one)
    two = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(bright, w2, b2)
    pooled = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(bright)
    three = Conv(pooled, w3, b3)
    both = Add(two, three)
    found = Relu(both)
    mean = ReduceMean<keepdims = 0>(found, axes)
    output = Gemm(mean, w4, b4)
}
"""
CHANNELS = 8


def convolutional_network(folder: Path, name: str, outputs: tuple[str, ...], seed: int = 1) -> Path:
    """Write a network with one residual block and random weights, and its card; return the network's path."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[train]'")
    random = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    values = {
        "grey": np.float32(180),
        "spread": np.float32(50),
        "axes": np.array([2, 3]),
        "w1": drawn(CHANNELS, 3, 3, 3),
        "w2": drawn(2 * CHANNELS, CHANNELS, 3, 3),
        "w3": drawn(2 * CHANNELS, CHANNELS, 1, 1),
        "w4": 8 * drawn(2 * CHANNELS, len(outputs)),
        "b4": np.zeros(len(outputs), np.float32),
    } | {f"b{i}": drawn(CHANNELS * (1 + (i > 1)), 1)[:, 0] / 10 for i in (1, 2, 3)}
    model = onnx.parser.parse_model(GRAPH.replace("outputs]", f"{len(outputs)}]"))
    for i, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{i}"
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), key) for key, value in values.items()
    )
    onnx.checker.check_model(model, full_check=True)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    write_card(folder, name, outputs)
    return path


def patches(count: int, seed: int = 1) -> np.ndarray:
    """Coloured discs on grey, N×96×96×3."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[:96, :96] - 48
    images = np.full((count, 96, 96, 3), 220, np.uint8)
    for image in images:
        image[down**2 + across**2 < random.integers(20, 44) ** 2] = random.integers(20, 200, 3)
    return images
