"""How a picture lies on the stage, from a stage map, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ApplianceRefused
from appliance.picture_axes import ALONG, Axes
from appliance.simulator.imperfect import Imperfect

TURNED = st.floats(-14, 14)
SHEARED = st.floats(-1, 1)
STRETCHED = st.floats(0.99, 1.01)
WAY = st.tuples(st.floats(-200, 200), st.floats(-200, 200))


@given(turned=TURNED, sheared=SHEARED, along_x=STRETCHED, along_y=STRETCHED, way=WAY)
def test_there_and_back_is_where_it_was(
    turned: float, sheared: float, along_x: float, along_y: float, way: tuple[float, float]
) -> None:
    axes = Axes.of_stage_map(1.0, along_x, along_y, turned, sheared)
    assert axes.to_picture(*axes.to_stage(*way)) == pytest.approx(way, abs=1e-9)


@given(number=st.integers(1, 200), way=WAY)
def test_a_true_stage_map_gives_true_ways(number: int, way: tuple[float, float]) -> None:
    true = Imperfect.drawn(number)
    x, y = true.stage_map.T
    rotation = math.degrees(math.atan2(x[1], x[0]))
    shear = math.degrees(math.atan2(y[1], y[0])) - rotation - 90
    axes = Axes.of_stage_map(true.um_per_px, 1 / np.hypot(*x), 1 / np.hypot(*y), rotation, shear)
    told = np.linalg.solve(true.stage_map, np.array(way) / true.um_per_px)
    assert axes.to_stage(*way) == pytest.approx(tuple(told), abs=1e-6)


@given(turned=TURNED, sheared=SHEARED, across=st.integers(-2, 2), down=st.integers(-2, 2))
def test_turned_fields_so_far_apart_never_overlap(
    turned: float, sheared: float, across: int, down: int
) -> None:
    axes = Axes.of_stage_map(1.0, 1.0, 1.0, turned, sheared)
    width, height = 140.0 * axes.apart, 100.0 * axes.apart
    x, y = axes.to_picture(across * (width + 4.0), down * (height + 4.0))
    assert (across, down) == (0, 0) or abs(x) >= 140.0 or abs(y) >= 100.0


def test_a_straight_picture_is_left_as_it_is() -> None:
    assert (ALONG.apart, ALONG.turned_deg, ALONG.to_stage(3.0, 4.0)) == (1.0, 0.0, (3.0, 4.0))


@pytest.mark.parametrize("turned", [20.0, -90.0, 180.0])
def test_a_camera_that_is_turned_far_is_refused(turned: float) -> None:
    with pytest.raises(ApplianceRefused, match=r"The camera is turned by -?\d+° against the stage"):
        Axes.of_stage_map(0.1, 0.1, 0.1, turned, 0.0)


def test_a_mirrored_picture_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="or its picture is mirrored"):
        Axes(1.0, 0.0, 0.0, -1.0)
