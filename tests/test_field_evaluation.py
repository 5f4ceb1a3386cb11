"""Average precision, on answers whose figures are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.cells import Detection
from models.data import LabelledField, boxes
from models.field_evaluation import average_precision, matched, overlap, report


def test_overlap_of_half_shifted_squares() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 0, 30, 10)) == 0


def test_a_true_cell_is_found_once() -> None:
    assert matched([(0, 0, 10, 10), (1, 0, 11, 10)], [(0, 0, 10, 10)]) == [True, False]


@pytest.mark.parametrize(
    ("hits", "total", "expected"),
    [
        ([True, True], 2, 1.0),
        ([True, False, True], 2, 0.5 + 0.5 * 2 / 3),
        ([False, True], 1, 0.5),
        ([True], 2, 0.5),
        ([], 3, 0.0),
    ],
)
def test_average_precision_of_known_rankings(hits: list[bool], total: int, expected: float) -> None:
    assert average_precision(hits, total) == pytest.approx(expected)


def field_on_disk(folder: Path, annotation: str, name: str) -> LabelledField:
    cv2.imwrite(str(folder / "a.png"), np.full((100, 200, 3), 220, np.uint8))
    (folder / name).write_text(annotation)
    return LabelledField(folder / "a.png", "raabin", "test", folder / name)


def test_yolo_boxes_are_read_in_pixels(tmp_path: Path) -> None:
    item = field_on_disk(tmp_path, "0 0.5 0.5 0.2 0.4\n2 0.1 0.1 0.1 0.1\n", "a.txt")
    one, two = boxes(item, 200, 100)
    assert (one.kind, one.left, one.top, one.right, one.bottom) == ("white", 80, 30, 120, 70)
    assert two.kind == "platelet"


def test_a_field_is_judged_by_squares_around_its_detections(tmp_path: Path) -> None:
    item = field_on_disk(tmp_path, "0 0.5 0.5 0.3 0.6\n", "a.txt")  # a cell of 60 px, 3.5 µm
    right = Detection(100, 50, 30 * 0.058, 0.9)
    wrong = Detection(20, 50, 30 * 0.058, 0.4)
    result = report("raabin", [item], lambda pixels, um: [right, wrong], 0.3)
    assert (result.average_precision, result.precision, result.recall, result.white_cells) == (
        1.0,
        0.5,
        1.0,
        1,
    )


def test_a_box_one_pixel_wide_is_no_white_cell(tmp_path: Path) -> None:
    item = field_on_disk(tmp_path, "0 0.5 0.5 0.005 0.6\n", "a.txt")
    assert report("raabin", [item], lambda pixels, um: [], 0.3).white_cells == 0
