"""Red cells as a ruler: drawn ones of known size, and the real ones of three laboratories."""

from __future__ import annotations

import csv
import json
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders_commands import hemadiff
from builders_red_cells import Picture, fields, red_cell_field
from PIL import Image

from calibration import CalibrationRefused
from calibration.red_cells import (
    BETWEEN_PATIENTS,
    DIAMETER_UM,
    FEWEST_CELLS,
    RedCellRuler,
    measure_red_cells,
)
from calibration.single_cells import find_single_cells

DATA = Path(os.environ.get("HEMADIFF_DATA", Path(__file__).parents[2] / "shared" / "data"))
real = pytest.mark.skipif(not (DATA / "fields" / "fields.csv").is_file(), reason="no real images here")

STATED = {"bccd": 0.076, "raabin": 0.058, "pbc": 0.10}
KEYS = [
    "um_per_px", "uncertainty", "uncertainty_of_measurement", "uncertainty_between_patients", "cells", "images",
    "diameter_px", "diameter_uncertainty_px", "median_diameter_px", "scatter_percent",
]  # fmt: skip


@pytest.mark.parametrize("um_per_px", [0.05, 0.10, 0.20])
def test_drawn_red_cells_tell_the_pixel_size(um_per_px: float) -> None:
    ruler = measure_red_cells(fields(um_per_px, diameters_um=(DIAMETER_UM,) * 18))
    assert ruler.um_per_px.value == pytest.approx(um_per_px, rel=0.025)


def test_the_pale_middle_of_a_red_cell_belongs_to_it() -> None:
    cells = find_single_cells(red_cell_field(0.1, nuclei=0))
    assert min(cell.diameter_px for cell in cells) > 70


def test_cells_with_nuclei_are_no_red_cells_even_where_they_are_most() -> None:
    with pytest.raises(CalibrationRefused, match="Only 8 red cells lie alone"):
        measure_red_cells(fields(0.1, many=2, nuclei=15, diameters_um=(DIAMETER_UM,) * 4))


def test_platelets_do_not_make_the_red_cells_smaller() -> None:
    ruler = measure_red_cells(fields(0.1, platelets=16, diameters_um=(DIAMETER_UM,) * 8))
    assert ruler.um_per_px.value == pytest.approx(0.1, rel=0.015)


def test_cells_that_touch_are_not_measured() -> None:
    with pytest.raises(CalibrationRefused, match=f"at least {FEWEST_CELLS} are needed"):
        measure_red_cells(fields(0.1, nuclei=0, clumped=True))


def test_a_few_giants_and_fragments_do_not_move_the_result() -> None:
    ruler = measure_red_cells(fields(0.1, diameters_um=(DIAMETER_UM,) * 14 + (11.0, 11.0, 4.0, 4.0)))
    assert ruler.um_per_px.value == pytest.approx(0.1, rel=0.015)


def test_a_patients_own_spread_goes_into_the_uncertainty_of_the_measurement() -> None:
    random = np.random.default_rng(4)
    even = measure_red_cells(fields(0.1, many=4))
    varied = measure_red_cells(
        [red_cell_field(0.1, random.normal(DIAMETER_UM, 0.6, 18), seed=n) for n in range(4)]
    )
    assert varied.scatter > 3 * even.scatter
    assert varied.of_measurement > even.of_measurement


def test_what_the_patient_adds_is_said_beside_what_the_measurement_does() -> None:
    ruler = measure_red_cells(fields(0.1))
    assert ruler.between_patients == pytest.approx(BETWEEN_PATIENTS * ruler.um_per_px.value)
    combined = np.hypot(ruler.of_measurement, ruler.between_patients)
    assert ruler.um_per_px.uncertainty == pytest.approx(combined)


def test_small_pictures_do_not_favour_small_cells() -> None:
    random = np.random.default_rng(2)
    whole = [red_cell_field(0.1, random.normal(DIAMETER_UM, 0.7, 24), nuclei=0, seed=n) for n in range(6)]
    small = [field[a : a + 220, b : b + 220] for field in whole for a in (30, 260) for b in (30, 260)]
    assert measure_red_cells(small).um_per_px.value == pytest.approx(
        measure_red_cells(whole).um_per_px.value, rel=0.03
    )


