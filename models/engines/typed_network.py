"""An exported network, rewritten so that every number in it has the type that TensorRT shall compute in.

TensorRT is given strongly typed networks, 10.x and 11.x alike: it computes what is written here and chooses no
precision itself. What is written can be run on the processor too, and so it is checked where there is no GPU.
See docs/decisions/tensorrt-is-told-every-type.md.
Sources: the operator tables of TensorRT (types of Cast, Shuffle, Quantize and Dequantize), ONNX's operators, opset 18.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.engines.engine import NetworkShape
from models.engines.names import EnginePrecision
from models.errors import ModelRefused

FORM = 1
"""Counts up with every change to what `typed` writes: plans made from an earlier form are stale."""

LARGEST_HALF = 65504.0
FLOATS_THAT_STAY = {"Resize": (1, 2)}  # inputs that are scales and regions: float32 whatever the images are
SIGNED_STEPS = 127
UNSIGNED_STEPS = 255


@dataclass(frozen=True, slots=True)
class ExportedNetwork:
    """A network as it was exported. sha256: of its file.  quantised: whether it is an eight-bit twin (QDQ)."""

    path: Path
    sha256: str
    shape: NetworkShape
    quantised: bool
    model: Any

    def precision(self, asked: EnginePrecision) -> EnginePrecision:
        """In what TensorRT will compute it: an eight-bit twin in INT8, and what has no twin never in INT8."""
        if self.quantised:
            return EnginePrecision.INT8
        return EnginePrecision.FP16 if asked is EnginePrecision.INT8 else asked


def read_network(path: Path) -> ExportedNetwork:
    """Read an exported network. Raises ModelRefused where the file is none that takes images and gives numbers."""
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's exceptions and the checker's share no other base
        raise ModelRefused(
            f"{path} cannot be read as a network: {error}. Install the weights again."
        ) from error
    images = model.graph.input[0] if len(model.graph.input) == 1 else None
    sides = [] if images is None else [each.dim_value or None for each in images.type.tensor_type.shape.dim]
    if images is None or len(sides) != 4 or images.type.tensor_type.elem_type != TensorProto.UINT8:
        raise ModelRefused(f"{path} does not take images of N×H×W×3 uint8. Export the network again.")
    outputs = tuple(output.name for output in model.graph.output)
    return ExportedNetwork(
        path,
        hashlib.sha256(content).hexdigest(),
        NetworkShape(images.name, sides[1], sides[2], outputs),
        any(node.op_type == "QuantizeLinear" for node in model.graph.node),
        model,
    )


def typed(network: ExportedNetwork, precision: EnginePrecision) -> bytes:
    """Return the network as ONNX for TensorRT: uint8 images in, float32 out, between them as `precision` has it.

    Raises ModelRefused where the network cannot be written so.
    """
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    _become_float_first(model.graph, network)
    if precision is EnginePrecision.INT8:
        _symmetric(model.graph)
    elif precision is EnginePrecision.FP16:
        _half_between_convolutions(model.graph, network)
    del model.graph.value_info[:]  # what it says of types is no longer so
    try:
        onnx.checker.check_model(model)
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelRefused(f"{network.path} cannot be written for TensorRT: {error}.") from error
    return bytes(model.SerializeToString())


def _become_float_first(graph: Any, network: ExportedNetwork) -> None:
    """Have images become float32 before anything else: TensorRT takes uint8 as an input, and only to convert it."""
    images = graph.input[0].name
    takers = [node for node in graph.node if images in node.input]
    if [node.op_type for node in takers] == ["Cast"]:
        return
    becoming = [node for node in graph.node if takers and list(node.input) == list(takers[0].output)]
    if [node.op_type for node in takers] != ["Transpose"] or [node.op_type for node in becoming] != ["Cast"]:
        raise ModelRefused(
            f"{network.path} does something with its images before they become float, which TensorRT cannot. "
            "Export the network again."
        )
    transpose, cast = takers[0], becoming[0]
    between, last = f"{images}_float", cast.output[0]
    transpose.input[0], transpose.output[0] = between, last
    cast.input[0], cast.output[0] = images, between
    ordered = [cast, transpose, *(node for node in graph.node if node not in (cast, transpose))]
    _replace_nodes(graph, ordered)


def _half_between_convolutions(graph: Any, network: ExportedNetwork) -> None:
    """Have float16 from the first convolution to the last, and float32 before and after.

    What comes before brings a patch into its own colours (sums of squares of up to 255, which float16 cannot hold);
    what comes after is small and decides.
    """
    half = _between_convolutions(graph)
    weights = {each.name: each for each in graph.initializer if each.data_type == TensorProto.FLOAT}
    constants = {each.name for each in graph.initializer}  # those that are no weights are indices and sizes
    made: dict[str, Any] = {}
    ordered: list[Any] = []
    of_half = {output for i in half for output in graph.node[i].output}
    for i, node in enumerate(list(graph.node)):
        for k, name in enumerate(node.input):
            if name in of_half and i not in half:
                node.input[k] = _converted(name, TensorProto.FLOAT, made, ordered)
            elif i in half and name not in of_half and k not in FLOATS_THAT_STAY.get(node.op_type, ()):
                if name in weights:
                    node.input[k] = _halved(weights[name], graph, made, network)
                elif name and name not in constants:
                    node.input[k] = _converted(name, TensorProto.FLOAT16, made, ordered)
        ordered.append(node)
    for output in graph.output:
        if output.name in of_half:
            raise ModelRefused(f"{network.path} ends with a convolution: its output would be no float32.")
    _replace_nodes(graph, ordered)
    _forget_unused(graph)


def _between_convolutions(graph: Any) -> set[int]:
    """The nodes that lie on a way from a convolution to a convolution, those two among them (nodes are in order)."""
    nodes = list(graph.node)
    after: set[str] = set()
    behind = set()
    for i, node in enumerate(nodes):
        if node.op_type == "Conv" or after.intersection(node.input):
            behind.add(i)
            after.update(node.output)
    before: set[str] = set()
    ahead = set()
    for i in range(len(nodes) - 1, -1, -1):
        if nodes[i].op_type == "Conv" or before.intersection(nodes[i].output):
            ahead.add(i)
            before.update(nodes[i].input)
    return behind & ahead


def _converted(name: str, to: int, made: dict[str, Any], ordered: list[Any]) -> str:
    target = f"{name}_{'half' if to == TensorProto.FLOAT16 else 'float'}"
    if target not in made:
        made[target] = helper.make_node("Cast", [name], [target], name=f"{target}_cast", to=to)
        ordered.append(made[target])
    return target


def _halved(weight: Any, graph: Any, made: dict[str, Any], network: ExportedNetwork) -> str:
    target = f"{weight.name}_half"
    if target not in made:
        values = numpy_helper.to_array(weight)
        if np.abs(values).max(initial=0) > LARGEST_HALF or not np.isfinite(values).all():
            raise ModelRefused(
                f'{network.path} has a weight ("{weight.name}") that float16 cannot hold. '
                'Set [engine] precision = "fp32".'
            )
        made[target] = numpy_helper.from_array(values.astype(np.float16), target)
        graph.initializer.append(made[target])
    return target


def _symmetric(graph: Any) -> None:
    """Have eight-bit numbers as TensorRT takes them: signed, with zero at zero, and biases in float.

    An unsigned range from zero up also was the network's rectifier: what lay under zero became zero. A signed one
    lets it through, so the rectifier is written out. Weights are signed and symmetric already.
    """
    values = {each.name: each for each in graph.initializer}
    zeros: dict[str, int] = {}  # where zero lay in what was unsigned, by the name of its zero point
    ordered: list[Any] = []
    for node in list(graph.node):
        if node.op_type == "QuantizeLinear":
            scale, zero_point = node.input[1:3]
            if values[zero_point].data_type == TensorProto.UINT8:
                zeros[zero_point] = int(numpy_helper.to_array(values[zero_point]))
                _rescale(values[scale], values[zero_point], zeros[zero_point])
            if zeros.get(zero_point) == 0:
                rectified = f"{node.output[0]}_rectified"
                ordered.append(helper.make_node("Relu", [node.input[0]], [rectified], name=rectified))
                node.input[0] = rectified
        elif node.op_type == "DequantizeLinear" and _is_bias(node, values):
            bias = numpy_helper.to_array(values[node.input[0]]) * numpy_helper.to_array(values[node.input[1]])
            graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), node.output[0]))
            continue
        ordered.append(node)
    _replace_nodes(graph, ordered)
    _forget_unused(graph)


def _is_bias(node: Any, values: dict[str, Any]) -> bool:
    return node.input[0] in values and values[node.input[0]].data_type == TensorProto.INT32


def _rescale(scale: Any, zero_point: Any, zero: int) -> None:
    """Give a range from 0 to 255 around `zero` the smallest one from -127 to 127 that holds it."""
    step: NDArray[np.float32] = numpy_helper.to_array(scale)
    reach = max(zero, UNSIGNED_STEPS - zero)
    wider = np.asarray(step * (reach / SIGNED_STEPS), np.float32)
    scale.CopyFrom(numpy_helper.from_array(wider, scale.name))
    zero_point.CopyFrom(numpy_helper.from_array(np.zeros_like(wider, np.int8), zero_point.name))


def _replace_nodes(graph: Any, nodes: Iterable[Any]) -> None:
    kept = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        kept.append(copy)
    del graph.node[:]
    graph.node.extend(kept)


def _forget_unused(graph: Any) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
