"""Small simulated smears, and small photographs of cells to cut out."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from builders_images import save
from numpy.typing import NDArray

from appliance.simulator.mixture import Mixture, blood, marrow
from appliance.simulator.smear import Smear

WIDTH_UM, HEIGHT_UM = 6000.0, 3000.0
GROUND = (250, 235, 215)
RED_CELL, CYTOPLASM, NUCLEUS = (200, 165, 170), (195, 175, 215), (85, 40, 140)


def fresh_smear(seed: int = 1, mixture: Mixture | None = None) -> Smear:
    """A small blood smear that nobody looked at yet, with no bubble and no clot."""
    return Smear(seed, mixture or blood(bubbles=0, clots=0), WIDTH_UM, HEIGHT_UM)


@cache
def smear() -> Smear:
    """The same small blood smear for all who only look."""
    return fresh_smear()


@cache
def marrow_smear() -> Smear:
    """A small marrow smear."""
    return fresh_smear(mixture=marrow(bubbles=0, particles=2))


def photograph(
    nucleus_um: float = 3.5, cell_um: float = 6.0, off_um: tuple[float, float] = (0.0, 0.0),
    um_per_px: float = 0.10, side: int = 360, neighbour: bool = False,
) -> NDArray[np.uint8]:  # fmt: skip
    """A cell in the middle of a picture, red cells around it; a second nucleated cell touching it, if wished."""
    pixels = np.empty((side, side, 3), dtype=np.uint8)
    pixels[:] = GROUND
    middle = np.array([side / 2, side / 2]) + np.array(off_um) / um_per_px

    def disc(at: NDArray[np.float64], radius_um: float, colour: tuple[int, int, int]) -> None:
        cv2.circle(
            pixels, (round(at[0]), round(at[1])), round(radius_um / um_per_px), colour, -1, cv2.LINE_AA
        )

    for turn in (20, 140, 260):
        away = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))]) * (cell_um + 4.2) / um_per_px
        disc(middle + away, 3.7, RED_CELL)
    if neighbour:
        other = middle + np.array([0.0, -2 * cell_um / um_per_px])
        disc(other, cell_um, CYTOPLASM)
        disc(other, nucleus_um, NUCLEUS)
    disc(middle, cell_um, CYTOPLASM)
    disc(middle, nucleus_um, NUCLEUS)
    return pixels


def cells_folder(folder: Path, images: dict[tuple[str, str, str], NDArray[np.uint8]]) -> Path:
    """A folder of labelled cells. images: by label, split and file name; all from the blood source."""
    cells = folder / "cells"
    rows = []
    for (label, split, name), pixels in images.items():
        save(cells / "pbc" / label / name, pixels)
        rows.append((f"cells/pbc/{label}/{name}", "pbc", label, split, name))
    with (cells / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "source", "label", "split", "group"))
        writer.writerows(rows)
    return cells
