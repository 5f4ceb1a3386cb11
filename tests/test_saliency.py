"""The classical detector finds nuclei by colour and saliency, at any scale, and nothing else."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.cells import Detection
from models.errors import ModelRefused
from models.saliency import SaliencyDetector, hsv_contrast, spectral_residual

BACKGROUND, RED, NUCLEUS, CYTOPLASM = (253, 231, 205), (214, 178, 172), (84, 44, 140), (206, 176, 214)


def drawn_field(nuclei_um: list[tuple[float, float, float]], um_per_px: float = 0.1) -> NDArray[np.uint8]:
    """A field of 60×45 µm with red cells, and a nucleus of the given radius at each place, all in µm."""
    field = np.full((round(45 / um_per_px), round(60 / um_per_px), 3), BACKGROUND, dtype=np.uint8)

    def disc(x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        centre = (round(x / um_per_px), round(y / um_per_px))
        cv2.circle(field, centre, round(radius / um_per_px), colour, -1, cv2.LINE_AA)

    for column in range(5, 60, 11):
        for row in range(5, 45, 11):
            disc(column, row, 3.7, RED)
    for x, y, radius in nuclei_um:
        disc(x, y, radius + 1.5, CYTOPLASM)
    for x, y, radius in nuclei_um:
        disc(x, y, radius, NUCLEUS)
    noise = np.random.default_rng(4).normal(0, 3, field.shape)
    return np.clip(field + noise, 0, 255).astype(np.uint8)


def off_um(found: Detection, x: float, y: float, um_per_px: float) -> float:
    return math.hypot(found.x * um_per_px - x, found.y * um_per_px - y)


@pytest.mark.parametrize("um_per_px", [0.1, 0.2, 0.4])
def test_a_cell_is_found_where_it_lies_whatever_the_pixel_size(um_per_px: float) -> None:
    found = SaliencyDetector().detect(drawn_field([(21, 30, 4.5)], um_per_px), um_per_px)

    assert len(found) == 1
    assert off_um(found[0], 21, 30, um_per_px) < 0.6
    assert 4.5 < found[0].radius_um < 8
    assert 0 < found[0].score <= 1


def test_a_field_of_red_cells_alone_has_no_detection() -> None:
    assert SaliencyDetector().detect(drawn_field([]), 0.1) == []


def test_a_uniform_field_has_no_detection() -> None:
    assert SaliencyDetector().detect(np.full((300, 400, 3), 230, dtype=np.uint8), 0.1) == []


def test_a_platelet_is_too_small_to_be_a_cell() -> None:
    assert SaliencyDetector().detect(drawn_field([(21, 30, 1.0)]), 0.1) == []


def test_two_touching_cells_are_two() -> None:
    found = SaliencyDetector().detect(drawn_field([(22, 22, 4.5), (31, 22, 4.5)]), 0.1)

    assert sorted(round(cell.x * 0.1) for cell in found) == [22, 31]


def test_the_lobes_of_one_nucleus_are_one_cell() -> None:
    found = SaliencyDetector().detect(drawn_field([(22, 22, 2.0), (26, 23, 2.0), (24, 26, 2.0)]), 0.1)

    assert len(found) == 1


def test_a_nucleus_is_stained_and_a_red_cell_is_not() -> None:
    contrast = hsv_contrast(np.array([[NUCLEUS] * 9 + [RED] * 9] * 9, dtype=np.uint8))

    assert contrast[:, :4].mean() > 100 > 30 > contrast[:, -4:].mean()


def test_the_odd_one_out_is_salient() -> None:
    grid = np.zeros((160, 160), dtype=np.float32)
    grid[10::20, 10::20] = 1.0
    grid = np.asarray(cv2.GaussianBlur(grid, (0, 0), 3.0), dtype=np.float32)
    cv2.circle(grid, (80, 80), 9, (1.0,), -1)

    saliency = spectral_residual(grid, 0.4)

    y, x = np.unravel_index(int(np.argmax(saliency)), saliency.shape)
    assert math.hypot(x - 80, y - 80) < 12
    assert saliency.max() > 3


def test_a_grey_picture_is_refused() -> None:
    with pytest.raises(ModelRefused, match="colour field"):
        SaliencyDetector().detect(np.zeros((90, 90), dtype=np.uint8), 0.1)


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(ModelRefused, match="micrometres per pixel"):
        SaliencyDetector().detect(np.zeros((90, 90, 3), dtype=np.uint8), 0.0)


def held_out_cells(folder: Path, per_label: int) -> list[Path]:
    """Images of blood cells from the test split, so many of each label."""
    chosen: dict[str, list[Path]] = {}
    with (folder / "cells" / "cells.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["source"] == "pbc" and row["split"] == "test" and row["label"] != "platelet":
                chosen.setdefault(row["label"], []).append(folder / row["path"])
    return [path for paths in chosen.values() for path in paths[:: len(paths) // per_label][:per_label]]


def test_nine_of_ten_real_cells_are_found_in_the_middle_of_their_image(real_images: Path) -> None:
    paths = held_out_cells(real_images, per_label=6)

    missed = []
    for path in paths:
        image = np.asarray(Image.open(path).convert("RGB"))
        middle_x, middle_y = image.shape[1] * 0.05, image.shape[0] * 0.05
        found = SaliencyDetector().detect(image, 0.1)
        if not any(off_um(cell, middle_x, middle_y, 0.1) < 3 for cell in found):
            missed.append(path.name)

    assert len(paths) == 60
    assert len(missed) <= 6, missed
