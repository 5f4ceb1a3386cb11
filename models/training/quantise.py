"""A float classifier's eight-bit twin: the same network in whole numbers, for processors without a graphics card.

Static quantisation with ONNX Runtime's own tools (QDQ form, a scale for each channel of the weights). Weights keep
seven bits: on processors without VNNI the products of two neighbours are added in 16 bits and would saturate.
Source of the method: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference".
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from models.crops import PATCH_PX, Crops
from models.training.export import forget_where_it_was_made

PER_LABEL = 16  # 64 of each label change nothing that can be measured
SEED = 1
BATCH = 16
EIGHT_BIT = ("Conv", "Relu", "Clip", "Add")
# Two small blocks: the second convolution alone made half of the whole error, the four behind it a third of the rest.
FLOAT_IN_SEPARABLE = 6
# What the tools ask for, a network with its batch normalisation folded away, the exporter has done.
PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}


def calibration_patches(
    crops: Crops, per_label: int = PER_LABEL, seed: int = SEED
) -> tuple[NDArray[np.uint8], list[str]]:
    """Return patches, N×96×96×3, by which the ranges of a network's values are set, and the label of each.

    As many of every label. Every second one is shifted as guidance and a detector shift cells, the others are centred.
    """
    random = np.random.default_rng(seed)
    labels = np.asarray(crops.labels)
    room = crops.images.shape[1] - PATCH_PX
    patches, chosen = [], []
    for label in sorted(set(crops.labels)):
        rows = np.flatnonzero(labels == label)
        for turn, row in enumerate(random.permutation(rows)[:per_label]):
            top, left = random.integers(0, room + 1, 2) if turn % 2 else (room // 2, room // 2)
            patches.append(crops.images[row, top : top + PATCH_PX, left : left + PATCH_PX])
            chosen.append(label)
    return np.stack(patches), chosen


def quantise(source: Path, target: Path, patches: NDArray[np.uint8]) -> None:
    """Write the eight-bit twin of the float classifier `source`. The same files and patches give the same bytes.

    What normalises a patch, the first convolutions and the last layer stay float, and so do input (uint8) and
    logits. patches: N×96×96×3, see `calibration_patches`.
    """
    model = _pools_as_convolutions(onnx.load(source))
    onnx.helper.set_model_props(model, PREPARED)
    unfinished = target.with_suffix(".part.onnx")
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        onnx.save(model, prepared)
        quantize_static(
            prepared,
            unfinished,
            _Reader(model.graph.input[0].name, patches),
            quant_format=QuantFormat.QDQ,
            calibrate_method=CalibrationMethod.MinMax,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=list(EIGHT_BIT),
            nodes_to_quantize=_between_first_convolution_and_pooling(model.graph.node),
        )
    forget_where_it_was_made(unfinished)
    unfinished.replace(target)


class _Reader(CalibrationDataReader):
    """Patches in equal batches, as the tools want them."""

    def __init__(self, name: str, patches: NDArray[np.uint8]) -> None:
        self._batches = iter([{name: patches[i : i + BATCH]} for i in range(0, len(patches), BATCH)])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._batches, None)


def _between_first_convolution_and_pooling(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """Return the names of the nodes that become eight-bit: all that follow the first convolution, to the mean.

    Where a convolution of each channel by itself comes right behind the first one, more of them stay float: see
    `FLOAT_IN_SEPARABLE`.

    Raises ValueError where a convolution is not among them: the twin would be half a float network.
    """
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    exact = convolutions[: FLOAT_IN_SEPARABLE if _of_each_channel(convolutions[1]) else 1]
    reached, names = set(exact[-1].output), []
    for node in nodes:
        if node.op_type in EIGHT_BIT and reached.intersection(node.input):
            reached.update(node.output)
            names.append(node.name)
    left = [node.name for node in convolutions[len(exact) :] if node.name not in names]
    if left:
        raise ValueError(
            f"The convolution {left[0]} stays float: an operation before it is not one of {EIGHT_BIT}."
        )
    return names


def _of_each_channel(convolution: onnx.NodeProto) -> bool:
    return any(item.name == "group" and item.i > 1 for item in convolution.attribute)


def _pools_as_convolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same network with average pooling of whole blocks as a convolution of each channel by itself.

    The runtime's eight-bit pooling takes ten times as long as its eight-bit convolution does.
    """
    model = onnx.shape_inference.infer_shapes(model)
    shapes = {value.name: value.type.tensor_type.shape for value in model.graph.value_info}
    for place, node in enumerate(model.graph.node):
        if node.op_type != "AveragePool":
            continue
        said = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        kernel, count = said["kernel_shape"], shapes[node.input[0]].dim[1].dim_value
        if said.get("strides") != kernel or any(said.get("pads", ())) or said.get("ceil_mode"):
            continue
        weights, bias = f"{node.name}_weights", f"{node.name}_bias"
        mean = np.full((count, 1, *kernel), 1 / np.prod(kernel), np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(mean, weights))
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(count, np.float32), bias))
        model.graph.node[place].CopyFrom(
            onnx.helper.make_node(
                "Conv",
                [node.input[0], weights, bias],
                list(node.output),
                name=node.name,
                kernel_shape=kernel,
                strides=kernel,
                group=count,
            )
        )
    return model
