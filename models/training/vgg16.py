"""The published classifier: VGG-16 with batch normalisation, as the yardstick of every benchmark.

Published (J. W. Choi et al. 2017, PLoS ONE 12(12):e0189259, and Choi's thesis; taken from descriptions of
them, not checked against their full text): the VGG-16 layout (K. Simonyan and A. Zisserman 2015,
configuration D), batch normalisation, MSRA initialisation (K. He et al. 2015), dropout, images in YUV.
Ours: where the normalisation stands (after each convolution and each hidden dense layer), dropout of 0.5 on
the two hidden dense layers, their 4096 units (Simonyan and Zisserman's), patches of 96×96 px, and YUV as
BT.601 with each channel scaled to about ±0.5.
With random weights its cost is that of the trained network, which is all that a benchmark of time needs.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import ModelRefused

SIDE_PX = 96
# Simonyan & Zisserman 2015, table 1, configuration D: channels of each 3×3 convolution; None: 2×2 maximum.
LAYOUT = (64, 64, None, 128, 128, None, 256, 256, 256, None, 512, 512, 512, None, 512, 512, 512, None)
# BT.601, as OpenCV computes it; U and V without their offset of one half.
YUV_FROM_RGB = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))
HIDDEN = 4096
DROPOUT = 0.5


class Vgg16(nn.Module):
    """VGG-16 with batch normalisation. Input: float32, N×3×96×96, YUV; output: N×labels logits."""

    def __init__(self, labels: int) -> None:
        """Build it with MSRA-initialised weights for so many labels."""
        super().__init__()
        if labels < 2:
            raise ModelRefused(f"A classifier tells at least two labels apart, not {labels}.")
        self.features = nn.Sequential(*_convolutions())
        side = SIDE_PX // 2 ** LAYOUT.count(None)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            *_hidden(512 * side * side),
            *_hidden(HIDDEN),
            nn.Linear(HIDDEN, labels),
        )
        self.apply(_initialise)

    def forward(self, yuv: Tensor) -> Tensor:
        """Return the logits of a batch."""
        logits: Tensor = self.classifier(self.features(yuv))
        return logits


class Vgg16Cells(nn.Module):
    """VGG-16 with the classifier's contract: uint8 patches N×96×96×3 (RGB) in, logits N×outputs out."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.network = Vgg16(outputs)
        self.register_buffer("yuv_from_rgb", torch.tensor(YUV_FROM_RGB), persistent=False)

    def forward(self, patches: Tensor) -> Tensor:
        """Logits of uint8 patches; see the class."""
        return self.logits(patches.permute(0, 3, 1, 2).to(torch.float32))

    def logits(self, images: Tensor) -> Tensor:
        """Logits of images, N×3×96×96 float RGB, 0 to 255."""
        yuv = torch.einsum("nchw,dc->ndhw", images / 255, self.yuv_from_rgb)
        middle = torch.tensor([0.5, 0.0, 0.0], device=images.device)[:, None, None]
        scores: Tensor = self.network(yuv - middle)
        return scores


def to_yuv(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn one uint8 96×96×3 RGB patch into the network's 3×96×96 float32.

    Raises ModelRefused for another shape.
    """
    if patch.shape != (SIDE_PX, SIDE_PX, 3) or patch.dtype != np.uint8:
        raise ModelRefused(
            f"VGG-16 sees 96×96×3 patches of 8 bit, not {patch.dtype} of shape {patch.shape}. Crop it first."
        )
    yuv = cv2.cvtColor(patch, cv2.COLOR_RGB2YUV).astype(np.float32)
    return np.ascontiguousarray((yuv / 255 - 0.5).transpose(2, 0, 1))


def _convolutions() -> list[Any]:
    layers: list[Any] = []
    channels = 3
    for wanted in LAYOUT:
        if wanted is None:
            layers.append(nn.MaxPool2d(2))
            continue
        # No bias: the normalisation that follows has its own.
        layers += [
            nn.Conv2d(channels, wanted, 3, padding=1, bias=False),
            nn.BatchNorm2d(wanted),
            nn.ReLU(True),
        ]
        channels = wanted
    return layers


def _hidden(inputs: int) -> list[Any]:
    return [nn.Linear(inputs, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(True), nn.Dropout(DROPOUT)]


def _initialise(layer: Any) -> None:
    """He et al. 2015, equation 10: zero mean, variance 2 / fan-in."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
