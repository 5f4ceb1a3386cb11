"""Train the detector on labelled fields and on single cells as small fields."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from models.training import augment
from models.training.clicks import settled
from models.training.field_network import FieldNetwork
from models.training.field_samples import (
    SIDE_PX,
    Sample,
    Scene,
    cell_scenes,
    crowd,
    cut_at_random,
    field_scenes,
    mosaic,
    piece,
    sample,
)
from models.training.schedule import CHECKPOINT, Trainee, Training, autocast, device, generator, progress_bar

BATCH = 32
FIELDS, ALONE, CROWDS = 0.35, 0.1, 0.2  # of all samples; the rest are mosaics
PENALTY, FALL_OFF = 2, 4  # alpha and beta of the focal loss: Law & Deng 2018, "CornerNet"


@dataclass(frozen=True, slots=True)
class FieldTraining(Training):
    """How a detector is trained."""

    epochs: int = 40
    seed: int = 1
    rate: float = 2e-3
    weight_decay: float = 0.02
    steps_per_epoch: int = 80


@dataclass(frozen=True, slots=True)
class TrainedFields:
    """A trained detector with what its card says of it."""

    network: FieldNetwork
    training: FieldTraining
    images: dict[str, int]


@dataclass(frozen=True, slots=True)
class Scenes:
    """Everything that the detector is trained on."""

    fields: list[Scene]
    blood: list[Scene]
    marrow: list[Scene]

    def draw(self, random: np.random.Generator) -> Sample:
        """One sample: a piece of a field, a single cell, touching cells, or a mosaic of anything."""
        kind = random.random()
        if kind < FIELDS:
            return sample(piece(_one(self.fields, random), SIDE_PX, SIDE_PX, random))
        if kind < FIELDS + ALONE:
            return sample(piece(self._cell(0.5, random), SIDE_PX, SIDE_PX, random))
        if kind < FIELDS + ALONE + CROWDS:
            return sample(crowd([_one(self.marrow, random) for _ in range(4)], random))
        return sample(mosaic([self._tile(random) for _ in range(4)], random))

    def _tile(self, random: np.random.Generator) -> Scene:
        return _one(self.fields, random) if random.random() < 0.15 else self._cell(0.6, random)

    def _cell(self, marrow: float, random: np.random.Generator) -> Scene:
        """A single cell's image, cut; marrow: how often it is one of marrow."""
        return cut_at_random(_one(self.marrow if random.random() < marrow else self.blood, random), random)


def train_fields(data: Path, out: Path, training: FieldTraining, console: Console) -> TrainedFields:
    """Train, or continue from ``out/checkpoint.pt``; write ``out/log.jsonl``. Only `train` splits are read."""
    torch.manual_seed(training.seed)
    trainee = Trainee(FieldNetwork().to(device()), training)
    trainee.resume(out / CHECKPOINT, console)  # or refuse, before any work
    console.print("Reading fields and cells ...")
    scenes = Scenes(
        field_scenes(data, "train"), cell_scenes(data, "train", "pbc"), cell_scenes(data, "train", "mll")
    )
    for epoch in trainee.epochs():
        loss = _epoch(trainee, scenes, training, epoch)
        trainee.save(out / CHECKPOINT)
        with (out / "log.jsonl").open("a", encoding="ascii") as log:
            log.write(json.dumps({"epoch": epoch, "loss": loss}) + "\n")
        console.print(f"epoch {epoch + 1}/{training.epochs}  loss {loss:.3f}")
    network = trainee.average.cpu()
    assert isinstance(network, FieldNetwork)
    images = {"fields": len(scenes.fields), "pbc cells": len(scenes.blood), "mll cells": len(scenes.marrow)}
    return TrainedFields(network, training, images)


def _epoch(trainee: Trainee, scenes: Scenes, training: FieldTraining, epoch: int) -> float:
    random = np.random.default_rng([training.seed, epoch])
    jitter = generator(training.seed, epoch)
    trainee.network.train()
    total = 0.0
    with progress_bar() as bar:
        for _ in bar.track(range(training.steps_per_epoch), description=f"epoch {epoch + 1}"):
            samples = [scenes.draw(random) for _ in range(BATCH)]
            images = torch.from_numpy(np.stack([s.image for s in samples])).to(device()).permute(0, 3, 1, 2)
            images = augment.degraded(augment.recoloured(images.float(), jitter), jitter)
            with autocast():
                raw = trainee.network.raw((images - 180) / 50).float()
            likely = functional.logsigmoid(raw[:, 0].detach()).cpu().numpy()
            loss = centre_loss(raw, [settled(*each) for each in zip(samples, likely, strict=True)])
            trainee.learn(loss)
            total += float(loss.detach())
    return total / training.steps_per_epoch


def centre_loss(raw: Tensor, samples: list[Sample]) -> Tensor:
    """Focal loss of the heat map where something is known, and absolute errors of size and offset at centres."""
    where = raw.device
    heat = torch.from_numpy(np.stack([s.heat for s in samples])).to(where)
    known = torch.from_numpy(np.stack([s.known for s in samples])).to(where)
    logit = raw[:, 0]
    probability = torch.sigmoid(logit)
    picture = torch.cat([torch.full((len(s.at),), k) for k, s in enumerate(samples)]).to(where)
    at = torch.from_numpy(np.concatenate([s.at for s in samples])).to(where)
    centre = torch.zeros_like(heat)
    centre[picture, at[:, 0], at[:, 1]] = 1
    hit = -functional.logsigmoid(logit) * (1 - probability) ** PENALTY * centre
    miss = (
        -functional.logsigmoid(-logit) * probability**PENALTY * (1 - heat) ** FALL_OFF * known * (1 - centre)
    )
    count = max(1, len(at))
    predicted = raw[picture, :, at[:, 0], at[:, 1]]
    size = torch.from_numpy(np.concatenate([s.size for s in samples])).to(where)
    measured = ~torch.isnan(size)
    size_error = (predicted[measured, 1] - size[measured]).abs().sum() / max(1, int(measured.sum()))
    offset = torch.from_numpy(np.concatenate([s.offset for s in samples])).to(where)
    offset_error = (predicted[:, 2:] - offset).abs().sum() / count
    return (hit.sum() + miss.sum()) / count + size_error + 0.5 * offset_error


def _one(scenes: list[Scene], random: np.random.Generator) -> Scene:
    return scenes[int(random.integers(len(scenes)))]
