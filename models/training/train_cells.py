"""Train a cell classifier on real cells."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from models.crops import PATCH_PX, Crop, Crops, cells_of_split, others_of_split, stacked
from models.training import augment
from models.training.cell_network import CellNetwork
from models.training.cell_targets import EASY, OUTPUTS, loss_of_each
from models.training.making import SHIPS
from models.training.schedule import (
    CHECKPOINT,
    Trainee,
    Training,
    ahead,
    autocast,
    begin_with_features,
    device,
    generator,
    progress_bar,
)
from models.training.teacher import Teacher, load_teacher
from models.training.vgg16 import Vgg16Cells

BATCH = 64
COARSE_PX = 64  # the whole patch at 0.30 µm/px
MIXED = 0.3  # of all images
JUDGED_EVERY = 6  # epochs
NETWORKS: dict[str, type[nn.Module]] = {SHIPS: CellNetwork, "vgg16": Vgg16Cells}


@dataclass(frozen=True, slots=True)
class CellTraining(Training):
    """How a classifier is trained.

    coarse_epochs: the first so many show each cell in 64×64 px: they cost much less and teach as much
    (progressive resolution: Howard 2018, DAWNBench; Tan & Le 2021).
    refined: in these nothing is mixed and no neighbour laid beside a cell.
    network: one of `NETWORKS`.  without: a source that is left out, to see how the network does there.
    labels: the only ones trained on; empty for all.  teacher: the checkpoint whose answers are learnt too.
    """

    epochs: int = 30
    seed: int = 1
    rate: float = 1e-3
    weight_decay: float = 0.05
    steps_per_epoch: int = 160
    refined: int = 4
    coarse_epochs: int = 15
    network: str = SHIPS
    without: str = ""
    labels: tuple[str, ...] = ()
    teacher: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network's outputs are."""
        return self.labels or OUTPUTS


@dataclass(frozen=True, slots=True)
class TrainedCells:
    """A trained classifier with what its card says of it."""

    network: nn.Module
    training: CellTraining
    images: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """images: N×3×H×W float, 0 to 255.  own: how much of each image is its own, N; the rest was laid over it."""

    images: Tensor
    own: Tensor
    labels: list[str]
    labels_laid_over: list[str]


def train_cells(
    data: Path, out: Path, training: CellTraining, console: Console, start: Path | None = None
) -> TrainedCells:
    """Train, or continue from ``out/checkpoint.pt``; write ``out/log.jsonl``, an object an epoch.

    start: the checkpoint of another classifier, whose features a specialist begins with. The test split is not read.
    Raises ModelRefused where the first weights are not installed.
    """
    torch.manual_seed(training.seed)  # first weights
    network = NETWORKS[training.network](len(training.outputs)).to(device())
    if start is not None:
        begin_with_features(network, start)
    elif isinstance(network, CellNetwork) and not (out / CHECKPOINT).is_file():
        network.begin_with_photographs()
    trainee = Trainee(network, training)
    trainee.resume(out / CHECKPOINT, console)  # or refuse, before any work
    teacher = None
    if training.teacher:
        teacher = load_teacher(Path(training.teacher), NETWORKS, training.outputs, len(OUTPUTS))
    console.print("Cutting crops out of the labelled images ...")
    crops = stacked(_wanted(data, "train", training))
    validation = stacked(_named(data, "val", training))
    whole = training.epochs + training.refined
    for epoch in trainee.epochs():
        started = time.monotonic()
        loss = _epoch(trainee, crops, training, epoch, teacher)
        trainee.save(out / CHECKPOINT)
        report = {"epoch": epoch, "loss": loss, "s": time.monotonic() - started}
        said = f"epoch {epoch + 1}/{whole}  loss {loss:.3f}"
        if epoch >= training.coarse_epochs and (epoch % JUDGED_EVERY == 0 or epoch + 1 == whole):
            scores = logits(trainee.average, centred(validation))
            report["val_macro_recall"] = macro_recall(scores, validation.labels, training.outputs)
            said += f"  macro recall on val {report['val_macro_recall']:.3f}"
        with (out / "log.jsonl").open("a", encoding="ascii") as log:
            log.write(json.dumps(report) + "\n")
        console.print(said)
    return TrainedCells(trainee.average.cpu(), training, dict(Counter(crops.labels)))


