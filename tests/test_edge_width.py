"""How sharp a picture is, whatever it shows."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
from builders_focus import cells, defocused

from calibration.edge_width import edge_width_um


def test_edges_widen_with_every_step_out_of_focus():
    widths = [edge_width_um(defocused(cells(), radius), 0.2) or 99 for radius in (0, 0.3, 0.6, 0.9, 1.2, 1.8)]
    assert widths == sorted(widths)
    assert widths[0] < 1.0 < 1.25 < widths[4]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.45, 0.7])
def test_few_cells_in_focus_are_as_sharp_as_many(share):
    assert edge_width_um(cells(share=share), 0.2) == pytest.approx(edge_width_um(cells(), 0.2), rel=0.15)


def test_the_width_is_in_micrometres_whatever_the_camera():
    fine = cells(height=520, width=680, um_per_px=0.1)
    coarse = cells(height=260, width=340, um_per_px=0.2)
    assert edge_width_um(fine, 0.1) == pytest.approx(edge_width_um(coarse, 0.2), rel=0.15)


def test_less_light_leaves_edges_as_wide_as_they_are():
    dim = (cells().astype(np.float32) * 0.4).astype(np.uint8)
    assert edge_width_um(dim, 0.2) == pytest.approx(edge_width_um(cells(), 0.2), rel=0.1)


def test_a_picture_without_edges_has_no_width():
    assert edge_width_um(np.full((200, 200, 3), 210, np.uint8), 0.2) is None


def test_real_fields_of_four_laboratories_are_sharp_and_blurred_ones_are_not(real_images):
    for table, source, um_per_px in (
        ("fields/fields.csv", "bccd", 0.076),
        ("fields/fields.csv", "raabin", 0.058),
        ("cells/cells.csv", "pbc", 0.10),
        ("cells/cells.csv", "mll", 0.086),
    ):
        with (real_images / table).open(newline="") as file:
            paths = sorted(row["path"] for row in csv.DictReader(file) if row["source"] == source)
        for path in paths[:: max(1, len(paths) // 5)][:5]:
            picture = cv2.cvtColor(cv2.imread(str(real_images / path)), cv2.COLOR_BGR2RGB)
            assert (edge_width_um(picture, um_per_px) or 9) < 1.25, path
            assert (edge_width_um(defocused(picture, 1.5, um_per_px), um_per_px) or 9) > 1.25, path
