"""Scale changes keep sizes in micrometres and let no fine texture alias."""

from __future__ import annotations

import numpy as np

from models.resample import to_scale, window


def test_a_square_keeps_its_size_in_micrometres() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[48:148, 100:200] = 255  # 10 µm at 0.1 µm/px
    small = to_scale(image, 0.1, 0.4)
    assert small.shape == (50, 75, 3)
    assert (small[:, :, 0] > 128).sum() == 25 * 25


def test_a_pattern_finer_than_the_new_pixels_becomes_grey() -> None:
    image = np.zeros((120, 120, 3), np.uint8)
    image[:, ::2] = 255
    small = to_scale(image, 0.1, 0.3)
    assert np.abs(small.astype(int) - 127).max() <= 45
    assert abs(float(small.mean()) - 127.5) < 2


def test_the_same_scale_is_the_same_picture() -> None:
    image = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    assert to_scale(image, 0.2, 0.2) is image


def test_a_window_holds_what_is_around_its_centre() -> None:
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)[:, :, None].repeat(3, axis=2)
    cut = window(image, 5, 4, 4)
    assert cut is not None
    assert cut[:, :, 0].tolist() == image[2:6, 3:7, 0].tolist()


def test_a_window_that_leaves_the_picture_is_none() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    assert window(image, 5, 5, 10) is not None
    assert window(image, 6, 5, 10) is None
    assert window(image, 5, 4, 10) is None