def test_pictures_of_two_scales_are_no_ruler() -> None:
    mixed = [*fields(0.05, many=1), *fields(0.10, many=2), *fields(0.2, many=4)]
    with pytest.raises(CalibrationRefused, match="pictures of several scales"):
        measure_red_cells(mixed)


def test_empty_glass_says_how_many_cells_are_needed() -> None:
    with pytest.raises(CalibrationRefused, match=rf"Only 0 red cells .* at least {FEWEST_CELLS} are needed"):
        measure_red_cells([np.full((400, 400, 3), 230, np.uint8)])


def test_an_array_that_is_no_colour_picture_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="no picture in 8-bit RGB"):
        measure_red_cells([np.zeros((400, 400), np.uint8)])


# The command


def folder(where: Path, pictures: list[Picture]) -> Path:
    where.mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(where / f"{number}.png")
    return where


def test_the_command_writes_the_pixel_size_its_uncertainty_and_how_many_cells(tmp_path: Path) -> None:
    said = hemadiff("calibrate", "red-cells", folder(tmp_path / "smear", fields(0.1)), "--json", "-")
    result = json.loads(said.stdout)
    assert list(result) == KEYS
    assert result["um_per_px"] == pytest.approx(0.1, rel=0.02)
    assert result["cells"] > 40
    assert result["images"] == 3


def test_the_command_says_its_result_in_words(tmp_path: Path) -> None:
    said = hemadiff("calibrate", "red-cells", folder(tmp_path / "smear", fields(0.1)))
    assert "µm/px, by" in said.stdout
    assert "between patients" in said.stdout


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_measured(tmp_path: Path) -> None:
    where = folder(tmp_path / "smear", fields(0.1))
    (where / "9.png").write_bytes(b"")
    said = hemadiff("calibrate", "red-cells", where)
    assert said.exit_code == 0
    assert "9.png: the file is empty" in said.stderr


def test_too_few_red_cells_leave_with_the_status_of_a_refusal(tmp_path: Path) -> None:
    said = hemadiff(
        "calibrate", "red-cells", folder(tmp_path / "smear", fields(0.1, nuclei=20, diameters_um=()))
    )
    assert said.exit_code == 2
    assert f"at least {FEWEST_CELLS} are needed" in said.stderr


# Real ones


def pictures(source: str, split: str, many: int) -> list[Picture]:
    table = DATA / ("cells/cells.csv" if source in ("pbc", "mll") else "fields/fields.csv")
    with table.open(newline="") as file:
        paths = [
            row["path"] for row in csv.DictReader(file) if (row["source"], row["split"]) == (source, split)
        ]
    chosen = paths[:: max(1, len(paths) // many)][:many]
    return [np.asarray(Image.open(DATA / path).convert("RGB")) for path in chosen]


@cache
def measured(source: str, split: str) -> RedCellRuler:
    return measure_red_cells(pictures(source, split, 30))


@real
@pytest.mark.parametrize(("source", "split"), [("bccd", "val"), ("raabin", "test"), ("pbc", "test")])
def test_real_red_cells_tell_the_pixel_size_of_their_source(source: str, split: str) -> None:
    ruler = measured(source, split)
    assert ruler.um_per_px.value == pytest.approx(STATED[source], rel=0.08)


@real
@pytest.mark.parametrize("factor", [0.6, 1.6])
def test_the_estimate_follows_real_pictures_that_are_resampled(factor: float) -> None:
    before = pictures("pbc", "test", 30)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    after = [
        np.asarray(cv2.resize(each, None, fx=factor, fy=factor, interpolation=method)) for each in before
    ]
    ratio = measured("pbc", "test").um_per_px.value / measure_red_cells(after).um_per_px.value
    assert ratio == pytest.approx(factor, rel=0.03)


@real
def test_marrow_with_hardly_a_single_red_cell_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match=f"at least {FEWEST_CELLS} are needed"):
        measure_red_cells(pictures("mll", "test", 20))
