"""Crowded marrow made of single-cell images, and how often a detector finds each labelled cell exactly once.

Labelled fields are blood. A mosaic puts marrow images side by side at their own scale, rows of them, each image
cut at random on every side: the labelled cell stays whole to 8 µm around the image's middle, and where images
meet says less of where their middles are. Unlabelled neighbours are real cells: nothing here is a false find.

What is known of a labelled cell's place is its image's middle, where somebody clicked: often more than 2 µm off
the cell's centre, above all in large cells and where the nucleus lies to one side. So two figures are given: a find
within 2 µm of the click, which the click itself limits, and within 5 µm, half a cell of the marrow. Images with no
nucleus within 1.5 µm of the middle show no cell there, and are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import UM_PER_PX, LabelledCell, labelled_cells, read_rgb
from models.field_evaluation import Find
from models.nuclear_stain import distance_to_nucleus
from models.resample import to_scale

SOURCE = "mll"
NEAR_UM = 2.0
HALF_A_CELL_UM = 5.0
WHOLE_UM = 8.0  # around every middle
NUCLEUS_WITHIN_UM = 1.5  # of the middle; farther off, nobody clicked on a cell
LOOKED_AT_UM_PER_PX = 0.4
IN_A_ROW, ROWS = 8, 8
SEED = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A labelled cell in a mosaic: the middle of its image (px)."""

    label: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, eq=False)
