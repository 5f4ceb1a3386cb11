"""The bundled networks in PyTorch, eager or compiled, built from their ONNX files.

From the graph rather than from the training's own modules: one of them is no longer in the source, their
normalisation is folded into the convolutions (which is kinder to PyTorch), and nothing has to be matched by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from models.engines.engine import Batch, DeviceBatch, NetworkShape, parts_of
from models.engines.onnx_engine import LARGEST_CUDA_BATCH
from models.errors import AnalysisError, ModelRefused

TOLERANCE, HALF_TOLERANCE = 2e-3, 0.05  # of the output's size

Constants = dict[str, NDArray[Any]]
Step = tuple[Callable[..., Tensor], tuple[str, ...], str]
"""A function of tensors, their names, and the name of what it gives."""


class OnnxNetwork(nn.Module):  # type: ignore[misc]
    """An exported float network as PyTorch runs it: uint8 N×H×W×3 in, the first output out."""

    def __init__(self, path: Path) -> None:
        """Read the graph. Raises ModelRefused for a layer that is not known here."""
        super().__init__()
        graph = onnx.load(path).graph
        constants: Constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self._input, self._output = graph.input[0].name, graph.output[0].name
        self._steps: list[Step] = []
        for node in graph.node:
            if node.op_type not in _LAYERS:
                raise ModelRefused(f"{path.name} has the layer {node.op_type}, which is not known here.")
            attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            function, names = _LAYERS[node.op_type](tuple(node.input), attributes, constants)
            self._steps.append((function, names, node.output[0]))
        self._held = {
            name: f"held_{place}"
            for place, name in enumerate(
                sorted({n for _, names, _ in self._steps for n in names if n in constants})
            )
        }
        for name, attribute in self._held.items():
            self.register_buffer(attribute, torch.from_numpy(constants[name].copy()))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the network's first output."""
        known = {name: getattr(self, attribute) for name, attribute in self._held.items()}
        known[self._input] = pictures
        for function, names, result in self._steps:
            known[result] = function(*[known[name] for name in names])
        return known[self._output]


