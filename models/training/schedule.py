"""What both networks' training shares: the optimiser's schedule, averaged weights, resumable checkpoints."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

_T = TypeVar("_T")
CHECKPOINT = "checkpoint.pt"  # in the folder of a training
WARM_UP = 0.05  # of all steps
AVERAGE_DECAY = 0.998
TYPED = {"refined": "--refine"} | {
    key: f"--{key}" for key in ("epochs", "seed", "network", "without", "teacher")
}
"""What a person types for a setting; the others have no option."""
DERIVED = {"coarse_epochs": "epochs"}  # follows from the other
REFINING, LOWEST = 0.5, 1e-3  # of the highest rate


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained; all of it goes into the checkpoint and into the model card.

    rate: the highest learning rate of the first epochs.  refined: so many epochs follow at half of it.
    """

    epochs: int
    seed: int
    rate: float
    weight_decay: float
    steps_per_epoch: int
    refined: int = 0


class Trainee:
    """A network in training: optimiser, cosine schedule with warm-up, averaged weights, checkpoint.

    network: trained in place, on the device that it is on.
    average: its exponential moving average, the one that ships.
    """

    def __init__(self, network: nn.Module, training: Training) -> None:
        self.network = network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(network).eval()
        self.epoch = 0
        self._training = training
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=training.rate, weight_decay=training.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, partial(_share_of_rate, training))

    def learn(self, loss: torch.Tensor) -> None:
        """Take one step down the loss and move the average along."""
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimiser.step()
        self._schedule.step()
        decay = min(AVERAGE_DECAY, (self._schedule.last_epoch + 1) / (self._schedule.last_epoch + 10))
        with torch.no_grad():
            pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
            for mean, value in pairs:
                if mean.dtype.is_floating_point:
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)

    def epochs(self) -> Iterator[int]:
        """Yield the epochs that are left, counting each as done when the next is asked for."""
        while self.epoch < self._training.epochs + self._training.refined:
            yield self.epoch
            self.epoch += 1

    def save(self, path: Path) -> None:
        """Write a checkpoint that `resume` continues from, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "epoch": self.epoch + 1,
            "training": asdict(self._training),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        unfinished = path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def resume(self, path: Path, console: Console | None = None) -> bool:
        """Continue from a checkpoint, and say so; False where there is none.

        Raises ValueError for one that was begun with other settings: the card would name only the last of them.
        """
        if not path.is_file():
            return False
        state: dict[str, Any] = torch.load(path, map_location=device(), weights_only=True)
        self._refuse_unless_begun_like_this(path, state.get("training"))
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        if console is not None:
            whole = self._training.epochs + self._training.refined
            console.print(f"Continuing after epoch {self.epoch} of {whole}.")
        return True

    def _refuse_unless_begun_like_this(self, path: Path, begun: dict[str, Any] | None) -> None:
        if begun is None:
            raise ValueError(
                f"{path} does not say with which settings it was begun (an older version wrote it). "
                "Name another --out folder, or delete it and train anew."
            )
        mine = asdict(self._training)
        # An older version did not know every setting; one that says nothing now is as it was then.
        differing = [key for key in mine if begun.get(key, "") != mine[key]]
        other = [
            f"{TYPED.get(key, key)} {_shown(begun.get(key))}, not {_shown(mine[key])}"
            for key in differing
            if DERIVED.get(key) not in differing
        ]
        if other:
            raise ValueError(
                f"{path} was begun with {'; '.join(other)}. Give the same settings, or another --out folder."
            )


def _shown(setting: Any) -> Any:
    return "nothing" if setting in ("", ()) else setting


def _share_of_rate(training: Training, step: int) -> float:
    """The learning rate at a step, as a share of the highest: a warm-up, a cosine, and a lower one to refine."""
    total = training.epochs * training.steps_per_epoch
    warm = max(1, int(total * WARM_UP))
    if step <= total:
        return min(1.0, (step + 1) / warm) * (_cosine(step / total) + LOWEST)
    return (
        REFINING * _cosine(min(1.0, (step - total) / (training.refined * training.steps_per_epoch))) + LOWEST
    )


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def begin_with_features(network: nn.Module, path: Path) -> None:
    """Give a network the averaged weights of a checkpoint, all but the last layer, whose outputs are others.

    Raises ValueError where there is no such checkpoint, or it is of another kind of network.
    """
    if not path.is_file():
        raise ValueError(
            f"There is no checkpoint {path} to begin with. Train that network first, or name another."
        )
    state: dict[str, Any] = torch.load(path, map_location=device(), weights_only=True)["average"]
    mine = network.state_dict()
    last = next(reversed(mine)).rpartition(".")[0] + "."
    features = {name: value for name, value in state.items() if not name.startswith(last)}
    shapes = {name: value.shape for name, value in mine.items() if not name.startswith(last)}
    if {name: value.shape for name, value in features.items()} != shapes:
        raise ValueError(f"{path} is the checkpoint of another kind of network. Name one of this kind.")
    network.load_state_dict(mine | features)


def device() -> torch.device:
    """Return where training happens: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast() -> torch.autocast:
    """Compute in bfloat16 where the processor does so itself; elsewhere it would be emulated, ten times slower."""
    kind = device().type
    able = kind == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=able)


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield the items in their order, the next one being made in a thread while the last is worked on."""
    with ThreadPoolExecutor(1) as worker:
        made = worker.submit(list, islice(items, 1))
        while following := made.result():
            made = worker.submit(list, islice(items, 1))
            yield following[0]


def progress_bar() -> Progress:
    """A bar on a terminal; nothing when piped."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    )


def generator(seed: int, epoch: int) -> torch.Generator:
    """A random generator that depends on seed and epoch alone, so that a resumed training repeats itself."""
    return torch.Generator().manual_seed(seed * 100_003 + epoch)
