"""The fully convolutional detector: where white cells are, and how large.

Sources: Zhou et al. 2019, "Objects as points" (a heat map of centres, with size and offset read at its peaks); He et
al. 2016, "Deep Residual Learning for Image Recognition" (basic block).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 4
TYPICAL_RADIUS_PX = 16.0  # 6.4 µm at 0.40 µm/px


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


class FieldNetwork(nn.Module):
    """uint8 fields N×H×W×3 (RGB, 0.40 µm/px; H and W multiples of 16) in, N×4×H/4×W/4 out.

    Channels: probability of a centre, radius (px), and the centre's offset from the grid point in x and y (px).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 24, 2)
        self.quarter = Block(24, 48, 2)
        self.eighth = Block(48, 96, 2)
        self.sixteenth = Block(96, 128, 2)
        self.up_sixteenth = convolution(128, 96, 1, size=1)
        self.merge_eighth = convolution(96, 48, 1)
        self.merge_quarter = convolution(48, 48, 1)
        self.head = nn.Conv2d(48, 4, 1)
        nn.init.zeros_(self.head.weight)
        self.head.bias = nn.Parameter(torch.tensor([-3.0, 0.0, 0.0, 0.0]))  # centres are rare

    def forward(self, fields: Tensor) -> Tensor:
        """See the class."""
        raw = self.raw(normalise(fields))
        heat = torch.sigmoid(raw[:, :1])
        radius = TYPICAL_RADIUS_PX * torch.exp(raw[:, 1:2].clamp(-2, 2))
        return torch.cat([heat, radius, raw[:, 2:] * STRIDE], dim=1)

    def raw(self, images: Tensor) -> Tensor:
        """The head's four channels of images already normalised: logit, log of relative radius, offsets in cells."""
        quarter = self.quarter(self.stem(images))
        eighth = self.eighth(quarter)
        up = self.up_sixteenth(self.sixteenth(eighth))
        eighth = self.merge_eighth(eighth + _doubled(up))
        quarter = self.merge_quarter(quarter + _doubled(eighth))
        out: Tensor = self.head(quarter)
        return out


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def normalise(patches: Tensor) -> Tensor:
    """N×H×W×3 uint8 to N×3×H×W float, roughly zero mean and unit spread for stained smears."""
    return (patches.permute(0, 3, 1, 2).to(torch.float32) - 180.0) / 50.0