class TorchEngine:
    """An `Engine` over PyTorch.

    precision: "fp16" computes with weights and activations in float16 and normalises pictures in float32; None: float32
    throughout, without TF32, and always so on a processor.
    """

    def __init__(self, path: Path, device: str, *, compiled: bool = False, half: bool = False) -> None:
        """Load a network. Raises ModelRefused."""
        self._device = torch.device(device)
        network = OnnxNetwork(path).eval().to(self._device)
        if self._device.type == "cuda":
            network = network.to(memory_format=torch.channels_last)
        self._network: Callable[[Tensor], Tensor] = network
        how = "eager"
        if compiled:
            # In a rehearsal the graph is traced, not translated: that would take minutes and says nothing of a GPU.
            backend = "inductor" if self._device.type == "cuda" else "eager"
            self._network = torch.compile(network, backend=backend)
            how = f"compiled by {backend}"
        self.name = f"PyTorch {torch.__version__}, {how}, {device}"
        self._half = half and self._device.type == "cuda"  # a processor emulates it: minutes that say nothing
        self.precision: str | None = "fp16" if self._half else None
        self.largest_batch = LARGEST_CUDA_BATCH
        self.shape = _shape(path)

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the first output for a batch, in host memory. Raises AnalysisError."""
        try:
            parts = [self.queue(part).float().cpu().numpy() for part in parts_of(batch, self.largest_batch)]
        except RuntimeError as error:
            raise AnalysisError(f"The network failed on {self.name}: {error}.") from error
        return np.concatenate(parts).astype(np.float32, copy=False)

    def queue(self, batch: Batch | Tensor) -> Tensor:
        """Return the first output where it was computed; on a GPU the work may still go on."""
        pictures = batch if isinstance(batch, Tensor) else self.upload(batch)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=torch.float16, enabled=self._half),
        ):
            return self._network(pictures)

    def upload(self, batch: Batch) -> Tensor:
        """Return a batch as a tensor on the device; one that lies on it already is not copied."""
        if isinstance(batch, DeviceBatch):
            return torch.as_tensor(_OnDevice(batch), device=self._device)
        return torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)


class _OnDevice:
    """A batch as PyTorch finds it (CUDA array interface, version 2)."""

    def __init__(self, batch: DeviceBatch) -> None:
        self.batch = batch
        self.__cuda_array_interface__ = {
            "shape": batch.shape,
            "typestr": "|u1",
            "data": (batch.address, False),
            "version": 2,
        }


def agreement(path: Path, engine: TorchEngine, pictures: NDArray[np.uint8]) -> float:
    """Return how far PyTorch's answer is from ONNX Runtime's on the processor, relative to the output's size.

    Raises AnalysisError where that is more than rounding can make it.
    """
    from models.engines.onnx_engine import open_on_cpu

    expected = open_on_cpu(path).run(pictures)
    off = float(np.max(np.abs(engine.run(pictures) - expected) / np.maximum(1, np.abs(expected))))
    if off > (TOLERANCE if engine.precision is None else HALF_TOLERANCE):
        raise AnalysisError(f"{path.stem} on {engine.name} is {off:.2g} off what ONNX Runtime answers.")
    return off


def _shape(path: Path) -> NetworkShape:
    graph = onnx.load(path, load_external_data=False).graph
    dims = graph.input[0].type.tensor_type.shape.dim
    height, width = (d.dim_value if d.HasField("dim_value") else None for d in dims[1:3])
    return NetworkShape(graph.input[0].name, height, width, tuple(each.name for each in graph.output))


Layer = tuple[Callable[..., Tensor], tuple[str, ...]]
Attributes = dict[str, Any]


def _pads(attributes: Attributes) -> tuple[int, int, int, int]:
    """Top, left, bottom and right."""
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return top, left, bottom, right


def _convolution(names: Sequence[str], attributes: Attributes, _: Constants) -> Layer:
    top, left, bottom, right = _pads(attributes)
    stride, dilation = tuple(attributes["strides"]), tuple(attributes.get("dilations", (1, 1)))
    groups = int(attributes.get("group", 1))
    even = (top, left) == (bottom, right)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if not even:
            x = functional.pad(x, (left, right, top, bottom))
        return functional.conv2d(x, weight, bias, stride, (top, left) if even else 0, dilation, groups)

    return run, tuple(names)


def _pooling(names: Sequence[str], attributes: Attributes, _: Constants) -> Layer:
    top, left, _bottom, _right = _pads(attributes)
    size, stride = tuple(attributes["kernel_shape"]), tuple(attributes["strides"])
    padded = bool(attributes.get("count_include_pad", 0))
    return lambda x: functional.avg_pool2d(x, size, stride, (top, left), count_include_pad=padded), tuple(
        names
    )


def _mean(names: Sequence[str], attributes: Attributes, constants: Constants) -> Layer:
    axes, keep = tuple(constants[names[1]].tolist()), bool(attributes.get("keepdims", 1))
    return lambda x: x.mean(dim=axes, keepdim=keep), (names[0],)


def _limits(names: Sequence[str], _: Attributes, constants: Constants) -> Layer:
    low, high = (float(constants[name]) if name else None for name in (*names[1:], "", "")[:2])
    return lambda x: x.clamp(low, high), (names[0],)


def _scaled(names: Sequence[str], _: Attributes, constants: Constants) -> Layer:
    factors = tuple(float(value) for value in constants[names[2]][2:])
    return lambda x: functional.interpolate(x, scale_factor=factors, mode="nearest"), (names[0],)


def _slice(names: Sequence[str], _: Attributes, constants: Constants) -> Layer:
    (start,), (end,), (axis,) = (constants[name].tolist() for name in names[1:4])
    return lambda x: x.narrow(axis, start, min(end, x.shape[axis]) - start), (names[0],)


def _dense(names: Sequence[str], attributes: Attributes, _: Constants) -> Layer:
    turned = bool(attributes.get("transB", 0))
    return lambda x, w, b=None: functional.linear(x, w if turned else w.T, b), tuple(names)


def _cast(names: Sequence[str], attributes: Attributes, _: Constants) -> Layer:
    if attributes["to"] != onnx.TensorProto.FLOAT:
        raise ModelRefused("A network casts to another type than float32, which is not known here.")
    return lambda x: x.to(torch.float32), tuple(names)


def _joined(names: Sequence[str], attributes: Attributes, _: Constants) -> Layer:
    axis = int(attributes["axis"])
    return lambda *parts: torch.cat(parts, dim=axis), tuple(names)


def _ordered(names: Sequence[str], attributes: Attributes, _: Constants) -> Layer:
    order = tuple(attributes["perm"])
    return lambda x: x.permute(order), tuple(names)


def _plain(function: Callable[..., Tensor]) -> Callable[[Sequence[str], Attributes, Constants], Layer]:
    return lambda names, _attributes, _constants: (function, tuple(names))


_LAYERS: dict[str, Callable[[Sequence[str], Attributes, Constants], Layer]] = {
    "Add": _plain(torch.add),
    "AveragePool": _pooling,
    "Cast": _cast,
    "Clip": _limits,
    "Concat": _joined,
    "Conv": _convolution,
    "Div": _plain(torch.div),
    "Exp": _plain(torch.exp),
    "Gemm": _dense,
    "Mul": _plain(torch.mul),
    "Pow": _plain(torch.pow),
    "ReduceMean": _mean,
    "Relu": _plain(torch.relu),
    "Resize": _scaled,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": _slice,
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Transpose": _ordered,
}
