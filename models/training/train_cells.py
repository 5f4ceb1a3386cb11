"""Train the cell classifier of `smear-13` on real cells."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from models.card import BUNDLED
from models.cascade_file import read_cascade
from models.crops import (
    ARTEFACT,
    PATCH_PX,
    PLATELET,
    WHITE_CELL,
    Crops,
    cells_of_split,
    others_of_split,
    stacked,
)
from models.guidance import Guidance
from models.training import augment
from models.training.cell_network import CellNetwork
from models.training.schedule import Trainee, Training, generator, progress_bar

# In the order of the panel; the last is a label of the marrow data that becomes `unidentified`.
OUTPUTS = (
    "blast", "promyelocyte", "myelocyte", "metamyelocyte", "band_neutrophil", "segmented_neutrophil",
    "eosinophil", "basophil", "monocyte", "lymphocyte", "erythroblast", "platelet", "artefact",
    "not_identifiable",
)  # fmt: skip
PANEL = "smear-13"
BATCH = 64
LABEL_SMOOTHING = 0.05
NO_WHITE_CELL = (PLATELET, ARTEFACT)


@dataclass(frozen=True, slots=True)
class CellTraining(Training):
    """How a classifier is trained."""

    epochs: int = 40
    seed: int = 1
    rate: float = 2e-3
    weight_decay: float = 0.05
    steps_per_epoch: int = 160


@dataclass(frozen=True, slots=True)
class TrainedCells:
    """A trained classifier with what its card says of it."""

    network: CellNetwork
    temperature: float
    training: CellTraining
    images: dict[str, int]


def train_cells(data: Path, out: Path, training: CellTraining, console: Console) -> TrainedCells:
    """Train, or continue from ``out/checkpoint.pt``; write ``out/log.jsonl``, an object an epoch.

    The test split is not read. The temperature is fitted on the validation split, as guidance sees it.
    """
    torch.manual_seed(training.seed)  # first weights
    console.print("Cutting crops out of the labelled images ...")
    crops = stacked(chain(cells_of_split(data, "train"), others_of_split(data, "train")))
    validation = stacked(cells_of_split(data, "val"))
    trainee = Trainee(CellNetwork(len(OUTPUTS)), training)
    trainee.resume(out / "checkpoint.pt")
    for epoch in trainee.epochs():
        started = time.monotonic()
        loss = _epoch(trainee, crops, training, epoch)
        trainee.save(out / "checkpoint.pt")
        recall = macro_recall(logits(trainee.average, centred(validation)), validation.labels)
        report = {"epoch": epoch, "loss": loss, "val_macro_recall": recall, "s": time.monotonic() - started}
        with (out / "log.jsonl").open("a", encoding="ascii") as log:
            log.write(json.dumps(report) + "\n")
        console.print(
            f"epoch {epoch + 1}/{training.epochs}  loss {loss:.3f}  macro recall on val {recall:.3f}"
        )
    network = trainee.average
    assert isinstance(network, CellNetwork)
    temperature = guided_temperature(network, validation, read_cascade(PANEL, BUNDLED).guidance)
    return TrainedCells(network, temperature, training, dict(Counter(crops.labels)))


def _epoch(trainee: Trainee, crops: Crops, training: CellTraining, epoch: int) -> float:
    random = generator(training.seed, epoch)
    torch.manual_seed(random.initial_seed())  # dropout draws from the global generator
    weights = sampling_weights(crops.labels)
    order = torch.multinomial(weights, BATCH * training.steps_per_epoch, replacement=True, generator=random)
    wanted = [target_set(label) for label in crops.labels]
    trainee.network.train()
    total = 0.0
    with progress_bar() as bar:
        for batch in bar.track(order.split(BATCH), description=f"epoch {epoch + 1}"):
            images = torch.from_numpy(crops.images[batch.numpy()]).permute(0, 3, 1, 2).float()
            images = augment.moved(images, PATCH_PX, random)
            images = augment.degraded(augment.recoloured(images, random), random)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                scores = trainee.network.logits((images - 180) / 50)
            loss = partial_label_loss(scores.float(), [wanted[i] for i in batch.tolist()])
            trainee.learn(loss)
            total += float(loss.detach())
    return total / training.steps_per_epoch


def sampling_weights(labels: Sequence[str]) -> Tensor:
    """How often each crop is drawn: classes in proportion to the square root of their size."""
    sizes = Counter(labels)
    return torch.tensor([sizes[label] ** -0.5 for label in labels])


def target_set(label: str) -> tuple[int, ...]:
    """The outputs that a label allows: its own, or any white cell's where the kind is unknown."""
    if label == WHITE_CELL:
        return tuple(i for i, name in enumerate(OUTPUTS) if name not in NO_WHITE_CELL)
    return (OUTPUTS.index(label),)


