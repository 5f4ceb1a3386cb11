"""Fields for the detector: pieces of labelled fields, and single cells as small fields.

A single-cell image says for certain only what lies in its middle: its neighbours are unknown, not
background, and do not enter the loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data import Box, LabelledCell, LabelledField, boxes, labelled_cells, labelled_fields, read_rgb
from models.resample import to_scale
from models.training.field_network import STRIDE, TYPICAL_RADIUS_PX

DETECTOR_UM_PER_PX = 0.40
SIDE_PX = 96
GRID = SIDE_PX // STRIDE
KNOWN_PX = 13.0  # around a single labelled cell (5.2 µm): no other centre can be there
SMALLEST_WHITE_CELL_PX = 7.0  # a box under 2.8 µm wide is a slip of the annotator
SCALE_JITTER = 0.12

Pixel = TypeVar("Pixel", bound=np.generic)


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
    at each, nan where unknown.  offset: M×2, from the grid point to the centre (x, y; in grid steps).
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


def mosaic(scenes: list[Scene]) -> Scene:
    """Four scenes as one: many cells in a field, some cut by a seam."""
    height = min(scene.image.shape[0] for scene in scenes)
    width = min(scene.image.shape[1] for scene in scenes)
    parts = [cropped(scene, 0, 0, width, height) for scene in scenes]
    moved = [
        part.cells + np.array([column * width, row * height, 0], np.float32)
        for part, (row, column) in zip(parts, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True)
    ]
    image = _square([part.image for part in parts])
    return Scene(image, _square([part.known for part in parts]), np.concatenate(moved))


def cropped(scene: Scene, left: int, top: int, width: int, height: int) -> Scene:
    """A part of a scene; cells whose centre it leaves out are no longer listed."""
    cells = scene.cells - np.array([left, top, 0], np.float32)
    inside = (cells[:, 0] >= 0) & (cells[:, 0] < width) & (cells[:, 1] >= 0) & (cells[:, 1] < height)
    rows, columns = slice(top, top + height), slice(left, left + width)
    return Scene(scene.image[rows, columns], scene.known[rows, columns], cells[inside])


def sample(scene: Scene, random: np.random.Generator) -> Sample:
    """A 96×96 piece of a scene, turned, mirrored and rescaled at random; what lies outside is unknown."""
    scene = _turned(_rescaled(scene, 1 + SCALE_JITTER * random.uniform(-1, 1)), random)
    height, width = scene.image.shape[:2]
    left, top = (int(random.integers(0, max(0, size - SIDE_PX) + 1)) for size in (width, height))
    scene = cropped(scene, left, top, min(SIDE_PX, width), min(SIDE_PX, height))
    below, right = SIDE_PX - scene.image.shape[0], SIDE_PX - scene.image.shape[1]
    image = np.pad(scene.image, ((0, below), (0, right), (0, 0)), mode="edge")
    known = np.pad(scene.known, ((0, below), (0, right)))
    return _targets(image, known, scene.cells)


def _targets(image: NDArray[np.uint8], known: NDArray[np.bool_], cells: NDArray[np.float32]) -> Sample:
    rows, columns = np.mgrid[0:GRID, 0:GRID].astype(np.float32)
    heat = np.zeros((GRID, GRID), np.float32)
    at = np.empty((len(cells), 2), np.int64)
    offset = np.empty((len(cells), 2), np.float32)
    radius = np.where(np.isnan(cells[:, 2]), TYPICAL_RADIUS_PX, cells[:, 2]) / STRIDE
    for k, (x, y) in enumerate(cells[:, :2] / STRIDE - 0.5):  # grid point i stands for px 4 i + 2
        at[k] = np.clip([round(y), round(x)], 0, GRID - 1)
        offset[k] = x - at[k, 1], y - at[k, 0]
        spread = max(0.8, radius[k] / 4)
        bump = np.exp(-((rows - at[k, 0]) ** 2 + (columns - at[k, 1]) ** 2) / (2 * spread**2))
        heat = np.maximum(heat, bump, dtype=np.float32)
    middle = STRIDE // 2
    grid_known = known[middle::STRIDE, middle::STRIDE].astype(np.float32)
    return Sample(image, heat, grid_known, at, np.log(cells[:, 2] / np.float32(TYPICAL_RADIUS_PX)), offset)


def _rescaled(scene: Scene, factor: float) -> Scene:
    height, width = scene.image.shape[:2]
    size = (round(width * factor), round(height * factor))
    image = cv2.resize(scene.image, size, interpolation=cv2.INTER_LINEAR)
    known = cv2.resize(scene.known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return Scene(np.asarray(image, np.uint8), known.astype(bool), scene.cells * np.float32(factor))


def _turned(scene: Scene, random: np.random.Generator) -> Scene:
    image, known, cells = scene.image, scene.known, scene.cells.copy()
    if random.random() < 0.5:
        image, known = image[:, ::-1], known[:, ::-1]
        cells[:, 0] = image.shape[1] - cells[:, 0]
    if random.random() < 0.5:
        image, known = image[::-1], known[::-1]
        cells[:, 1] = image.shape[0] - cells[:, 1]
    if random.random() < 0.5:
        image, known = image.transpose(1, 0, 2), known.T
        cells = cells[:, [1, 0, 2]]
    return Scene(image, known, cells)


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
    circles = [circle(box, width, height) for box in boxes(item, width, height) if box.kind == "white"]
    cells = np.array(circles, np.float32).reshape(-1, 3) * np.float32(ratio)
    return Scene(image, np.ones(image.shape[:2], bool), cells[cells[:, 2] * 2 >= SMALLEST_WHITE_CELL_PX])


def _cell_scene(cell: LabelledCell) -> Scene:
    image = to_scale(read_rgb(cell.path), cell.um_per_px, DETECTOR_UM_PER_PX)
    height, width = image.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    known = np.hypot(columns - width / 2, rows - height / 2) <= KNOWN_PX
    found = [] if cell.label == "platelet" else [[width / 2, height / 2, np.nan]]
    return Scene(image, known, np.array(found, np.float32).reshape(-1, 3))


def _square(parts: list[NDArray[Pixel]]) -> NDArray[Pixel]:
    return np.vstack([np.hstack(parts[:2]), np.hstack(parts[2:])])
