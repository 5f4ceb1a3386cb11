"""What the cell classifier looks at, and how it describes a cell before it names it.

Grad-CAM (Selvaraju et al. 2017). In a network that ends in global average pooling and one linear layer, the gradient
of a label's score is the same everywhere on the last feature map: Grad-CAM is then the class activation map
(Zhou et al. 2016) without its negative parts, ReLU(sum_k w_ck A_k), and needs no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.engines.onnx_engine import LARGEST_BATCH, OnnxEngine
from models.errors import ModelRefused


class FeatureNetwork:
    """A cell classifier, cut off after its last feature map. Needs the package onnx.

    name, sha256: of the whole network.  outputs: its labels.  width: how many features describe a cell.
    squares: how many the last feature map has across a patch.
    """

    def __init__(self, card: Card) -> None:
        """Load the network that a card describes. Raises ModelRefused where it does not end as described above."""
        import onnx

        model = onnx.load(card.path)
        features, self._weights = _last_layers(model, card)
        del model.graph.output[:]
        model.graph.output.append(onnx.helper.make_tensor_value_info(features, onnx.TensorProto.FLOAT, None))
        with TemporaryDirectory() as folder:
            path = Path(folder) / card.path.name
            onnx.save(model, path)
            self._engine = OnnxEngine(path)
        self.name = card.name
        self.sha256 = card.sha256
        self.outputs = card.outputs
        self.width = self._weights.shape[1]
        side = int(card.setting("patch_px"))
        self.squares = self._engine.run(np.zeros((1, side, side, 3), np.uint8)).shape[3]

    def features(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the linear layer sees, N×features, of N×96×96×3 patches. Raises AnalysisError."""
        batches = [
            self._engine.run(patches[i : i + LARGEST_BATCH]).mean(axis=(2, 3))
            for i in range(0, len(patches), LARGEST_BATCH)
        ]
        return np.concatenate(batches) if batches else np.empty((0, self.width), np.float32)

    def attention(self, patches: NDArray[np.uint8], outputs: Sequence[str]) -> NDArray[np.float32]:
        """Return what speaks for an output, N×rows×columns, 0 or more, coarser than the N×96×96×3 patches.

        The mean over the eight symmetries of the square: a convolution of stride 2 sees a little more of one side,
        which would shift a single map by up to half of one of its squares.

        outputs: for each patch the output that is asked about.  Raises AnalysisError.
        """
        weights = self._weights[[self.outputs.index(name) for name in outputs]]
        maps = []
        for flip, quarters in product((1, -1), range(4)):
            seen = self._engine.run(np.rot90(patches[:, :, ::flip], quarters, axes=(1, 2)))
            evidence = np.maximum(0, np.einsum("nkhw,nk->nhw", seen, weights))
            maps.append(np.rot90(evidence, -quarters, axes=(1, 2))[:, :, ::flip])
        return np.asarray(np.mean(maps, axis=0), dtype=np.float32)


def _last_layers(model: Any, card: Card) -> tuple[str, NDArray[np.float32]]:
    """Return the name of the last feature map (N×features×rows×columns) and the linear layer, outputs×features."""
    from onnx import numpy_helper

    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {item.name: item for item in model.graph.initializer}
    linear = makers.get(model.graph.output[0].name)
    if linear is not None and linear.op_type == "Gemm" and linear.input[1] in constants:
        settings = {item.name: item for item in linear.attribute}
        weights = numpy_helper.to_array(constants[linear.input[1]])
        weights = weights if "transB" in settings and settings["transB"].i else weights.T
        pooling = makers.get(linear.input[0])
        if pooling is not None and pooling.op_type == "ReduceMean" and _axes(pooling, constants) == [2, 3]:
            return pooling.input[0], weights
    raise ModelRefused(
        f"{card.path} does not end in an average over the picture and one linear layer, "
        "so what it looks at cannot be shown. Make the report without this network, or export it in floating point."
    )


def _axes(pooling: Any, constants: dict[str, Any]) -> list[int]:
    """Return the axes that a ReduceMean averages over, counted from the front of four."""
    from onnx import numpy_helper

    stated = [list(item.ints) for item in pooling.attribute if item.name == "axes"]
    if not stated and len(pooling.input) > 1 and pooling.input[1] in constants:
        stated = [numpy_helper.to_array(constants[pooling.input[1]]).tolist()]
    return sorted(axis % 4 for axis in stated[0]) if stated else []
