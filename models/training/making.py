"""Make a classifier: train it, export it, fit its temperatures, judge it and write its card."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from models.card import BUNDLED, Card, read_card
from models.cascade_file import Recipe, Task, read_cascade
from models.crops import ARTEFACT, CANONICAL_UM_PER_PX, PATCH_PX, cells_of_split, others_of_split, stacked

if TYPE_CHECKING:
    from models.training.export import CardText
    from models.training.train_cells import CellTraining, TrainedCells

PANEL = "smear-13"
SHIPS = "lite0"  # the kind of network
SPLIT = "by image, near-duplicates together, as the data set states it; no patient ids, so test is in-domain"
LIMITS = (
    "blast and not_identifiable come from one laboratory, band_neutrophil, metamyelocyte, myelocyte, erythroblast, "
    "basophil and platelet from another: how they hold elsewhere is not known.",
    "The erythroid stages are one label. Plasma cells, mitoses and megakaryocytes are not known to it.",
    "Which views guidance takes was settled with figures of both val and test in sight: read test as slightly "
    "optimistic, above all where it is near a floor.",
    "Artefacts come from blood: red cells, background and half cells; none from marrow.",
)


@dataclass(frozen=True, slots=True)
class Making:
    """Which classifier is made, from what and where to.

    name: of the network's file.  out: the folder of checkpoint and log.  weights: where network and card go.
    """

    name: str
    title: str
    data: Path
    out: Path
    weights: Path


def make_cells(making: Making, training: CellTraining, start: Path | None = None) -> None:
    """Train, export, calibrate, judge, and write the card. start: see `train_cells`."""
    from models.training.export import export, write_card
    from models.training.fit_temperatures import temperature_settings
    from models.training.train_cells import train_cells

    trained = train_cells(making.data, making.out, training, Console(), start)
    path = making.weights / f"{making.name}.onnx"
    deviation = export(trained.network, (PATCH_PX, PATCH_PX), path, any_size=False)
    named = (crop for crop in cells_of_split(making.data, "val") if crop[1] in training.outputs)
    validation = stacked(crop for crop in named if crop[2] != training.without)
    recipe = read_cascade(PANEL, BUNDLED)
    second = second_opinion(recipe) if making.name == recipe.network else None
    settings = temperature_settings(path, validation, training.outputs, recipe.guidance, second)
    text = _card_text(making, trained, {**settings, "patch_px": PATCH_PX})
    write_card(path, text, {})
    write_card(path, text, {"onnx_deviation": f"{deviation:.1e}"} | _metrics(making, training))


def second_opinion(recipe: Recipe) -> Card | None:
    """Return the card of the bundled network that gives the second opinion in a cascade, None where none does."""
    names = [item.network for item in recipe.specialists if item.task is Task.SECOND_OPINION]
    return read_card(names[0]) if names else None


def _card_text(making: Making, trained: TrainedCells, settings: dict[str, float]) -> CardText:
    from models.training.cell_network import SOURCE
    from models.training.export import SOURCES, CardText

    training = trained.training
    said = {key: value for key, value in asdict(training).items() if value != "" and value != ()}
    command = "neutrophils" if training.labels else "cells"
    command += f" --network {training.network}" if training.network != SHIPS else ""
    command += f" --without {training.without}" if training.without else ""
    command += f" --teacher {training.teacher}" if training.teacher else ""
    refine = "" if training.labels else f" --refine {training.refined}"
    return CardText(
        title=making.title,
        um_per_px=CANONICAL_UM_PER_PX,
        outputs=training.outputs,
        settings=settings,
        data=trained.images,
        training=said,
        command=f"hemadiff-train {command} --epochs {training.epochs} --seed {training.seed}" + refine,
        split=SPLIT,
        limits=LIMITS,
        sources=(*SOURCES, SOURCE) if training.network == SHIPS else SOURCES,
    )


def _metrics(making: Making, training: CellTraining) -> dict[str, Any]:
    """Figures on the test split, of the network as it is used: alone in the cascade, or across laboratories."""
    from models.cascade import on_trial
    from models.evaluation import judge, report
    from models.laboratories import across

    if training.labels:
        return {}
    cascades = on_trial(PANEL, making.name, making.weights)
    if training.without:
        elsewhere = across(cascades, cells_of_split(making.data, "test"), training.without)
        return {f"{training.without} test {key}": value for key, value in asdict(elsewhere).items()}
    named = (crop for crop in cells_of_split(making.data, "test") if crop[1] in training.outputs)
    cells = judge(cascades, named)
    artefacts = (crop for crop in others_of_split(making.data, "test") if crop[1] == ARTEFACT)
    result = report(cascades["blood"].panel, cells, judge(cascades, artefacts))
    figures = {f"test {k}": round(v, 4) for k, v in asdict(result).items() if isinstance(v, float)}
    return figures | {f"test recall {name}": round(value, 3) for name, value in result.recall.items()}