def partial_label_loss(scores: Tensor, allowed: Sequence[tuple[int, ...]]) -> Tensor:
    """Minus the log of the probability that the allowed outputs have together, smoothed.

    scores: N×outputs logits. With one allowed output this is cross-entropy with label smoothing.
    """
    logs = functional.log_softmax(scores, dim=1)
    mask = torch.full_like(logs, -torch.inf)
    for row, outputs in enumerate(allowed):
        mask[row, list(outputs)] = 0
    right = -torch.logsumexp(logs + mask, dim=1)
    single = torch.tensor([len(outputs) == 1 for outputs in allowed])
    smooth = torch.where(single, -logs.mean(dim=1), right)
    return ((1 - LABEL_SMOOTHING) * right + LABEL_SMOOTHING * smooth).mean()


def centred(crops: Crops) -> NDArray[np.uint8]:
    """The middle patch of every crop."""
    margin = (crops.images.shape[1] - PATCH_PX) // 2
    return crops.images[:, margin : margin + PATCH_PX, margin : margin + PATCH_PX]


def logits(network: torch.nn.Module, patches: NDArray[np.uint8]) -> Tensor:
    """Logits of N×96×96×3 patches, in batches, without gradients."""
    network.eval()
    parts = np.array_split(patches, -(-len(patches) // 128))
    with torch.no_grad():
        return torch.cat([network(torch.from_numpy(part)) for part in parts])


def macro_recall(scores: Tensor, labels: Sequence[str]) -> float:
    """Mean over the labels of the share of their cells that the best output names."""
    best = scores.argmax(dim=1)
    truth = torch.tensor([OUTPUTS.index(label) for label in labels])
    return float(np.mean([(best[truth == k] == k).float().mean() for k in truth.unique()]))


def guided_temperature(network: torch.nn.Module, crops: Crops, guidance: Guidance) -> float:
    """The temperature that makes probabilities most likely after guidance (Guo et al. 2017, "On calibration").

    Averaging views makes a network more modest: a temperature fitted on single views would make it too modest.
    """
    middle = crops.images.shape[1] / 2
    views = [guidance.views(image, middle, middle, PATCH_PX) for image in crops.images]
    scores = [logits(network, np.stack(patches)) for patches in zip(*views, strict=True)]
    return fitted_temperature(logits(network, centred(crops)), scores, guidance.below, crops.labels)


def fitted_temperature(
    single: Tensor, others: Sequence[Tensor], below: float, labels: Sequence[str]
) -> float:
    """Return the temperature under which the labels are most likely.

    single: logits of the centred view, N×outputs.  others: of every other view, which count where the centred
    view's best probability is under `below`.
    """
    truth = torch.tensor([OUTPUTS.index(label) for label in labels])

    def unlikeliness(temperature: float) -> float:
        first = torch.softmax(single / temperature, dim=1)
        mean = torch.stack([first, *(torch.softmax(view / temperature, dim=1) for view in others)]).mean(
            dim=0
        )
        doubtful = (first.max(dim=1).values < below)[:, None]
        return float(functional.nll_loss(torch.where(doubtful, mean, first).clamp(min=1e-9).log(), truth))

    return min((round(0.01 * step, 2) for step in range(30, 301)), key=unlikeliness)
