"""What another microscope, lamp, stain and camera would have made of the same cell.

Sources: jitter of stains, Tellez et al. 2019, "Quantifying the effects of data augmentation and stain color
normalization" (haematoxylin-eosin-DAB space); rotations by right angles and flips, Choi 2017; mixing of images, Zhang
et al. 2018, "mixup". Mixing optical densities beyond those stains, greying and sharpening are ours.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Ruifrok & Johnston 2001: optical densities of haematoxylin, eosin and DAB.
HED_FROM_RGB = torch.linalg.inv(torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]))
RGB_FROM_HED = torch.linalg.inv(HED_FROM_RGB)
SCALE_JITTER = 0.08  # pixel sizes are uncertain by that much
CROWDED = 0.5  # of all images; the following in half widths of a patch (9.6 µm)
NEAREST, FARTHEST, NEIGHBOUR = 1.08, 1.55, 0.83
RESTAINED = 0.75  # of all images
GREYED = 0.4  # of all images
BLURRED, SHARPENED = 0.4, 0.3  # of all images
SHARPEST = 2.0  # times what a blur takes away
COMPRESSED = 0.2  # of all images
WORST_QUALITY, BEST_QUALITY = 50, 95


def moved(images: Tensor, side: int, generator: torch.Generator, pixels: int | None = None) -> Tensor:
    """Cut side×side views out of larger crops: shifted, turned, mirrored, half of them rescaled.

    images: N×3×R×R float, R > side. No view leaves its crop, so nothing is padded.
    pixels: how many the view has in a row; fewer than `side` show the same cell more coarsely.
    """
    count, reach = images.shape[0], images.shape[-1]
    pixels = pixels or side
    scale = 1 + SCALE_JITTER * (2 * _uniform(count, generator) - 1)
    scale = torch.where(_uniform(count, generator) < 0.5, scale, torch.ones(count))
    half = side / 2 * scale
    room = (reach / 2 - half).clamp(min=0)
    shift = room[:, None] * (2 * _uniform(count, generator, 2) - 1)
    shift = torch.where((scale == 1)[:, None], shift.round(), shift)  # unscaled views stay sharp
    matrix = _turns(count, generator) * (half * 2 / reach)[:, None, None]
    affine = torch.cat([matrix, (shift * 2 / reach)[:, :, None]], dim=2).to(images.device)
    grid = functional.affine_grid(affine, [count, 3, pixels, pixels], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def crowded(images: Tensor, generator: torch.Generator) -> Tensor:
    """Lay a neighbour beside the cell in some images, N×3×S×S: another cell of the batch, touching or nearly.

    The darker of both is kept, as light that passes through both is absorbed by both. A neighbour's centre is 10 to
    15 µm away, and no more than 8 µm around it are shown: what lies in the middle stays the cell.
    """
    count, where = images.shape[0], images.device
    angle = 2 * math.pi * _uniform(count, generator)
    away = NEAREST + (FARTHEST - NEAREST) * _uniform(count, generator)
    shift = torch.stack([away * torch.cos(angle), away * torch.sin(angle)], dim=1)
    affine = torch.eye(2).expand(count, 2, 2)
    affine = torch.cat([affine, -shift[:, :, None]], dim=2).to(where)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    other = torch.randperm(count, generator=generator).to(where)
    beside = functional.grid_sample(images[other], grid, padding_mode="border", align_corners=False)
    chosen = (_uniform(count, generator) < CROWDED).to(where)
    seen = (grid.square().sum(dim=3) < NEIGHBOUR**2) & chosen[:, None, None]
    return torch.where(seen[:, None], torch.minimum(images, beside), images)


def recoloured(images: Tensor, generator: torch.Generator) -> Tensor:
    """Jitter stain, contrast, white balance and brightness of N×3×H×W images in 0..255.

    Most are stained as no laboratory known here does: their optical densities are mixed at random. Some lose part of
    their colour. What is left is the cell's build, which every stain shows.
    """
    count, where = images.shape[0], images.device
    density = -torch.log((images + 1) / 256)
    density = torch.einsum("nchw,ncd->ndhw", density, _restaining(count, generator).to(where))
    offset = 0.02 * _normal(count, generator, 3) @ RGB_FROM_HED
    density = (density + offset.to(where)[:, :, None, None]).clamp(min=0)
    gamma = torch.exp(0.25 * _normal(count, generator, 1)).to(where)
    balance = torch.exp(0.05 * _normal(count, generator, 3)) * torch.exp(0.06 * _normal(count, generator, 1))
    light = (256 * torch.exp(-(density ** gamma[:, :, None, None])) - 1).clamp(min=0)
    return _greyed((light * balance.to(where)[:, :, None, None]).clamp(0, 255), generator)


def _restaining(count: int, generator: torch.Generator) -> Tensor:
    """N×3×3: what another stain makes of optical densities in red, green and blue, D' = D M."""
    # To haematoxylin and eosin and back in one: A diag(g) B, with A and B between RGB and stain densities.
    stains = torch.exp(0.2 * _normal(count, generator, 3))
    jitter = torch.einsum("cs,ns,sd->ncd", HED_FROM_RGB, stains, RGB_FROM_HED)
    mixing = torch.eye(3) + 0.25 * torch.randn(count, 3, 3, generator=generator)
    mixing = mixing / mixing.sum(dim=1, keepdim=True).clamp(min=0.3)  # grey stays about as dense
    mixing = mixing * torch.exp(0.3 * _normal(count, generator, 3))[:, None, :]
    chosen = _uniform(count, generator) < RESTAINED
    return torch.where(chosen[:, None, None], mixing, jitter)


