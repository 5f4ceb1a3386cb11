"""A table: oversampling × augmentation, every label shown equally often, every network trained for as many steps.

After Choi's thesis, taken from descriptions of it and not checked against its text. What is ours: a training set
holds, of every label, `oversampling` times as many pictures as the rarest label has, again and again where a label has
fewer; and each of them in the first `augmentation` of the eight symmetries of the square. Nothing else is done to
pictures, and targets are plain.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from models.crops import Crops, cells_of_split, stacked
from models.training.cell_network import CellNetwork
from models.training.cell_targets import OUTPUTS
from models.training.schedule import CHECKPOINT, Trainee, Training, autocast, device, generator
from models.training.train_cells import BATCH, NETWORKS, centred, logits, macro_recall

TIMES = (1, 2, 4, 8)
LABELS = OUTPUTS[:11]  # the counted ones
STEPS_PER_EPOCH = 250
TABLE = "table.jsonl"
# As it is; turned by half; both mirrored; then the same turned by a right angle.
SYMMETRIES = (0, 2, 4, 6, 1, 3, 5, 7)


@dataclass(frozen=True, slots=True)
class TableTraining(Training):
    """How one network of the table is trained."""

    epochs: int = 20
    seed: int = 1
    rate: float = 1e-3
    weight_decay: float = 0.05
    steps_per_epoch: int = STEPS_PER_EPOCH
    network: str = "vgg16"
    oversampling: int = 1
    augmentation: int = 1


def training_of(steps: int, seed: int, network: str, oversampling: int, augmentation: int) -> TableTraining:
    """Return a training of so many steps, rounded up to whole epochs."""
    epochs = math.ceil(steps / STEPS_PER_EPOCH)
    return TableTraining(
        epochs,
        seed,
        steps_per_epoch=math.ceil(steps / epochs),
        network=network,
        oversampling=oversampling,
        augmentation=augmentation,
    )


def train_table(
    data: Path, out: Path, trainings: Sequence[TableTraining], console: Console
) -> list[dict[str, Any]]:
    """Train every network that ``out/table.jsonl`` has no line of, and add its line; return all lines asked for.

    A network that was cut short is continued from its last epoch. The test split is not read.
    """
    known = _lines(out / TABLE)
    crops, validation = (
        stacked(c for c in cells_of_split(data, s) if c[1] in LABELS) for s in ("train", "val")
    )
    found = []
    for training in trainings:
        line = next((each for each in known if each["training"] == asdict(training)), None)
        if line is None:
            line = _trained(crops, validation, out, training, console)
            with (out / TABLE).open("a", encoding="ascii") as table:
                table.write(json.dumps(line) + "\n")
        console.print(json.dumps({key: value for key, value in line.items() if key != "training"}))
        found.append(line)
    return found


def equal_set(
    labels: Sequence[str], oversampling: int, augmentation: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Return which pictures a training set holds and how each is turned, equally many of every label."""
    random = np.random.default_rng(seed)
    rarest = min(Counter(labels).values())
    names = np.asarray(labels)
    pictures = []
    for label in sorted(set(labels)):
        own = random.permutation(np.flatnonzero(names == label))
        pictures.append(np.resize(own, oversampling * rarest))  # the same ones again where there are fewer
    chosen = np.repeat(np.concatenate(pictures), augmentation)
    turns = np.tile(np.array(SYMMETRIES[:augmentation]), len(chosen) // augmentation)
    return torch.from_numpy(chosen), torch.from_numpy(turns)


def turned(images: Tensor, turns: Tensor) -> Tensor:
    """Return square images, N×3×S×S, each in one of the eight symmetries: see `models.views.View`."""
    result = images.clone()
    for turn in turns.unique().tolist():
        mine = turns == turn
        some = images[mine].flip(3) if turn >= 4 else images[mine]
        result[mine] = torch.rot90(some, turn % 4, (2, 3))
    return result


def _trained(
    crops: Crops, validation: Crops, out: Path, training: TableTraining, console: Console
) -> dict[str, Any]:
    folder = out / f"{training.network}-{training.oversampling}x{training.augmentation}-{training.seed}"
    torch.manual_seed(training.seed)
    network = NETWORKS[training.network](len(LABELS)).to(device())
    checkpoint = folder / CHECKPOINT
    if isinstance(network, CellNetwork) and not checkpoint.is_file():
        network.begin_with_photographs()
    trainee = Trainee(network, training)
    trainee.resume(checkpoint, console)
    images = torch.from_numpy(centred(crops).copy()).to(device())
    truth = torch.tensor([LABELS.index(label) for label in crops.labels]).to(device())
    pictures, turns = equal_set(crops.labels, training.oversampling, training.augmentation, training.seed)
    loss = math.nan
    for epoch in trainee.epochs():
        loss = _epoch(trainee, training, epoch, (images, truth, pictures, turns))
        trainee.save(checkpoint)
        console.print(f"{folder.name}: epoch {epoch + 1}/{training.epochs}  loss {loss:.3f}")
    scores = logits(trainee.average, centred(validation))
    recall = macro_recall(scores, validation.labels, LABELS)
    checkpoint.unlink(missing_ok=True)  # hundreds of megabytes; its line of the table is what is kept
    return {
        "oversampling": training.oversampling,
        "augmentation": training.augmentation,
        "network": training.network,
        "pictures": len(pictures),
        "steps": training.epochs * training.steps_per_epoch,
        "loss": None if math.isnan(loss) else round(loss, 4),
        "val_accuracy": round(_accuracy(scores, validation.labels), 4),
        "val_macro_recall": round(recall, 4),
        "training": asdict(training),
    }


def _epoch(
    trainee: Trainee, training: TableTraining, epoch: int, held: tuple[Tensor, Tensor, Tensor, Tensor]
) -> float:
    images, truth, pictures, turns = held
    random = generator(training.seed, epoch)
    torch.manual_seed(random.initial_seed())
    trainee.network.train()
    total = torch.zeros((), device=images.device)
    drawn = torch.randint(len(pictures), (training.steps_per_epoch, BATCH), generator=random)
    for batch in drawn:
        chosen = pictures[batch].to(images.device)
        seen = turned(images[chosen].permute(0, 3, 1, 2).float(), turns[batch].to(images.device))
        with autocast():
            scores = _logits_of(trainee.network)(seen)
        loss = functional.cross_entropy(scores.float(), truth[chosen])
        trainee.learn(loss)
        total += loss.detach()
    return float(total) / training.steps_per_epoch


def _logits_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
    found: Callable[[Tensor], Tensor] = network.logits
    return found


def _accuracy(scores: Tensor, labels: Sequence[str]) -> float:
    truth = torch.tensor([LABELS.index(label) for label in labels])
    return float((scores.argmax(dim=1) == truth).float().mean())


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines() if line.endswith("}")]
