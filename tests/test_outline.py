"""Tiles become the outlines that a person would draw around them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from web.outline import inner_place, tile_outlines


def runs_of(tiles: set[tuple[int, int]]) -> list[tuple[int, int, int]]:
    return [(row, column, column) for column, row in sorted(tiles)]


def area(loop: list[tuple[float, float]]) -> float:
    """Positive for a loop that goes clockwise, y downward."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(loop, [*loop[1:], loop[0]], strict=True)) / 2


def test_a_block_of_tiles_has_four_corners() -> None:
    assert tile_outlines([(2, 1, 4), (3, 1, 4)]) == [[(1, 2), (5, 2), (5, 4), (1, 4)]]


def test_a_hole_is_an_outline_of_its_own_that_goes_the_other_way() -> None:
    ring = {(x, y) for x in range(3) for y in range(3)} - {(1, 1)}
    outer, hole = tile_outlines(runs_of(ring))
    assert (area(outer), area(hole)) == (9, -1)


def test_tiles_that_touch_at_a_corner_are_two_outlines() -> None:
    assert [area(loop) for loop in tile_outlines([(0, 0, 0), (1, 1, 1)])] == [1, 1]


SOME_TILES = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1)


@given(SOME_TILES)
def test_outlines_enclose_as_much_as_their_tiles(tiles: set[tuple[int, int]]) -> None:
    assert sum(area(loop) for loop in tile_outlines(runs_of(tiles))) == len(tiles)


@given(SOME_TILES)
def test_a_label_stands_inside(tiles: set[tuple[int, int]]) -> None:
    x, y = inner_place(tile_outlines(runs_of(tiles)))
    assert any(column <= x <= column + 1 and row <= y <= row + 1 for column, row in tiles)
