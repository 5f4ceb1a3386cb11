"""Marrow mosaics: every labelled cell whole and once, and found once, twice, or not."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.cells import Detection
from models.data import UM_PER_PX
from models.marrow_mosaics import Find, Mosaic, mosaics, report

UM = UM_PER_PX["mll"]
SIDE = 250
WHOLE_PX = round(8 / UM)


def marrow(folder: Path, count: int, *, nuclei: int | None = None, split: str = "test") -> Path:
    """Write images of the marrow, the first of them with a nucleus in the middle (all where not said)."""
    random = np.random.default_rng(2)
    rows = []
    for k in range(count):
        image = random.integers(215, 235, (SIDE, SIDE, 3), dtype=np.uint8)
        if k < (count if nuclei is None else nuclei):
            cv2.circle(image, (SIDE // 2, SIDE // 2), round(4 / UM), (150, 40, 90), -1)
        name = f"cells/mll/{'blast' if k % 2 else 'lymphocyte'}/{k}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image)
        rows.append((name, "mll", Path(name).parent.name, split, f"mll-{k}"))
    with (folder / "cells" / "cells.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "source", "label", "split", "group"), *rows])
    return folder


def nuclei_of(pixels: NDArray[np.uint8], um_per_px: float, score: float = 0.9) -> list[Detection]:
    """Find every dark disc at its centre."""
    dark = (pixels[:, :, 1] < 100).astype(np.uint8)
    count, _, _, centres = cv2.connectedComponentsWithStats(dark)
    return [Detection(x + 0.5, y + 0.5, 4.0, score) for x, y in centres[1:count]]


def shifted(by_um: float) -> Find:
    """Find every dark disc so far off its centre."""
    return lambda pixels, um: [
        Detection(d.x + by_um / um, d.y, d.radius_um, d.score) for d in nuclei_of(pixels, um)
    ]


def shown(folder: Path) -> list[Mosaic]:
    return list(mosaics(folder, "test"))


def test_every_cell_of_the_split_is_shown_once_and_whole(tmp_path: Path) -> None:
    folder = marrow(tmp_path, 70)
    images = {
        image.tobytes(): path
        for path in folder.glob("cells/mll/*/*.png")
        for image in [_around(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), SIDE / 2, SIDE / 2)]
    }
    found = [
        images.pop(_around(mosaic.pixels, place.x, place.y).tobytes())
        for mosaic in shown(folder)
        for place in mosaic.places
    ]
    assert len(found) == 70
    assert not images


def _around(pixels: NDArray[np.uint8], x: float, y: float) -> NDArray[np.uint8]:
    left, top = round(x) - WHOLE_PX, round(y) - WHOLE_PX
    return np.ascontiguousarray(pixels[top : top + 2 * WHOLE_PX, left : left + 2 * WHOLE_PX])


def test_the_mosaics_are_the_same_every_time(tmp_path: Path) -> None:
    folder = marrow(tmp_path, 20)
    for one, other in zip(shown(folder), shown(folder), strict=True):
        assert one.places == other.places
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_where_images_meet_is_not_halfway_between_their_middles(tmp_path: Path) -> None:
    places = [place for mosaic in shown(marrow(tmp_path, 64)) for place in mosaic.places]
    apart = np.diff([place.x for place in places[:8]])
    assert apart.min() >= 2 * WHOLE_PX - 1
    assert apart.std() > 5
    assert len({round(places[8 * row].x) for row in range(8)}) > 4


def test_a_detector_that_finds_every_cell_once_finds_all_of_them(tmp_path: Path) -> None:
    result = report("test", shown(marrow(tmp_path, 10)), nuclei_of, 0.5)
    assert (result.near.cells, result.near.once, result.near.share) == (10, 10, 1.0)
    assert result.distance_um["95%"] < 0.1
    assert {name: one.cells for name, one in result.by_label.items()} == {"blast": 5, "lymphocyte": 5}


def test_two_finds_of_one_cell_are_not_found_once(tmp_path: Path) -> None:
    result = report(
        "test", shown(marrow(tmp_path, 10)), lambda p, um: [*nuclei_of(p, um), *shifted(1.0)(p, um)], 0.5
    )
    assert (result.near.once, result.near.missed, result.near.more_than_once) == (0, 0, 10)


def test_a_find_3_um_off_the_middle_is_within_half_a_cell_and_not_near(tmp_path: Path) -> None:
    result = report("test", shown(marrow(tmp_path, 10)), shifted(3.0), 0.5)
    assert (result.near.missed, result.half_a_cell.once) == (10, 10)
    assert result.distance_um["50%"] == pytest.approx(3.0, abs=0.1)


def test_what_is_under_the_threshold_is_not_found(tmp_path: Path) -> None:
    result = report("test", shown(marrow(tmp_path, 10)), lambda p, um: nuclei_of(p, um, 0.4), 0.5)
    assert result.near.missed == 10


def test_an_image_that_shows_no_cell_in_its_middle_is_left_out_and_counted(tmp_path: Path) -> None:
    result = report("test", shown(marrow(tmp_path, 10, nuclei=7)), nuclei_of, 0.5)
    assert (result.left_out, result.near.cells, result.near.share) == (3, 7, 1.0)


def test_without_any_marrow_nothing_is_measured(tmp_path: Path) -> None:
    result = report("test", shown(tmp_path), nuclei_of, 0.5)
    assert result.near.cells == 0
    assert math.isnan(result.near.share)
    assert math.isnan(result.distance_um["50%"])


def test_real_mosaics_show_the_cells_of_the_split(real_images: Path) -> None:
    first = next(mosaics(real_images, "val"))
    assert 50 <= len(first.places) <= 64
    assert first.pixels.shape[0] >= 8 * 2 * WHOLE_PX
