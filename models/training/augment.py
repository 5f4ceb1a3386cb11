"""What another microscope, lamp and stain would have made of the same cell.

Source of the stain jitter: Tellez et al. 2019, "Quantifying the effects of data augmentation and stain
color normalization" (haematoxylin-eosin-DAB space); rotations by right angles and flips: Choi 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

# Ruifrok & Johnston 2001: optical densities of haematoxylin, eosin and DAB.
HED_FROM_RGB = torch.linalg.inv(torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]))
RGB_FROM_HED = torch.linalg.inv(HED_FROM_RGB)
SCALE_JITTER = 0.08  # pixel sizes are uncertain by that much


def moved(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Cut side×side views out of larger crops: shifted, turned, mirrored, half of them rescaled.

    images: N×3×R×R float, R > side. No view leaves its crop, so nothing is padded.
    """
    count, reach = images.shape[0], images.shape[-1]
    scale = 1 + SCALE_JITTER * (2 * _uniform(count, generator) - 1)
    scale = torch.where(_uniform(count, generator) < 0.5, scale, torch.ones(count))
    half = side / 2 * scale
    room = (reach / 2 - half).clamp(min=0)
    shift = room[:, None] * (2 * _uniform(count, generator, 2) - 1)
    shift = torch.where((scale == 1)[:, None], shift.round(), shift)  # unscaled views stay sharp
    matrix = _turns(count, generator) * (half * 2 / reach)[:, None, None]
    affine = torch.cat([matrix, (shift * 2 / reach)[:, :, None]], dim=2)
    grid = functional.affine_grid(affine, [count, 3, side, side], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def recoloured(images: Tensor, generator: torch.Generator) -> Tensor:
    """Jitter stain, white balance, gamma and brightness of N×3×H×W images in 0..255."""
    count = images.shape[0]
    density = -torch.log((images + 1) / 256)
    stains = torch.einsum("nchw,cd->ndhw", density, HED_FROM_RGB)
    gain = 1 + 0.12 * _normal(count, generator, 3)
    offset = 0.02 * _normal(count, generator, 3)
    stains = stains * gain[:, :, None, None] + offset[:, :, None, None]
    density = torch.einsum("nchw,cd->ndhw", stains, RGB_FROM_HED)
    light = (256 * torch.exp(-density) - 1).clamp(0, 255) / 255
    gamma = torch.exp(0.15 * _normal(count, generator, 1))
    balance = torch.exp(0.05 * _normal(count, generator, 3)) * torch.exp(0.06 * _normal(count, generator, 1))
    light = light.clamp(min=1e-4) ** gamma[:, :, None, None] * balance[:, :, None, None]
    return (light * 255).clamp(0, 255)


def degraded(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur some of the images (sigma to 1.2 px) and add noise to all (sigma to 6 of 255)."""
    count = images.shape[0]
    sigma = 0.2 + _uniform(count, generator)
    offsets = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    per_channel = kernel.repeat_interleave(3, dim=0)
    flat = images.reshape(1, -1, *images.shape[2:])
    flat = functional.conv2d(
        functional.pad(flat, (3, 3, 0, 0), mode="replicate"), per_channel[:, None, None, :], groups=count * 3
    )
    flat = functional.conv2d(
        functional.pad(flat, (0, 0, 3, 3), mode="replicate"), per_channel[:, None, :, None], groups=count * 3
    )
    blurred = flat.reshape(images.shape)
    chosen = _uniform(count, generator) < 0.4
    images = torch.where(chosen[:, None, None, None], blurred, images)
    strength = 6 * _uniform(count, generator)
    noise = torch.randn(images.shape, generator=generator) * strength[:, None, None, None]
    return (images + noise).clamp(0, 255)


def _turns(count: int, generator: torch.Generator) -> Tensor:
    """N×2×2: one of the eight symmetries of the square for each."""
    turn = torch.randint(0, 4, (count,), generator=generator) * (math.pi / 2)
    mirror = torch.where(_uniform(count, generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(turn).round(), torch.sin(turn).round()
    return torch.stack([torch.stack([cos * mirror, -sin], 1), torch.stack([sin * mirror, cos], 1)], 1)


def _uniform(count: int, generator: torch.Generator, *more: int) -> Tensor:
    return torch.rand(count, *more, generator=generator)


def _normal(count: int, generator: torch.Generator, channels: int) -> Tensor:
    return torch.randn(count, channels, generator=generator)
