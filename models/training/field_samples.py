"""Fields for the detector: pieces of labelled fields, and single cells as small fields.

A single-cell image says that there is one white cell about its middle, and that there is none where nothing is
stained like a nucleus. All else is unknown, not background, and does not enter the loss. Such images are cut at
random on every side before anything else, or the network would learn that a cell is where the picture's middle is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data import (
    Box,
    LabelledCell,
    LabelledField,
    labelled_cells,
    labelled_fields,
    read_rgb,
    white_cells,
)
from models.nuclear_stain import distance_to_nucleus, nuclear
from models.resample import to_scale
from models.training.field_network import STRIDE, TYPICAL_RADIUS_PX

DETECTOR_UM_PER_PX = 0.40
SIDE_PX = 96
GRID = SIDE_PX // STRIDE
KNOWN_PX = 13.0  # around a single labelled cell (5.2 µm): no other centre can be there
NUCLEUS_WITHIN_PX = 10  # of a cell's centre (4 µm), always
CLICK_OFF_PX = 4.0  # (1.6 µm): a nucleus at most that far from the middle, or nobody clicked on a cell
LEAST_MARGIN_PX = 10  # around a single cell's middle (4 µm); touching cells are 8 to 14 µm apart
TOUCHING_PX = (20, 35)
SCALE_JITTER = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A small field at the detector's scale.

    image: uint8 H×W×3.  known: bool H×W, where it is known whether a white cell's centre is there.
    cells: N×3, centre x, y and radius (px); radius nan where nobody measured it.
    """

    image: NDArray[np.uint8]
    known: NDArray[np.bool_]
    cells: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What the network learns from: a 96×96 image, and grids of 24×24.

    heat: 1 at a centre, falling off around it.  known: 0 where nothing is known.
    at: the grid points that are centres (M×2, row and column).  size: log of the radius over the typical one
    at each, nan for a single cell: its radius is unknown, its centre only about where it is said to be.
    offset: M×2, from the grid point to the centre (x, y; in grid steps).
    """

    image: NDArray[np.uint8]
    heat: NDArray[np.float32]
    known: NDArray[np.float32]
    at: NDArray[np.int64]
    size: NDArray[np.float32]
    offset: NDArray[np.float32]


def field_scenes(folder: Path, split: str) -> list[Scene]:
    """Return the labelled fields of a split, every white cell boxed."""
    return [_field_scene(item) for item in labelled_fields(folder) if item.split == split]


def cell_scenes(folder: Path, split: str, source: str) -> list[Scene]:
    """Return the single-cell images of a split and source; a platelet in the middle is no white cell."""
    chosen = (cell for cell in labelled_cells(folder) if (cell.split, cell.source) == (split, source))
    return [_cell_scene(cell) for cell in chosen]


def mosaic(scenes: list[Scene], random: np.random.Generator) -> Scene:
    """Pieces of four scenes as one of 96×96, joined at a random point: many cells in a field, some cut by a seam."""
    across, down = (int(random.integers(SIDE_PX // 3, SIDE_PX * 2 // 3)) for _ in range(2))
    widths, heights = (across, SIDE_PX - across) * 2, (down, down, SIDE_PX - down, SIDE_PX - down)
    parts = [piece(*each, random) for each in zip(scenes, widths, heights, strict=True)]
    return _below(_beside(*parts[:2]), _beside(*parts[2:]))


def crowd(scenes: list[Scene], random: np.random.Generator) -> Scene:
    """Four single cells as a scene of 96×96: two touching pairs, one above the other."""
    down = int(random.integers(SIDE_PX * 2 // 5, SIDE_PX * 3 // 5))
    pairs = (_touching(scenes[0], scenes[1], random), _touching(scenes[2], scenes[3], random))
    return _below(piece(pairs[0], SIDE_PX, down, random), piece(pairs[1], SIDE_PX, SIDE_PX - down, random))


def cut_at_random(scene: Scene, random: np.random.Generator) -> Scene:
    """A single-cell scene cut on every side, so that its border tells nothing of where its middle is."""
    height, width = scene.image.shape[:2]
    left, top = (int(random.integers(0, size // 2 - LEAST_MARGIN_PX + 1)) for size in (width, height))
    right, bottom = (int(random.integers(size // 2 + LEAST_MARGIN_PX, size + 1)) for size in (width, height))
    return cropped(scene, left, top, right - left, bottom - top)


def _touching(one: Scene, other: Scene, random: np.random.Generator) -> Scene:
    """Two single-cell scenes joined along a line between their cells, which are 8 to 14 µm apart."""
    apart = int(random.integers(*TOUCHING_PX))
    to_line = int(random.integers(LEAST_MARGIN_PX, apart - LEAST_MARGIN_PX + 1))
    one, other = (_turned(cut_at_random(scene, random), random) for scene in (one, other))
    one, other = _cut_beyond(one, to_line), _mirrored(_cut_beyond(_mirrored(other), apart - to_line))
    height = min(scene.image.shape[0] for scene in (one, other))
    tops = [_place(scene.image.shape[0], height, random) for scene in (one, other)]
    parts = [
        cropped(scene, 0, top, scene.image.shape[1], height)
        for scene, top in zip((one, other), tops, strict=True)
    ]
    return _beside(*parts)


def _cut_beyond(scene: Scene, margin: int) -> Scene:
    """What lies left of a line `margin` px right of the scene's cell; all of it where it has none."""
    if not len(scene.cells):
        return scene
    width = min(scene.image.shape[1], int(scene.cells[0, 0]) + margin)
    return cropped(scene, 0, 0, width, scene.image.shape[0])


