"""Make the eight-bit twin of a classifier: quantise it, fit its temperatures, judge both and write its card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.card import BUNDLED, read_card
from models.cascade_file import Precision, read_cascade, twin
from models.crops import ARTEFACT, PATCH_PX, cells_of_split, others_of_split, stacked
from models.training.making import PANEL, SPLIT, second_opinion

if TYPE_CHECKING:
    from models.cascade import Cascade
    from models.evaluation import CellReport, Judged

NETWORK = "cells"
MOST_POINTS = 0.3  # of macro recall that it may cost to count by default
LIMITS = (
    "The limits of the float network hold here too.",
    "The same counts are promised for the same engine on the same type of processor only: others round elsewhere.",
)


def make_quantised(data: Path, weights: Path, network: str) -> float:
    """Write ``NETWORK-int8.onnx`` and its card beside ``NETWORK.onnx`` in `weights`.

    Returns what it costs on the test split, in points of macro recall. The test split is read to judge alone.
    """
    from models.training.export import CardText, write_card
    from models.training.fit_temperatures import temperature_settings
    from models.training.quantise import SEED, calibration_patches, quantise

    exact, path = read_card(network, weights, "--network"), weights / f"{twin(network)}.onnx"
    crops = stacked(chain(cells_of_split(data, "train"), others_of_split(data, "train")))
    patches, labels = calibration_patches(crops)
    quantise(exact.path, path, patches)
    named = stacked(crop for crop in cells_of_split(data, "val") if crop[1] in exact.outputs)
    recipe = read_cascade(PANEL, BUNDLED)
    second = second_opinion(recipe) if network == recipe.network else None
    temperatures = temperature_settings(path, named, exact.outputs, recipe.guidance, second)
    text = CardText(
        title=f"Cell classifier of the panel {PANEL}, {network} in eight bits",
        um_per_px=exact.um_per_px,
        outputs=exact.outputs,
        settings={**exact.settings, **temperatures, "patch_px": PATCH_PX},
        data=dict(Counter(labels)),
        training={"calibration_images": len(patches), "seed": SEED},
        command="hemadiff-train quantise" + (f" --network {network}" if network != NETWORK else ""),
        split=SPLIT,
        limits=LIMITS,
        sources=exact.sources,
        quantised_from=exact.sha256,
    )
    write_card(path, text, {})
    metrics: dict[str, Any] = {}
    for split in ("val", "test"):
        metrics |= _against_float(data, weights, network, split)
    write_card(path, text, metrics)
    return float(metrics["test cost_points"])


def _against_float(data: Path, weights: Path, network: str, split: str) -> dict[str, Any]:
    from models.cascade import on_trial

    exact, exact_cells = _judged(data, on_trial(PANEL, network, weights), split)
    whole, whole_cells = _judged(data, on_trial(PANEL, network, weights, Precision.INT8), split)
    same = [a.opinion.label == b.opinion.label for a, b in zip(exact_cells, whole_cells, strict=True)]
    figures = {key: round(value, 4) for key, value in asdict(whole).items() if isinstance(value, float)}
    figures |= {f"recall {name}": round(value, 3) for name, value in whole.recall.items()}
    figures |= {
        "macro_recall_float": round(exact.macro_recall, 4),
        "cost_points": round(100 * (exact.macro_recall - whole.macro_recall), 2),
        "same_answer_as_float": round(sum(same) / len(same), 4),
    }
    return {f"{split} {key}": value for key, value in figures.items()}


def _judged(data: Path, cascades: dict[str, Cascade], split: str) -> tuple[CellReport, Sequence[Judged]]:
    """Return the figures of cascades, by specimen, and their answers."""
    from models.evaluation import judge, report

    cells = judge(cascades, cells_of_split(data, split))
    artefacts = judge(cascades, (crop for crop in others_of_split(data, split) if crop[1] == ARTEFACT))
    return report(next(iter(cascades.values())).panel, cells, artefacts), cells
