"""Small real ONNX networks that answer as a test wants them to, with their cards."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GUIDANCE = "[guidance]\nbelow = 0.8\nidentified_from = 0.5\nshifts_px = [[-3, 0], [3, 0]]\nturned = false\n"


SETTINGS = {f"{kind}temperature_{s}": 1.0 for kind in ("", "guided_") for s in ("blood", "marrow")} | {
    "patch_px": 96
}


def brightness_network(folder: Path, name: str, outputs: dict[str, tuple[float, float]]) -> None:
    """Write a classifier whose logit for each output is ``a * brightness + b``.

    brightness: mean of the patch's red channel, 0 to 1.  outputs: a and b by output.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[train]'")
    helper, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    slope = np.zeros((3, len(outputs)), np.float32)
    slope[0] = [a / 255 for a, _ in outputs.values()]
    offset = np.array([b for _, b in outputs.values()], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["float"], to=types.FLOAT),
            helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "slope"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offset"], ["output"]),
        ],
        name,
        [helper.make_tensor_value_info("images", types.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("output", types.FLOAT, ["n", len(outputs)])],
        [
            numpy_helper.from_array(np.array([1, 2]), "axes"),
            numpy_helper.from_array(slope, "slope"),
            numpy_helper.from_array(offset, "offset"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    write_card(folder, name, tuple(outputs))


def write_card(folder: Path, name: str, outputs: tuple[str, ...], **changes: Any) -> None:
    """Write the card that belongs to the ONNX file as it is now. changes: what it says otherwise."""
    card = {
        "sha256": hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest(),
        "um_per_px": 0.2,
        "outputs": list(outputs),
        "settings": SETTINGS,
        **changes,
    }
    (folder / f"{name}.json").write_text(json.dumps(card))


def write_cascade(folder: Path, *specialists: str) -> None:
    """Write ``smear-13.toml``: the network `cells`, guidance, and whatever specialists are given as TOML."""
    text = 'panel = "smear-13"\nnetwork = "cells"\n' + GUIDANCE + "".join(specialists)
    (folder / "smear-13.toml").write_text(text)


def picture(level: int, side: int = 120) -> np.ndarray:
    """A square picture of one brightness."""
    return np.full((side, side, 3), level, np.uint8)
