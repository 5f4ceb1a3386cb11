"""How far answers depend on what they should not: the laboratory's colours, and how a cell happens to lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.cascade import Cascade
from models.crops import Crop
from models.evaluation import Judged, judge

SHIFTS = ((5, 5), (-5, 5), (5, -5), (-5, -5))  # px: 1 µm in both directions
Turn = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Robustness:
    """Shares, 0 to 1.

    label_unchanged: answers that stay the same over seven other orientations and four shifts of 5 px each way,
    over all cells and all of these looks.  cells_unchanged: cells whose answer is the same at every look.
    recolouring_cost: accuracy lost when every source is given the other's mean and spread of colour.
    """

    label_unchanged: float
    cells_unchanged: float
    accuracy: float
    accuracy_recoloured: float
    recolouring_cost: float


def robustness(
    cascades: Mapping[str, Cascade], crops: Sequence[Crop], upright: Sequence[Judged]
) -> Robustness:
    """Judge crops again, turned, shifted and recoloured. upright: what the cascades say of them as they are."""
    looks = [
        judge(cascades, ((turn(image), label, source) for image, label, source in crops)) for turn in _turns()
    ]
    looks += [judge(cascades, crops, shift) for shift in SHIFTS]
    same = np.array(
        [[a.opinion.label == b.opinion.label for a, b in zip(upright, look, strict=True)] for look in looks]
    )
    right, recoloured = _accuracy(upright), _accuracy(judge(cascades, recoloured_crops(crops)))
    return Robustness(
        label_unchanged=float(same.mean()),
        cells_unchanged=float(same.all(axis=0).mean()),
        accuracy=right,
        accuracy_recoloured=recoloured,
        recolouring_cost=right - recoloured,
    )


def recoloured_crops(crops: Sequence[Crop]) -> Iterator[Crop]:
    """Yield the crops with the other source's mean and spread of each colour channel (Reinhard et al. 2001).

    Means and spreads are those of all pixels of a source.
    """
    sources = sorted({source for _, _, source in crops})
    pixels = {
        one: np.stack([image[::4, ::4] for image, _, source in crops if source == one]) for one in sources
    }
    mean = {one: pixels[one].mean(axis=(0, 1, 2)) for one in sources}
    spread = {one: pixels[one].std(axis=(0, 1, 2)) for one in sources}
    other = dict(zip(sources, reversed(sources), strict=True))
    for image, label, source in crops:
        to = other[source]
        colours = (image - mean[source]) / np.maximum(spread[source], 1) * spread[to] + mean[to]
        yield np.clip(np.round(colours), 0, 255).astype(np.uint8), label, source


def _turns() -> list[Turn]:
    """The seven symmetries of the square that change a picture."""
    return [partial(_turned, quarters=k, mirrored=m) for m in (False, True) for k in range(4) if k or m]


def _turned(image: NDArray[np.uint8], quarters: int, mirrored: bool) -> NDArray[np.uint8]:
    return np.rot90(image[:, ::-1] if mirrored else image, quarters)


def _accuracy(cells: Sequence[Judged]) -> float:
    return float(np.mean([cell.opinion.label == cell.expected for cell in cells]))