def _greyed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blend some images with a grey of theirs, each channel weighing at random."""
    count, where = images.shape[0], images.device
    weights = 0.2 + _uniform(count, generator, 3)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(where)
    grey = torch.einsum("nchw,nc->nhw", images, weights)[:, None]
    share = torch.where(_uniform(count, generator) < GREYED, _uniform(count, generator), torch.zeros(count))
    return torch.lerp(images, grey.expand_as(images), share.to(where)[:, None, None, None])


def degraded(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur some images (sigma to 1.6 px), sharpen others as cameras do, compress some, and add noise to all.

    Noise has a sigma to 6 of 255.
    """
    count, where = images.shape[0], images.device
    blurred = _blurred(images, 0.2 + 1.4 * _uniform(count, generator))
    chosen, sharper = _uniform(count, generator), SHARPEST * _uniform(count, generator)
    strength = torch.where(chosen < BLURRED, 1.0, torch.where(chosen > 1 - SHARPENED, -sharper, 0.0))
    images = images + strength.to(where)[:, None, None, None] * (blurred - images)
    images = compressed(images.clamp(0, 255), generator)
    noise = torch.randn(images.shape, generator=generator).to(where)
    return (images + noise * (6 * _uniform(count, generator).to(where))[:, None, None, None]).clamp(0, 255)


def compressed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Put some of the images, N×3×H×W in 0..255, through JPEG."""
    chosen = torch.nonzero(_uniform(len(images), generator) < COMPRESSED)[:, 0].tolist()
    quality = torch.randint(WORST_QUALITY, BEST_QUALITY + 1, (len(chosen),), generator=generator).tolist()
    result = images.clone()
    for i, q in zip(chosen, quality, strict=True):
        picture = images[i].round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, q])
        decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
        result[i] = torch.from_numpy(decoded).permute(2, 0, 1).to(images)
    return result


def mixed(images: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Lay another image of the batch faintly over each of some images.

    images: N×3×H×W.  share: how many of them are mixed. Returns the images, each one's own weight (0.6 to 1), and
    which image lies over each.
    """
    count = len(images)
    own = 1 - 0.4 * _uniform(count, generator)
    own = torch.where(_uniform(count, generator) < share, own, torch.ones(count)).to(images.device)
    other = torch.randperm(count, generator=generator)
    weight = own[:, None, None, None]
    return weight * images + (1 - weight) * images[other], own, other


def _blurred(images: Tensor, sigma: Tensor) -> Tensor:
    offsets = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).to(images.device)
    channels = kernel.repeat_interleave(3, dim=0)
    flat = images.reshape(1, -1, *images.shape[2:])
    flat = functional.pad(flat, (3, 3, 0, 0), mode="replicate")
    flat = functional.conv2d(flat, channels[:, None, None, :], groups=len(channels))
    flat = functional.pad(flat, (0, 0, 3, 3), mode="replicate")
    return functional.conv2d(flat, channels[:, None, :, None], groups=len(channels)).reshape(images.shape)


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
