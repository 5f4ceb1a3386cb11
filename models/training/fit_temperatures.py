"""Fit the temperatures of an exported network on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.card import Card
from models.crops import PATCH_PX, Crops
from models.data import SPECIMEN
from models.engines.onnx_engine import OnnxEngine
from models.guidance import Guidance
from models.temperatures import Logits, fitted


def views_of(path: Path, crops: Crops, guidance: Guidance) -> Logits:
    """Return logits, N×views×outputs, of the centred view of every crop and of all views that guidance takes."""
    engine = OnnxEngine(path)
    middle = crops.images.shape[1] / 2
    margin = (crops.images.shape[1] - PATCH_PX) // 2
    results = []
    for image in crops.images:
        centre = image[margin : margin + PATCH_PX, margin : margin + PATCH_PX]
        results.append(engine.run(np.stack([centre, *guidance.views(image, middle, middle, PATCH_PX)])))
    return np.stack(results)


def temperature_settings(
    path: Path, crops: Crops, outputs: Sequence[str], guidance: Guidance, second: Card | None = None
) -> dict[str, float]:
    """Return the temperatures of each specimen as the card states them.

    second: of the network that gives the second opinion on doubtful cells, where one does. A specimen that no crop is
    of gets the temperatures of all crops.
    """
    views = views_of(path, crops, guidance)
    others = views_of(second.path, crops, guidance) if second else None
    truth = [outputs.index(label) for label in crops.labels]
    settings: dict[str, float] = {}
    for specimen in sorted(set(SPECIMEN.values())):
        rows = [i for i, source in enumerate(crops.sources) if SPECIMEN[source] == specimen]
        rows = rows or list(range(len(truth)))
        other = None
        if others is not None and second is not None:
            other = others[rows] / np.float32(second.setting(f"temperature_{specimen}"))
        settings |= fitted(views[rows], [truth[i] for i in rows], guidance.below, other).as_settings(specimen)
    return settings
