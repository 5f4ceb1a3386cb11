"""A camera that sits askew: what it sees lies where its seat says, and truth and picture agree."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.simulator.askew import AskewSlide, Seat
from appliance.simulator.mount import Mount
from appliance.simulator.service_slides import Blank, GridSlide
from appliance.simulator.slide import TrueCell

SEAT = Seat(turned_deg=7.0, sheared_deg=0.8, stretch=1.01)


def test_a_place_of_the_slide_goes_to_the_picture_and_back() -> None:
    assert SEAT.to_slide(*SEAT.to_picture(120.0, -30.0)) == pytest.approx((120.0, -30.0))


def test_a_pixel_is_as_large_as_the_seat_says() -> None:
    x, y = SEAT.matrix.T
    assert np.hypot(*x) == pytest.approx(1.01)
    assert np.hypot(*y) == pytest.approx(1 / 1.01)
    assert np.degrees(np.arctan2(x[1], x[0])) == pytest.approx(7.0)


def test_a_crossing_of_lines_is_seen_where_the_seat_puts_it() -> None:
    x, y = SEAT.to_picture(1000.0, 1000.0)
    light = AskewSlide(GridSlide(50, 4), SEAT).light(x - 20, y - 20, 400, 400, 0.1)[..., 1]
    dark = np.argwhere(light[150:251, 150:251] < 0.5) + 150.5

    assert light[200, 200] < 0.05
    assert dark.mean(axis=0) == pytest.approx((200, 200), abs=0.6)


def test_a_straight_seat_changes_nothing() -> None:
    straight, plain = AskewSlide(GridSlide(50, 4), Seat()), GridSlide(50, 4)

    assert straight.digest == plain.digest
    np.testing.assert_array_equal(straight.light(90, 90, 30, 20, 1.0), plain.light(90, 90, 30, 20, 1.0))


def test_the_stage_stands_where_the_slides_own_place_is_in_the_middle() -> None:
    mount = Mount(x_um=100.0, y_um=50.0, seat=SEAT)
    stage = mount.stage_place(*SEAT.to_picture(700.0, 300.0))

    assert (stage.x_um, stage.y_um) == pytest.approx((800.0, 350.0))
    assert SEAT.to_slide(*mount.slide_place(stage)) == pytest.approx((700.0, 300.0))


def test_truth_lies_along_the_pictures_axes() -> None:
    class OneCell(Blank):
        def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
            return [TrueCell("lymphocyte", 500.0, 400.0, 4.0, at_edge=False)]

    x, y = SEAT.to_picture(500.0, 400.0)
    (found,) = AskewSlide(OneCell(), SEAT).truth(x - 5, y - 5, 10, 10)

    assert (found.x_um, found.y_um) == pytest.approx((x, y))
    assert AskewSlide(OneCell(), SEAT).truth(x + 1, y - 5, 10, 10) == []