def _named(data: Path, split: str, training: CellTraining) -> Iterator[Crop]:
    wanted = training.outputs
    return (crop for crop in cells_of_split(data, split) if crop[1] in wanted and crop[2] != training.without)


def _wanted(data: Path, split: str, training: CellTraining) -> Iterator[Crop]:
    """Named cells and, for a network over the whole panel, artefacts and cells that nobody named."""
    others = () if training.labels else others_of_split(data, split)
    return chain(_named(data, split, training), (crop for crop in others if crop[2] != training.without))


def _epoch(
    trainee: Trainee, crops: Crops, training: CellTraining, epoch: int, teacher: Teacher | None
) -> float:
    random = generator(training.seed, epoch)
    torch.manual_seed(random.initial_seed())  # dropout draws from the global generator
    trainee.network.train()
    total = 0.0
    with progress_bar() as bar:
        batches = ahead(_batches(crops, training, epoch, random))
        for batch in bar.track(batches, training.steps_per_epoch, description=f"epoch {epoch + 1}"):
            with autocast():
                scores = trainee.network.logits(batch.images)
            each = loss_of_each(scores.float(), batch.labels, training.outputs)
            others = loss_of_each(scores.float(), batch.labels_laid_over, training.outputs)
            loss = (batch.own * each + (1 - batch.own) * others).mean()
            if teacher is not None:
                loss = teacher.blended(loss, batch.images, scores.float())
            trainee.learn(loss)
            total += float(loss.detach())
    return total / training.steps_per_epoch


def _batches(crops: Crops, training: CellTraining, epoch: int, random: torch.Generator) -> Iterator[Batch]:
    """Yield an epoch's batches, as another microscope might have seen their cells."""
    early = epoch < training.epochs
    pixels = COARSE_PX if epoch < training.coarse_epochs else PATCH_PX
    weights = sampling_weights(crops)
    order = torch.multinomial(weights, BATCH * training.steps_per_epoch, replacement=True, generator=random)
    for chosen in order.split(BATCH):
        images = torch.from_numpy(crops.images[chosen.numpy()]).to(device()).permute(0, 3, 1, 2).float()
        images = augment.moved(images, PATCH_PX, random, pixels)
        if early:
            images = augment.crowded(images, random)
        images = augment.degraded(augment.recoloured(images, random), random)
        images, own, other = augment.mixed(images, MIXED if early else 0.0, random)
        labels = [crops.labels[i] for i in chosen.tolist()]
        yield Batch(images, own, labels, [labels[i] for i in other.tolist()])


def sampling_weights(crops: Crops) -> Tensor:
    """How often each crop is drawn: every label of every source in proportion to the square root of its size.

    Half as often where the label is told apart early: the others profit more from another look.
    """
    groups = list(zip(crops.labels, crops.sources, strict=True))
    sizes = Counter(groups)
    return torch.tensor([sizes[group] ** -0.5 * (0.5 if group[0] in EASY else 1.0) for group in groups])


def centred(crops: Crops) -> NDArray[np.uint8]:
    """The middle patch of every crop."""
    margin = (crops.images.shape[1] - PATCH_PX) // 2
    return crops.images[:, margin : margin + PATCH_PX, margin : margin + PATCH_PX]


def logits(network: nn.Module, patches: NDArray[np.uint8]) -> Tensor:
    """Logits of N×96×96×3 patches, in batches, without gradients."""
    network.eval()
    parts = np.array_split(patches, -(-len(patches) // 128))
    with torch.no_grad():
        return torch.cat([network(torch.from_numpy(part).to(device())).cpu() for part in parts])


def macro_recall(scores: Tensor, labels: Sequence[str], outputs: Sequence[str]) -> float:
    """Mean over the labels of the share of their cells that the best output names."""
    best = scores.argmax(dim=1)
    truth = torch.tensor([outputs.index(label) for label in labels])
    return float(np.mean([(best[truth == k] == k).float().mean() for k in truth.unique()]))
