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
@click.option("--teacher", type=FOLDER, help="A larger network's checkpoint, whose answers are learnt too.")
def cells(
    epochs: int,
    seed: int,
    data: Path | None,
    out: Path | None,
    weights: Path,
    network: str,
    refine: int,
    without: str | None,
    teacher: Path | None,
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
        epochs,
        seed,
        refined=refine,
        coarse_epochs=coarse,
        network=network,
        without=without or "",
        teacher=str(teacher or ""),
    )
    title = "Cell classifier of the panel smear-13" + (f", trained without {without}" if without else "")
    making = Making(name, title, data_folder(data), out or Path("runs") / name, weights)
    with _saying_what_is_kept(making.out):
        make_cells(making, training)


@train.command()
@options(10)
@click.option("--network", default=SHIPS, show_default=True, type=click.Choice([SHIPS, "vgg16"]))
@click.option(
    "--start",
    type=FOLDER,
    help="The global network's checkpoint, whose features the specialist begins with. Default: runs/cells, or "
    "runs/vgg16 for that network.",
)
def neutrophils(
    epochs: int,
    seed: int,
    data: Path | None,
    out: Path | None,
    weights: Path,
    network: str,
    start: Path | None,
) -> None:
    """The specialist that tells band from segmented neutrophils: the second stage of Choi 2017."""
    name = "neutrophils" if network == SHIPS else f"neutrophils-{network}"
    if weights == BUNDLED and network != SHIPS:
        raise click.UsageError(f"{name} does not ship. Name its folder: --weights runs")
    _prepare_pytorch()
    from models.training.schedule import CHECKPOINT
    from models.training.train_cells import CellTraining

    training = CellTraining(
        epochs,
        seed,
        rate=5e-4,
        refined=0,
        coarse_epochs=0,
        steps_per_epoch=40,
        network=network,
        labels=("band_neutrophil", "segmented_neutrophil"),
    )
    making = Making(
        name,
        "Specialist for band and segmented neutrophils",
        data_folder(data),
        out or Path("runs") / name,
        weights,
    )
    begin = start or Path("runs") / ("cells" if network == SHIPS else network) / CHECKPOINT
    with _saying_what_is_kept(making.out):
        make_cells(making, training, begin)


def _places(_: click.Context, __: click.Parameter, value: str | None) -> list[tuple[int, int]] | None:
    """Return the places of the table that 1x8,8x1 names: oversampling, then augmentation. Raises BadParameter."""
    if value is None:
        return None
    pairs = [place.strip().split("x") for place in value.split(",")]
    if any(len(pair) != 2 or not set(pair) <= {"1", "2", "4", "8"} for pair in pairs):
        raise click.BadParameter(
            f'"{value}" is no list of places such as 1x8,8x1; each number is 1, 2, 4 or 8.'
        )
    return [(int(one), int(other)) for one, other in pairs]


@train.command()
@click.option("--steps", default=5000, show_default=True, type=click.IntRange(1), help="Of each network.")
@click.option("--network", default="vgg16", show_default=True, type=click.Choice([SHIPS, "vgg16"]))
@click.option(
    "--cells", "places", callback=_places, help="Only these, as 1x8,8x1 (oversampling x augmentation)."
)
@click.option("--seed", default=1, show_default=True)
@data_option
@click.option(
    "--out", default=Path("runs/table"), show_default=True, type=FOLDER, help="Continued where unfinished."
)
def table(
    steps: int, network: str, places: list[tuple[int, int]] | None, seed: int, data: Path | None, out: Path
) -> None:
    """Oversampling × augmentation, 1, 2, 4 and 8 each way, equal numbers of every label (after Choi's thesis).

    Judged on val. A line of JSON for each network goes to OUT/table.jsonl; one that has its line is not trained again.
    """
    _prepare_pytorch()
    from models.training.oversampling import TIMES, train_table, training_of

    wanted = places or [(one, other) for one in TIMES for other in TIMES]
    trainings = [training_of(steps, seed, network, *place) for place in wanted]
    out.mkdir(parents=True, exist_ok=True)
    with _saying_what_is_kept(out):
        train_table(data_folder(data), out, trainings, Console())


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
