"""Pictures of cells, as a page carries them."""

from __future__ import annotations

import base64
import io

import numpy as np
from builders_report import spot
from PIL import Image

from models.pictures import SHOWN_PX, as_address, boxed, spotlight

SIDE = SHOWN_PX // 6


def test_a_picture_within_a_page_has_the_pixels_of_the_cell() -> None:
    kind, data = as_address(spot()).split(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), spot())


def test_what_speaks_for_a_label_keeps_its_colours_and_the_rest_is_dark() -> None:
    weight = np.zeros((6, 6), np.float32)
    weight[1:3, 1:3] = 7
    seen = spotlight(np.full((96, 96, 3), (200, 120, 180), np.uint8), weight)
    assert seen[2 * SIDE, 2 * SIDE].tolist() == [200, 120, 180]
    assert seen[5 * SIDE, 5 * SIDE].tolist() == [60, 36, 54]


def test_a_cell_that_nothing_speaks_for_stays_dark() -> None:
    seen = spotlight(np.full((96, 96, 3), 200, np.uint8), np.zeros((6, 6), np.float32))
    assert (seen == 60).all()


def test_a_cell_at_the_edge_of_its_field_is_shown_in_the_middle_with_its_box() -> None:
    field = np.full((100, 200, 3), 90, np.uint8)
    seen = boxed(field, (180.0, 40.0, 200.0, 60.0), margin=0.5)
    assert seen.shape == (SHOWN_PX, SHOWN_PX, 3)
    assert (seen[96, 10] == 90).all()
    assert (seen[96, 180] == 255).all()
    assert (seen[96, SHOWN_PX // 4] > 200).all()  # the box's left edge
    assert (seen[96, 96] == 90).all()


def test_a_box_of_no_width_is_shown_too() -> None:
    assert boxed(np.zeros((20, 20, 3), np.uint8), (5.0, 5.0, 5.0, 5.0)).shape == (SHOWN_PX, SHOWN_PX, 3)
