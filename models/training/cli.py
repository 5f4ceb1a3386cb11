"""The command `hemadiff-train`: train a bundled network, export it, judge it and write its card."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console

from models.card import BUNDLED
from models.cascade_file import twin
from models.data import data_folder
from models.data_option import data_option
from models.errors import ModelRefused
from models.training.making import SHIPS, SPLIT, Making, make_cells
from models.training.making_quantised import MOST_POINTS, NETWORK, make_quantised

NEEDED = ("torch", "onnx", "onnxscript")
COARSE_SHARE = 1 / 2  # of the epochs

FOLDER = click.Path(path_type=Path)
weights_option = click.option(
    "--weights", default=BUNDLED, help="Where network and card go. Default: bundled.", type=FOLDER
)
OPTIONS = (
    click.option("--seed", default=1, show_default=True),
    data_option,
    click.option(
        "--out", type=FOLDER, help="Checkpoint and log; continued where unfinished. Default: runs/NAME."
    ),
    weights_option,
)


def options(epochs: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options that every training has. epochs: how many it has unless another number is given."""

    def added(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(OPTIONS):
            command = option(command)
        return click.option("--epochs", default=epochs, show_default=True, type=click.IntRange(1))(command)

    return added


@click.group()
def train() -> None:
    """Train the bundled networks. Each command trains, exports to ONNX, judges and writes the model card.

    \b
    Examples:
      hemadiff-train detector
      hemadiff-train cells --epochs 30 --seed 1
      hemadiff-train cells --out runs/trial --weights runs/trial
      hemadiff-train quantise
    """


@train.command()
@options(30)
@click.option(
    "--network",
    default=SHIPS,
    show_default=True,
    type=click.Choice([SHIPS, "vgg16"]),
    help="The one that ships, or the published one (Choi 2017; days without a GPU).",
)
@click.option(
    "--refine",
    default=4,
    show_default=True,
    type=click.IntRange(0),
    help="Epochs after those, at a lower rate.",
)
@click.option("--without", type=click.Choice(["pbc", "mll"]), help="Leave out a laboratory, to test on it.")
def cells(
    epochs: int,
    seed: int,
    data: Path | None,
    out: Path | None,
    weights: Path,
    network: str,
    refine: int,
    without: str | None,
) -> None:
    """The cell classifier of the panel smear-13."""
    name = network if network != SHIPS else "cells"
    name += f"-without-{without}" if without else ""
    if weights == BUNDLED and name != "cells":
        raise click.UsageError(f"{name} does not ship. Name its folder: --weights runs")
    _prepare_pytorch()
    from models.training.train_cells import CellTraining

    coarse = 0 if network == "vgg16" else round(epochs * COARSE_SHARE)
    training = CellTraining(
        epochs, seed, refined=refine, coarse_epochs=coarse, network=network, without=without or ""
    )
    title = "Cell classifier of the panel smear-13" + (f", trained without {without}" if without else "")
    making = Making(name, title, data_folder(data), out or Path("runs") / name, weights)
    with _saying_what_is_kept(making.out):
        make_cells(making, training)


@train.command()
@options(10)
@click.option(
    "--start",
    default=Path("runs/cells/checkpoint.pt"),
    show_default=True,
    type=FOLDER,
    help="The global network's checkpoint, whose features the specialist begins with.",
)
def neutrophils(
    epochs: int, seed: int, data: Path | None, out: Path | None, weights: Path, start: Path
) -> None:
    """The specialist that tells band from segmented neutrophils."""
    _prepare_pytorch()
    from models.training.train_cells import CellTraining

    training = CellTraining(
        epochs,
        seed,
        rate=5e-4,
        refined=0,
        coarse_epochs=0,
        steps_per_epoch=40,
        labels=("band_neutrophil", "segmented_neutrophil"),
    )
    making = Making(
        "neutrophils",
        "Specialist for band and segmented neutrophils",
        data_folder(data),
        out or Path("runs/neutrophils"),
        weights,
    )
    with _saying_what_is_kept(making.out):
        make_cells(making, training, start)


@train.command()
@data_option
@weights_option
@click.option("--network", default=NETWORK, show_default=True, help="Which classifier of that folder.")
def quantise(data: Path | None, weights: Path, network: str) -> None:
    """A cell classifier in eight bits, for processors: faster than the float network.

    Made from the float network in the folder of weights, without training. A cascade runs it where its file says
    quantised = "cells-int8" beside network = "cells".
    """
    _prepare_pytorch()
    points = make_quantised(data_folder(data), weights, network)
    verdict = "Let the cascade name it" if points <= MOST_POINTS else "Leave it out of the cascade"
    cost = f"{points:.2f} points of macro recall on test ({MOST_POINTS} may be lost)"
    click.echo(f"{twin(network)} costs {cost}. {verdict}.")


@train.command()
@options(40)
def detector(epochs: int, seed: int, data: Path | None, out: Path | None, weights: Path) -> None:
    """The detector of white cells in fields."""
    _prepare_pytorch()
    from models.detector import NetworkDetector
    from models.detector_evaluation import card_figures, evaluate_detector
    from models.training.export import CardText, export, write_card
    from models.training.field_samples import DETECTOR_UM_PER_PX, SIDE_PX
    from models.training.fit_threshold import fitted_threshold
    from models.training.train_fields import FieldTraining, train_fields

    folder, out = data_folder(data), out or Path("runs/detector")
    with _saying_what_is_kept(out):
        trained = train_fields(folder, out, FieldTraining(epochs, seed), Console())
    path = weights / "detector.onnx"
    deviation = export(trained.network, (SIDE_PX, SIDE_PX), path, any_size=True)

    def card(score_from: float, metrics: dict[str, Any]) -> None:
        text = CardText(
            title="Detector of white cells",
            um_per_px=DETECTOR_UM_PER_PX,
            outputs=("centre", "radius_px", "offset_x_px", "offset_y_px"),
            settings={"score_from": score_from},
            data=trained.images,
            training=asdict(trained.training),
            command=f"hemadiff-train detector --epochs {epochs} --seed {seed}",
            split=SPLIT + "; bccd has no test split: its val split is held out",
            limits=(
                "The threshold was fitted on the fields of the train splits and on mosaics of the val split's marrow "
                "cells. How it is fitted was settled with held-out precision and recall in sight.",
                "Radii were learnt from blood fields alone.",
                "Crowded marrow was learnt from mosaics of single-cell images only, and is judged by such mosaics.",
                "Marrow cells were labelled by a click on each, often more than 2 µm from its centre: how near a find "
                "lies to the centre is not known better than that.",
            ),
        )
        write_card(path, text, metrics)

    card(0.5, {})
    find_all = NetworkDetector(folder=weights).candidates
    score_from = round(fitted_threshold(folder, find_all), 3)
    figures = card_figures(evaluate_detector(folder, find_all, score_from, "test"))
    card(score_from, {"onnx_deviation": f"{deviation:.1e}"} | figures)


class Stopped(click.ClickException):
    """A training that a person stopped."""

    exit_code = 130

    def show(self, file: IO[Any] | None = None) -> None:
        """Say what is kept of it."""
        click.echo(f"Stopped. {self.message}", err=True)


@contextmanager
def _saying_what_is_kept(out: Path) -> Iterator[None]:
    """Raise Stopped for a keyboard interrupt. out: the folder of the checkpoint."""
    from models.training.schedule import CHECKPOINT

    try:
        yield
    except KeyboardInterrupt as stop:
        kept = (out / CHECKPOINT).is_file()
        raise Stopped(
            "The same command continues from the last finished epoch."
            if kept
            else "Nothing is kept yet: no epoch was finished."
        ) from stop


def _prepare_pytorch() -> None:
    """Use every core that is given. Raises ModelRefused, before any work is done, where PyTorch or onnx is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ModelRefused(
            f"Training needs {', '.join(missing)}, which the appliance does without. "
            "Install it: pip install 'hemadiff[train]'"
        )
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exit status 2 for what a person must correct."""
    try:
        train.main(
            list(arguments) if arguments is not None else None,
            prog_name="hemadiff-train",
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ValueError as error:
        click.echo(f"hemadiff-train: {error}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
