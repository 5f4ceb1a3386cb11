"""What a wrong pixel size costs, and what a right one is worth: the same cells as other cameras would see them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.cascade import Cascade
from models.crops import Crop
from models.data import UM_PER_PX, LabelledCell, labelled_cells, read_rgb
from models.evaluation import Judged, judge, report
from models.resample import to_scale

SIZES_UM = (0.05, 0.07, 0.10, 0.13, 0.16)
WRONG_BY = (-0.20, -0.10, -0.05, 0.0, 0.05, 0.10, 0.20)  # the stated pixel size over the true one, less 1
SEEN_UM = (
    30.0  # around a cell: a pixel size that is stated too small makes the window show more of the picture
)
Track = Callable[[Iterable[LabelledCell], str], Iterable[LabelledCell]]


@dataclass(frozen=True, slots=True)
class AtScale:
    """Shares of cells that are named right, 0 to 1.

    um_per_px: of the pictures.  stated_um_per_px: what the network was told.  cells: how many were named.
    by_source: accuracy by laboratory.
    """

    um_per_px: float
    stated_um_per_px: float
    cells: int
    accuracy: float
    macro_recall: float
    by_source: dict[str, float]

    @property
    def wrong_by(self) -> float:
        """How much too large the stated pixel size is, as a share; below 0: too small."""
        return round(self.stated_um_per_px / self.um_per_px - 1, 6)


@dataclass(frozen=True, slots=True)
class ScaleEvaluation:
    """resampled: every cell at every pixel size, with right and wrong ones stated.

    own: each laboratory's pictures as they are, with their own pixel size stated and with the other laboratory's.
    """

    resampled: list[AtScale]
    own: dict[str, list[AtScale]]

    def at(self, um_per_px: float, wrong_by: float = 0.0) -> AtScale:
        """Return what was found at a pixel size. Raises KeyError where that was not tried."""
        for each in self.resampled:
            if each.um_per_px == um_per_px and abs(each.wrong_by - wrong_by) < 1e-3:
                return each
        raise KeyError(f"{um_per_px} µm/px stated wrong by {wrong_by}")


def sample(folder: Path, split: str, limit: int | None) -> list[LabelledCell]:
    """Return the labelled cells of a split, no more than `limit` of a label and source: the same ones every time."""
    found: dict[tuple[str, str], list[LabelledCell]] = {}
    for cell in labelled_cells(folder):
        if cell.split == split:
            found.setdefault((cell.source, cell.label), []).append(cell)
    return [cell for cells in found.values() for cell in sorted(cells, key=_shuffled)[:limit]]


def _shuffled(cell: LabelledCell) -> int:
    return zlib.crc32(cell.path.name.encode())


def evaluate_scales(
    cascades: Mapping[str, Cascade],
    cells: Sequence[LabelledCell],
    track: Track,
    sizes_um: Sequence[float] = SIZES_UM,
    wrong_by: Sequence[float] = WRONG_BY,
) -> ScaleEvaluation:
    """Judge cascades, by specimen, on cells resampled to pixel sizes, told the right one and wrong ones.

    Raises ModelRefused where a stated pixel size is too coarse for the networks, or an image cannot be read.
    """
    panel = next(iter(cascades.values())).panel
    cases = [(size, size * (1 + off)) for size in sizes_um for off in wrong_by]
    judged: dict[tuple[float, float], list[Judged]] = {case: [] for case in cases}
    own: dict[tuple[str, float], list[Judged]] = {}
    for cell in track(cells, "scales"):
        seen = surrounded(read_rgb(cell.path), cell.um_per_px)
        for size in sizes_um:
            picture = to_scale(seen, cell.um_per_px, size)
            for stated in (stated for at, stated in cases if at == size):
                judged[size, stated] += _judge(cascades, picture, cell, stated)
        for stated in sorted(UM_PER_PX[source] for source in {each.source for each in cells}):
            own.setdefault((cell.source, stated), []).extend(_judge(cascades, seen, cell, stated))

    def summary(um_per_px: float, stated: float, mine: Sequence[Judged]) -> AtScale:
        return AtScale(
            um_per_px, stated, len(mine), accuracy(mine), report(panel, mine).macro_recall,
            {source: accuracy([c for c in mine if c.source == source]) for source in sorted({c.source for c in mine})},
        )  # fmt: skip

    by_source: dict[str, list[AtScale]] = {}
    for (source, stated), mine in own.items():
        by_source.setdefault(source, []).append(summary(UM_PER_PX[source], stated, mine))
    return ScaleEvaluation([summary(*case, mine) for case, mine in judged.items()], by_source)


def surrounded(pixels: NDArray[np.uint8], um_per_px: float) -> NDArray[np.uint8]:
    """Return the middle 30 µm of a picture, mirrored at its borders where it is narrower.

    In a field a cell has surroundings. With the right pixel size a network sees none of what is mirrored.
    """
    side = round(SEEN_UM / um_per_px)
    height, width = pixels.shape[:2]
    down, across = max(0, side - height), max(0, side - width)
    wide: Any = cv2.copyMakeBorder(
        pixels, down // 2, down - down // 2, across // 2, across - across // 2, cv2.BORDER_REFLECT_101
    )
    top, left = (wide.shape[0] - side) // 2, (wide.shape[1] - side) // 2
    return np.asarray(wide[top : top + side, left : left + side], dtype=np.uint8)


def accuracy(cells: Sequence[Judged]) -> float:
    """Return the share of cells that are named right; nan for none."""
    return float(np.mean([cell.opinion.label == cell.expected for cell in cells])) if cells else float("nan")


def _judge(
    cascades: Mapping[str, Cascade], picture: NDArray[np.uint8], cell: LabelledCell, stated_um_per_px: float
) -> list[Judged]:
    crop: Crop = (picture, cell.label, cell.source)
    return judge(cascades, [crop], um_per_px=stated_um_per_px)