class Mosaic:
    """A field made of single-cell images. pixels: uint8 H×W×3, RGB.  left_out: see `MosaicReport`."""

    pixels: NDArray[np.uint8]
    um_per_px: float
    places: tuple[Place, ...]
    left_out: int


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A labelled cell and every candidate, nearest first: how far it is from the middle (µm), and its score."""

    label: str
    distance_um: NDArray[np.float64]
    score: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """How many labelled cells have exactly one, no, or more than one detection within a distance (µm).

    share: those with exactly one, of all; nan where there is no cell.
    """

    within_um: float
    cells: int
    once: int
    missed: int
    more_than_once: int
    share: float


@dataclass(frozen=True, slots=True)
class MosaicReport:
    """What a detector achieves on the mosaics of one split, at its own threshold.

    left_out: images that show no cell in their middle.  near: within 2 µm of the image's middle.
    half_a_cell: within 5 µm of it.  by_label: as `near`; cells that are not identifiable are part of the whole.
    distance_um: from the middle to the nearest detection, by quantile.
    """

    split: str
    mosaics: int
    left_out: int
    near: Found
    half_a_cell: Found
    by_label: dict[str, Found]
    distance_um: dict[str, float]


def mosaics(folder: Path, split: str) -> Iterator[Mosaic]:
    """Yield mosaics that show every marrow image of a split once, always the same; none where there are no cells."""
    if not (folder / "cells" / "cells.csv").is_file():
        return
    random = np.random.default_rng(SEED)
    chosen = [cell for cell in labelled_cells(folder) if (cell.source, cell.split) == (SOURCE, split)]
    order = [chosen[k] for k in random.permutation(len(chosen))]
    for first in range(0, len(order), IN_A_ROW * ROWS):
        yield _mosaic(order[first : first + IN_A_ROW * ROWS], random)


def report(split: str, shown: Iterable[Mosaic], find_all: Find, score_from: float) -> MosaicReport:
    """Judge a detector on mosaics.

    find_all: returns every candidate with its score.  score_from: the threshold that the detector is used with.
    """
    all_shown = list(shown)
    seen = sightings(all_shown, find_all)
    nearest = [d for one in seen for d in one.distance_um[one.score >= score_from][:1]]
    return MosaicReport(
        split=split,
        mosaics=len(all_shown),
        left_out=sum(mosaic.left_out for mosaic in all_shown),
        near=found(seen, NEAR_UM, score_from),
        half_a_cell=found(seen, HALF_A_CELL_UM, score_from),
        by_label={
            name: found([one for one in seen if one.label == name], NEAR_UM, score_from)
            for name in sorted({one.label for one in seen})
        },
        distance_um=_quantiles(nearest),
    )


def sightings(shown: Iterable[Mosaic], find_all: Find) -> list[Sighting]:
    """Return what a detector makes of every labelled cell of mosaics."""
    seen = []
    for mosaic in shown:
        candidates = find_all(mosaic.pixels, mosaic.um_per_px)
        centres = np.array([(d.x, d.y) for d in candidates], np.float64).reshape(-1, 2)
        score = np.array([d.score for d in candidates], np.float64)
        for place in mosaic.places:
            away = np.hypot(centres[:, 0] - place.x, centres[:, 1] - place.y) * mosaic.um_per_px
            order = np.argsort(away, kind="stable")
            seen.append(Sighting(place.label, away[order], score[order]))
    return seen


def found(seen: Sequence[Sighting], within_um: float, score_from: float) -> Found:
    """Count the labelled cells with exactly one, no, or more than one detection within a distance."""
    hits = [int(((one.distance_um <= within_um) & (one.score >= score_from)).sum()) for one in seen]
    return Found(
        within_um=within_um,
        cells=len(hits),
        once=hits.count(1),
        missed=hits.count(0),
        more_than_once=sum(hit > 1 for hit in hits),
        share=hits.count(1) / len(hits) if hits else float("nan"),
    )


def _quantiles(nearest: Sequence[float]) -> dict[str, float]:
    return {
        f"{share}%": round(float(np.quantile(nearest, share / 100)), 2) if nearest else float("nan")
        for share in (50, 80, 90, 95)
    }


def _mosaic(cells: Sequence[LabelledCell], random: np.random.Generator) -> Mosaic:
    """Rows of images, begun and filled up to one width with strips of the same images."""
    images = [read_rgb(cell.path) for cell in cells]
    um_per_px = UM_PER_PX[SOURCE]
    keep = round(WHOLE_UM / um_per_px)
    rows: list[NDArray[np.uint8]] = []
    places: list[Place] = []
    top = 0
    for first in range(0, len(images), IN_A_ROW):
        mine = images[first : first + IN_A_ROW]
        height = int(random.integers(2 * keep, min(image.shape[0] for image in mine) + 1))
        tiles = [_strip(images, height, int(random.integers(1, keep)), random)]
        across = tiles[0].shape[1]
        for cell, image in zip(cells[first : first + IN_A_ROW], mine, strict=True):
            tile, x, y = _cut(image, height, keep, random)
            if _shows_a_cell(image, um_per_px):
                places.append(Place(cell.label, across + x, top + y))
            tiles.append(tile)
            across += tile.shape[1]
        rows.append(np.hstack(tiles))
        top += height
    width = max(row.shape[1] for row in rows)
    filled = [_filled(row, width, images, keep, random) for row in rows]
    return Mosaic(np.vstack(filled), um_per_px, tuple(places), len(images) - len(places))


def _cut(
    image: NDArray[np.uint8], height: int, keep: int, random: np.random.Generator
) -> tuple[NDArray[np.uint8], float, float]:
    """Return a part of an image of a given height, and where in it the image's middle is (px)."""
    rows, columns = image.shape[:2]
    top = int(random.integers(max(0, rows // 2 + keep - height), min(rows // 2 - keep, rows - height) + 1))
    left = int(random.integers(0, columns // 2 - keep + 1))
    right = int(random.integers(columns // 2 + keep, columns + 1))
    return image[top : top + height, left:right], columns / 2 - left, rows / 2 - top


def _shows_a_cell(image: NDArray[np.uint8], um_per_px: float) -> bool:
    small = to_scale(image, um_per_px, LOOKED_AT_UM_PER_PX)
    away = distance_to_nucleus(small)[small.shape[0] // 2, small.shape[1] // 2]
    return bool(away * LOOKED_AT_UM_PER_PX <= NUCLEUS_WITHIN_UM)


def _strip(
    images: Sequence[NDArray[np.uint8]], height: int, width: int, random: np.random.Generator
) -> NDArray[np.uint8]:
    image = images[int(random.integers(len(images)))]
    return image[:height, :width]


def _filled(
    row: NDArray[np.uint8],
    width: int,
    images: Sequence[NDArray[np.uint8]],
    widest: int,
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    while row.shape[1] < width:
        strip = _strip(images, row.shape[0], min(widest, width - row.shape[1]), random)
        row = np.hstack([row, strip])
    return row
