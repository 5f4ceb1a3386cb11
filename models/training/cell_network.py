"""The compact cell classifier: a plain residual network of about 0.1 GMAC for 96×96 patches.

Source of the blocks: He et al. 2016, "Deep Residual Learning for Image Recognition" (basic block).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

WIDTHS = (32, 64, 128, 256)
FAINTEST = 8.0  # of 255


class Block(nn.Module):
    """Two 3×3 convolutions and a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = convolution(outputs, outputs, 1, activate=False)
        self.shortcut = (
            nn.Sequential(nn.AvgPool2d(stride), convolution(inputs, outputs, 1, activate=False, size=1))
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W in, N×C'×H/stride×W/stride out."""
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


def convolution(
    inputs: int, outputs: int, stride: int, *, activate: bool = True, size: int = 3
) -> nn.Sequential:
    """A convolution without bias, batch normalisation and, where asked for, a rectifier."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if activate:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class CellNetwork(nn.Module):
    """uint8 patches N×96×96×3 (RGB, 0.20 µm/px) in, logits N×outputs out.

    Normalisation is inside, so that whoever runs the exported network cannot get it wrong.
    """

    def __init__(self, outputs: int, dropout: float = 0.2) -> None:
        super().__init__()
        blocks: list[nn.Module] = [convolution(3, WIDTHS[0], 2)]
        blocks += [Block(a, b, 2) for a, b in pairwise(WIDTHS)]
        self.features = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(WIDTHS[-1], outputs)

    def forward(self, patches: Tensor) -> Tensor:
        """Logits of uint8 patches; see the class."""
        return self.logits(patches.permute(0, 3, 1, 2).to(torch.float32))

    def logits(self, images: Tensor) -> Tensor:
        """Logits of images, N×3×H×W float, 0 to 255."""
        pooled = self.features(standardised(images)).mean(dim=(2, 3))
        scores: Tensor = self.classify(self.dropout(pooled))
        return scores


def standardised(images: Tensor) -> Tensor:
    """Every image's own channels with zero mean and unit spread, N×3×H×W.

    So neither the lamp nor how strongly a laboratory stains reaches the network. FAINTEST keeps an image without
    contrast from being blown up.
    """
    mean = images.mean(dim=(2, 3), keepdim=True)
    centred = images - mean
    spread = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / (spread + FAINTEST)


def normalise(patches: Tensor) -> Tensor:
    """N×H×W×3 uint8 to N×3×H×W float, roughly zero mean and unit spread for stained smears."""
    return (patches.permute(0, 3, 1, 2).to(torch.float32) - 180.0) / 50.0
