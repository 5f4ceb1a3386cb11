"""A trained network whose answers a smaller one learns beside the labels.

Source: Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.crops import PATCH_PX
from models.training.schedule import autocast, device

TEMPERATURE = 2.0  # both are softened by it, so that what is unlikely still teaches
SHARE = 0.5  # of the loss; the rest is the labels'


class Teacher:
    """A classifier that is asked and not trained."""

    def __init__(self, network: nn.Module) -> None:
        """Take a network as `train_cells` trains them: `logits` of images, N×3×96×96 float, 0 to 255."""
        self._network = network.to(device()).eval().requires_grad_(False)

    def blended(self, loss: Tensor, images: Tensor, scores: Tensor) -> Tensor:
        """Return the labels' loss with the teacher's: how far the scores (N×outputs) are from what it says.

        images: N×3×H×W; the teacher sees them in its own number of pixels.
        """
        if images.shape[-1] != PATCH_PX:
            images = functional.interpolate(
                images, size=(PATCH_PX, PATCH_PX), mode="bilinear", align_corners=False
            )
        with torch.no_grad(), autocast():
            said = self._network.logits(images)
        softened = functional.log_softmax(said.float() / TEMPERATURE, dim=1)
        mine = functional.log_softmax(scores / TEMPERATURE, dim=1)
        off = functional.kl_div(mine, softened, log_target=True, reduction="batchmean") * TEMPERATURE**2
        return (1 - SHARE) * loss + SHARE * off


def load_teacher(
    path: Path, kinds: dict[str, type[nn.Module]], outputs: tuple[str, ...], whole: int
) -> Teacher:
    """Return the network of a checkpoint, its averaged weights, as a teacher.

    kinds: of networks by name.  outputs: the pupil's.  whole: how many outputs a network over the whole panel has.
    Raises ValueError where there is none, or it has other outputs.
    """
    if not path.is_file():
        raise ValueError(
            f"There is no checkpoint {path} to learn from. Train that network first, or name another."
        )
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    begun = state.get("training", {})
    kind, labels = begun.get("network"), tuple(begun.get("labels", ()))
    if kind not in kinds or (len(labels) or whole) != len(outputs) or (labels and labels != outputs):
        raise ValueError(f"{path} is no classifier of the same labels. Name the checkpoint of one.")
    network = kinds[kind](len(outputs))
    network.load_state_dict(state["average"])
    return Teacher(network)
