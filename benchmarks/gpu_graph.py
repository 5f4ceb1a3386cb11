"""What an exported network costs: FLOPs and bytes, counted from its graph.

Two FLOPs a multiplication with its addition. What works on each number alone (rectifiers, sums, scalings, changes of
type or order) is reckoned as done on the way from one layer to the next, as every good engine does it: it moves
nothing but a second operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

ON_THE_WAY = frozenset(
    (
        "Relu", "Clip", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Sigmoid", "Cast", "Transpose", "Slice",
        "BatchNormalization", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Dropout",
    )
)  # fmt: skip
NO_ARITHMETIC = frozenset(
    (
        "Cast", "Transpose", "Slice", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Dropout", "Concat",
        "Resize", "Pad",
    )
)  # fmt: skip
IMAGE_BYTES = 1  # a level of a picture comes as one byte


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that reads and writes memory, with what is done on the way to it and from it.

    flops: of the layer alone.  weights: how many numbers it holds.  activations: how many it reads and writes.
    images: how many bytes of uint8 pictures it reads.
    """

    name: str
    kind: str
    flops: int
    weights: int
    activations: int
    images: int = 0

    def bytes_moved(self, number_bytes: int) -> int:
        """Bytes read and written where every number has so many."""
        return (self.weights + self.activations) * number_bytes + self.images


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs for one batch.

    flops: of everything.  weights: numbers.  given, answered: bytes of the pictures, numbers of the answer.
    """

    flops: int
    weights: int
    given: int
    answered: int
    layers: tuple[Layer, ...]

    def least_bytes(self, number_bytes: int) -> int:
        """Bytes that must move whoever computes it: pictures in, weights once, the answer out."""
        return self.given + (self.weights + self.answered) * number_bytes

    def bytes_by_layer(self, number_bytes: int) -> int:
        """Bytes that move where every layer reads its input from memory and writes its output there."""
        return sum(layer.bytes_moved(number_bytes) for layer in self.layers)


def cost_of(path: Path, shape: Sequence[int]) -> Cost:
    """Return what an exported float network costs for a batch of this shape (N×H×W×3).

    Raises ValueError for a layer that this counter does not know.
    """
    import onnx

    model = onnx.load(path)
    _fix_input(model, shape)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    return _Counter(model).cost()


class _Counter:
    """Walks a graph in its order, which is that of computing."""

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.nodes = list(graph.node)
        self.shapes: dict[str, tuple[int, ...]] = {}
        for value in (*graph.value_info, *graph.input, *graph.output):
            dims = value.type.tensor_type.shape.dim
            self.shapes[value.name] = tuple(d.dim_value for d in dims)
        self.constants = {each.name: prod(each.dims) for each in graph.initializer}
        self.shapes |= {each.name: tuple(each.dims) for each in graph.initializer}
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.source = {self.input: self.input}  # where in memory the numbers of a tensor come from
        self.age = {self.input: -1}

    def cost(self) -> Cost:
        layers: list[Layer] = []
        on_the_way = 0
        for number, node in enumerate(self.nodes):
            if node.op_type == "Constant":
                self.constants[node.output[0]] = self.numbers(node.output[0])
                continue
            flops = self.flops(node)
            operands = [name for name in node.input if name and name not in self.constants]
            own = sum(self.constants[name] for name in node.input if self.is_weight(node, name))
            result = node.output[0]
            if node.op_type not in ON_THE_WAY:
                layers.append(self.layer(node, flops, own, operands))
                self.source[result], self.age[result] = result, number
                continue
            on_the_way += flops
            latest = max(operands, key=lambda name: self.age[self.source[name]])
            self.source[result] = self.source[latest]
            others = [name for name in operands if name is not latest]
            if others or own > 1:
                read = [self.source[name] for name in others]
                layers.append(self.moving(node, 0, own, read, 0))
        weights = sum(layer.weights for layer in layers)
        given = self.numbers(self.input) * IMAGE_BYTES
        total = sum(layer.flops for layer in layers) + on_the_way
        return Cost(total, weights, given, self.numbers(self.output), tuple(layers))

    def layer(self, node: Any, flops: int, weights: int, operands: Sequence[str]) -> Layer:
        """What a layer reads from where it lies, and writes."""
        read = [self.source[name] for name in operands]
        # What is cut out or changed on the way after the last layer is written as it is then: nearly the same.
        return self.moving(node, flops, weights, read, self.numbers(node.output[0]))

    def moving(self, node: Any, flops: int, weights: int, read: Sequence[str], written: int) -> Layer:
        images = sum(self.numbers(name) * IMAGE_BYTES for name in read if name == self.input)
        numbers = sum(self.numbers(name) for name in read if name != self.input)
        return Layer(node.name, node.op_type, flops, weights, numbers + written, images)

    def is_weight(self, node: Any, name: str) -> bool:
        """Whether a constant of a node is multiplied or added: not its axes, sizes or limits."""
        if name not in self.constants:
            return False
        places = [place for place, each in enumerate(node.input) if each == name]
        if node.op_type in ("Conv", "Gemm", "MatMul", "BatchNormalization"):
            return places != [0]
        return node.op_type in ("Add", "Sub", "Mul", "Div")

    def numbers(self, name: str) -> int:
        if name not in self.shapes:
            raise ValueError(f"The size of {name} does not follow from the network's input. Report this.")
        return prod(self.shapes[name])

    def flops(self, node: Any) -> int:
        kind, written = node.op_type, self.numbers(node.output[0])
        if kind in NO_ARITHMETIC:
            return 0
        if kind == "Conv":
            per_output = prod(self.shapes[node.input[1]][1:])  # inputs of a group × kernel
            return written * (2 * per_output + (1 if len(node.input) > 2 and node.input[2] else 0))
        if kind in ("Gemm", "MatMul"):
            inner = self.shapes[node.input[0]][0 if _attribute(node, "transA", 0) else -1]
            return written * (2 * inner + (1 if len(node.input) > 2 and node.input[2] else 0))
        if kind in ("AveragePool", "MaxPool"):
            return int(written * prod(_attribute(node, "kernel_shape", ())))
        if kind in ("ReduceMean", "GlobalAveragePool", "Softmax"):
            return self.numbers(node.input[0])
        if kind == "BatchNormalization":
            return 2 * written
        if kind in ON_THE_WAY:
            return written
        raise ValueError(
            f"This counter does not know the layer {kind}. Export the float network, or report this."
        )


def _attribute(node: Any, name: str, default: Any) -> Any:
    import onnx

    found = [each for each in node.attribute if each.name == name]
    return onnx.helper.get_attribute_value(found[0]) if found else default


def _fix_input(model: Any, shape: Sequence[int]) -> None:
    """State the batch's shape, and forget what was worked out for others."""
    graph = model.graph
    names = {each.name for each in graph.initializer}
    given = next(value for value in graph.input if value.name not in names)
    for dim, size in zip(given.type.tensor_type.shape.dim, shape, strict=True):
        dim.ClearField("dim_param")
        dim.dim_value = size
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