def _beside(left: Scene, right: Scene) -> Scene:
    return _joined(left, right, 1)


def _below(upper: Scene, lower: Scene) -> Scene:
    return _joined(upper, lower, 0)


def _joined(first: Scene, second: Scene, axis: int) -> Scene:
    shift = np.zeros(3, np.float32)
    shift[1 - axis] = first.image.shape[axis]
    return Scene(
        np.concatenate([first.image, second.image], axis),
        np.concatenate([first.known, second.known], axis),
        np.concatenate([first.cells, second.cells + shift]),
    )


def piece(scene: Scene, width: int, height: int, random: np.random.Generator) -> Scene:
    """A width × height piece of a scene at a random place, the scene turned, mirrored and rescaled at random.

    A scene that is smaller is put at a random place; what lies outside mirrors it and is unknown.
    """
    scene = _turned(_rescaled(scene, 1 + SCALE_JITTER * random.uniform(-1, 1)), random)
    left, top = (
        _place(size, wanted, random)
        for size, wanted in zip(scene.image.shape[1::-1], (width, height), strict=True)
    )
    scene = cropped(scene, max(0, left), max(0, top), width, height)
    before = (max(0, -top), max(0, -left))
    after = (height - scene.image.shape[0] - before[0], width - scene.image.shape[1] - before[1])
    rows, columns = zip(before, after, strict=True)
    return Scene(
        np.pad(scene.image, (rows, columns, (0, 0)), mode="symmetric"),
        np.pad(scene.known, (rows, columns)),
        scene.cells + np.array([before[1], before[0], 0], np.float32),
    )


def _place(size: int, wanted: int, random: np.random.Generator) -> int:
    """Where a piece begins in a scene; negative where the scene begins within the piece."""
    low, high = sorted((0, size - wanted))
    return int(random.integers(low, high + 1))


def cropped(scene: Scene, left: int, top: int, width: int, height: int) -> Scene:
    """A part of a scene; cells whose centre it leaves out are no longer listed."""
    cells = scene.cells - np.array([left, top, 0], np.float32)
    inside = (cells[:, 0] >= 0) & (cells[:, 0] < width) & (cells[:, 1] >= 0) & (cells[:, 1] < height)
    rows, columns = slice(top, top + height), slice(left, left + width)
    return Scene(scene.image[rows, columns], scene.known[rows, columns], cells[inside])


def sample(scene: Scene) -> Sample:
    """What the network learns from a 96×96 scene."""
    return _targets(scene.image, scene.known, scene.cells)


