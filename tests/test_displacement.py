"""How far apart two pictures lie, from what both show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from builders_coloured_slide import CellSlide
from numpy.typing import NDArray

from appliance.displacement import Sight, displacement, sight

UM_PER_PX = 0.2
LEAST_UM = 15.0


def pixels(x_um: float, y_um: float, light: float = 235.0) -> NDArray[np.uint8]:
    """A picture of 70 × 50 µm of the slide whose upper left corner lies there, with noise of its own."""
    shares = CellSlide().light(x_um, y_um, 350, 250, UM_PER_PX)
    noise = np.random.default_rng(int(x_um + 1000 * y_um)).normal(0, 2.0, shares.shape)
    return np.clip(light * shares + noise, 0, 255).astype(np.uint8)


def seen(x_um: float, y_um: float, light: float = 235.0) -> Sight:
    return sight(pixels(x_um, y_um, light), UM_PER_PX)


@pytest.mark.parametrize("way_um", [(0, 0), (35, 25), (-35, 25), (50, 0), (0, -32)])
def test_pictures_that_overlap_tell_how_far_apart_they_lie(way_um: tuple[float, float]) -> None:
    found = displacement(seen(500, 400), seen(500 + way_um[0], 400 + way_um[1]), LEAST_UM)
    assert found is not None
    assert found.alike > 0.9
    assert (found.x_um, found.y_um) == pytest.approx(way_um, abs=1)


def test_a_lamp_that_grew_weaker_and_darker_corners_do_not_matter() -> None:
    dim = pixels(520, 400, light=150)
    y, x = np.mgrid[-1 : 1 : dim.shape[0] * 1j, -1 : 1 : dim.shape[1] * 1j]
    shaded = (dim * (1 - 0.15 * (x**2 + y**2))[..., None]).astype(np.uint8)
    found = displacement(seen(500, 400), sight(shaded, UM_PER_PX), LEAST_UM)
    assert found is not None
    assert (round(found.x_um), found.alike > 0.85) == (20, True)


def test_the_next_field_is_not_alike_on_any_part_of_the_way_to_it() -> None:
    there = [seen(300 + 75 * n, 300) for n in range(8)]
    way = (-5.0, 80.0), (-5.0, 5.0)
    found = [displacement(one, other, LEAST_UM, way) for one, other in pairwise(there)]
    assert max(each.alike for each in found if each is not None) < 0.7


def test_only_possible_displacements_are_looked_at() -> None:
    found = displacement(seen(500, 400), seen(530, 400), LEAST_UM, ((-5.0, 20.0), (-5.0, 5.0)))
    assert found is not None
    assert found.x_um <= 20
    assert found.alike < 0.8


def test_bare_glass_tells_nothing() -> None:
    bare = np.full((250, 350, 3), 235, dtype=np.uint8)
    assert displacement(sight(bare, UM_PER_PX), sight(bare, UM_PER_PX), LEAST_UM) is None


def test_a_picture_smaller_than_the_least_overlap_tells_nothing() -> None:
    one = seen(500, 400)
    assert displacement(one, one, 60.0) is None


def test_pictures_of_different_sizes_are_refused() -> None:
    one = seen(500, 400)
    with pytest.raises(ValueError, match="cannot be compared"):
        displacement(one, one[1:], LEAST_UM)
