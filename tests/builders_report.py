"""A classifier that ends as the bundled one does, and answers of a cascade, for reports that need no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from builders_networks import write_card

from models.cells import Opinion
from models.evaluated import Evaluated
from models.evaluation import Judged, report
from models.panel import UNIDENTIFIED, load_panel

PANEL = load_panel("smear-13")
OUTPUTS = (*PANEL.names, "not_identifiable")
RED, GREEN, BLUE = (220, 30, 30), (30, 220, 30), (30, 30, 220)


def colour_network(folder: Path, name: str, weights: Mapping[str, tuple[float, float, float]]) -> None:
    """Write a classifier of three features, the mean of a colour each, and one linear layer.

    weights: of red, green and blue, by output.  Its last feature map is 6×6 for a patch of 96 px; as in the
    bundled network, each of its squares sees a little more of its upper left than of its lower right.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")
    helper, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    kernel = np.zeros((3, 3, 17, 17), np.float32)
    kernel[range(3), range(3)] = 1 / 17**2 / 255
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["images"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Cast", ["planes"], ["float"], to=types.FLOAT),
            helper.make_node("Conv", ["float", "kernel"], ["seen"], strides=[16, 16], pads=[8, 8, 8, 8]),
            helper.make_node("Relu", ["seen"], ["features"]),
            helper.make_node("ReduceMean", ["features", "axes"], ["mean"], keepdims=0),
            helper.make_node("Gemm", ["mean", "weights", "bias"], ["output"], transB=1),
        ],
        name,
        [helper.make_tensor_value_info("images", types.UINT8, ["n", 96, 96, 3])],
        [helper.make_tensor_value_info("output", types.FLOAT, ["n", len(weights)])],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(np.array([-2, -1]), "axes"),
            numpy_helper.from_array(np.array(list(weights.values()), np.float32), "weights"),
            numpy_helper.from_array(np.zeros(len(weights), np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    write_card(folder, name, tuple(weights))


def spot(colour: tuple[int, int, int] = RED, x: int = 48, y: int = 48) -> np.ndarray:
    """A black patch with one coloured square around x, y."""
    patch = np.zeros((96, 96, 3), np.uint8)
    patch[max(0, y - 12) : y + 12, max(0, x - 12) : x + 12] = colour
    return patch


def judged(
    expected: str, answer: str, probability: float = 0.9, source: str = "pbc", patch: np.ndarray | None = None
) -> Judged:
    """One cell and what was said of it; unidentified is said as the data of the marrow say it."""
    output = "not_identifiable" if answer == UNIDENTIFIED else answer
    probabilities = np.full(len(OUTPUTS), (1 - probability) / (len(OUTPUTS) - 1), np.float32)
    probabilities[OUTPUTS.index(output)] = probability
    opinion = Opinion(answer, probability, probabilities, answer, probability, probabilities, 1)
    return Judged(source, expected, opinion, answer, spot() if patch is None else patch)


def evaluated(cells: Sequence[Judged], artefacts: Sequence[Judged] = ()) -> Evaluated:
    """An evaluation on the split `val`."""
    result = report(PANEL, cells, artefacts)
    figures = {name: value for name, value in asdict(result).items() if isinstance(value, float)}
    return Evaluated(
        "smear-13 0123456789ab", "an engine", "val", PANEL, OUTPUTS, cells, artefacts, result, figures
    )