def _targets(image: NDArray[np.uint8], known: NDArray[np.bool_], cells: NDArray[np.float32]) -> Sample:
    at = np.empty((len(cells), 2), np.int64)
    offset = np.empty((len(cells), 2), np.float32)
    for k, (x, y) in enumerate(cells[:, :2] / STRIDE - 0.5):  # grid point i stands for px 4 i + 2
        at[k] = np.clip([round(y), round(x)], 0, GRID - 1)
        offset[k] = x - at[k, 1], y - at[k, 0]
    size = np.log(cells[:, 2] / np.float32(TYPICAL_RADIUS_PX))
    middle = STRIDE // 2
    grid_known = known[middle::STRIDE, middle::STRIDE].astype(np.float32)
    return Sample(image, heat_map(at, size), grid_known, at, size, offset)


def heat_map(at: NDArray[np.int64], size: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 at every centre, falling off with its cell's size. at, size: see `Sample`."""
    rows, columns = np.mgrid[0:GRID, 0:GRID].astype(np.float32)
    heat = np.zeros((GRID, GRID), np.float32)
    radius = np.exp(np.where(np.isnan(size), 0, size)) * TYPICAL_RADIUS_PX / STRIDE
    for (row, column), each in zip(at, radius, strict=True):
        spread = max(0.8, each / 4)
        bump = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * spread**2))
        heat = np.maximum(heat, bump, dtype=np.float32)
    return heat


def _rescaled(scene: Scene, factor: float) -> Scene:
    height, width = scene.image.shape[:2]
    size = (round(width * factor), round(height * factor))
    image = cv2.resize(scene.image, size, interpolation=cv2.INTER_LINEAR)
    known = cv2.resize(scene.known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return Scene(np.asarray(image, np.uint8), known.astype(bool), scene.cells * np.float32(factor))


def _turned(scene: Scene, random: np.random.Generator) -> Scene:
    if random.random() < 0.5:
        scene = _mirrored(scene)
    image, known, cells = scene.image, scene.known, scene.cells.copy()
    if random.random() < 0.5:
        image, known = image[::-1], known[::-1]
        cells[:, 1] = image.shape[0] - cells[:, 1]
    if random.random() < 0.5:
        image, known = image.transpose(1, 0, 2), known.T
        cells = cells[:, [1, 0, 2]]
    return Scene(image, known, cells)


def _mirrored(scene: Scene) -> Scene:
    cells = scene.cells.copy()
    cells[:, 0] = scene.image.shape[1] - cells[:, 0]
    return Scene(scene.image[:, ::-1], scene.known[:, ::-1], cells)


def circle(box: Box, width: int, height: int) -> tuple[float, float, float]:
    """Centre x, y and radius (px) of a boxed cell; a box that the border cuts is completed to a round cell."""
    w, h = box.right - box.left, box.bottom - box.top
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    near = 0.01 * max(width, height)
    if w < h and box.left <= near:
        x, w = box.right - h / 2, h
    elif w < h and box.right >= width - near:
        x, w = box.left + h / 2, h
    elif h < w and box.top <= near:
        y, h = box.bottom - w / 2, w
    elif h < w and box.bottom >= height - near:
        y, h = box.top + w / 2, w
    return x, y, float(np.sqrt(w * h)) / 2


def _field_scene(item: LabelledField) -> Scene:
    pixels = read_rgb(item.path)
    height, width = pixels.shape[:2]
    image = to_scale(pixels, item.um_per_px, DETECTOR_UM_PER_PX)
    ratio = image.shape[1] / width
    circles = [circle(box, width, height) for box in white_cells(item, width, height)]
    cells = np.array(circles, np.float32).reshape(-1, 3) * np.float32(ratio)
    return Scene(image, np.ones(image.shape[:2], bool), cells)


def _cell_scene(cell: LabelledCell) -> Scene:
    image = to_scale(read_rgb(cell.path), cell.um_per_px, DETECTOR_UM_PER_PX)
    height, width = image.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    middle = np.hypot(columns - width / 2, rows - height / 2)
    known = ~_nucleus_near(image)
    if cell.label == "platelet":
        return Scene(image, known | (middle <= KNOWN_PX), np.empty((0, 3), np.float32))
    if distance_to_nucleus(image)[height // 2, width // 2] > CLICK_OFF_PX:
        return Scene(image, known, np.empty((0, 3), np.float32))
    return Scene(image, known | (middle <= KNOWN_PX), np.array([[width / 2, height / 2, np.nan]], np.float32))


def _nucleus_near(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    size = 2 * NUCLEUS_WITHIN_PX + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(nuclear(image).astype(np.uint8), disc)).astype(bool)
