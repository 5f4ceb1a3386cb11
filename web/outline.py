"""Tiles as outlines: what a page draws of a region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

Corner = tuple[float, float]
Loop = list[Corner]

SCAN_LINES = 24


def tile_outlines(runs: Iterable[tuple[int, int, int]]) -> list[Loop]:
    """Return the outlines of tiles, in tiles: corners (column, row) in order, each loop once, holes too.

    runs: row, first and last column of tiles side by side.
    """
    tiles = {(column, row) for row, first, last in runs for column in range(first, last + 1)}
    ways: dict[Corner, list[Corner]] = {}
    for column, row in tiles:
        # Clockwise, y downward: the tile is always on the right.
        for beside, start, end in (
            ((column, row - 1), (column, row), (column + 1, row)),
            ((column + 1, row), (column + 1, row), (column + 1, row + 1)),
            ((column, row + 1), (column + 1, row + 1), (column, row + 1)),
            ((column - 1, row), (column, row + 1), (column, row)),
        ):
            if beside not in tiles:
                ways.setdefault(start, []).append(end)
    loops = []
    for corner in sorted(ways, key=lambda corner: (corner[1], corner[0])):
        while ways[corner]:
            loops.append(_straightened(_loop(corner, ways)))
    return loops


def inner_place(loops: Sequence[Sequence[Corner]]) -> Corner:
    """Return a place well inside outlines, for a label: the middle of the longest line across them.

    Lines are tried at even heights. Outlines must enclose something.
    """
    heights = [y for loop in loops for _, y in loop]
    top, bottom = min(heights), max(heights)
    best_length, best = -1.0, loops[0][0]
    for line in range(SCAN_LINES):
        y = top + (line + 0.5) / SCAN_LINES * (bottom - top)
        crossings = sorted(x for loop in loops for x in _crossings(loop, y))
        for left, right in zip(crossings[::2], crossings[1::2], strict=False):
            if right - left > best_length:
                best_length, best = right - left, ((left + right) / 2, y)
    return best


def _loop(start: Corner, ways: dict[Corner, list[Corner]]) -> Loop:
    """Follow the sides from a corner back to it, and take them away."""
    loop = [start]
    at, heading = start, (0.0, 0.0)
    while True:
        there = min(ways[at], key=lambda end: _turn(heading, (end[0] - at[0], end[1] - at[1])))
        ways[at].remove(there)
        heading = there[0] - at[0], there[1] - at[1]
        at = there
        if at == start:
            return loop
        loop.append(at)


def _turn(before: Corner, after: Corner) -> float:
    """Least for a right turn: where two tiles touch at a corner only, each keeps its own outline."""
    return before[1] * after[0] - before[0] * after[1]


def _straightened(loop: Loop) -> Loop:
    """Return a loop without the corners at which it goes straight on."""
    around = [loop[-1], *loop, loop[0]]
    return [
        here
        for (before, here), (_, after) in zip(pairwise(around), pairwise(around[1:]), strict=False)
        if (here[0] - before[0]) * (after[1] - here[1]) != (here[1] - before[1]) * (after[0] - here[0])
    ]


def _crossings(loop: Sequence[Corner], y: float) -> list[float]:
    return [
        x1 + (y - y1) / (y2 - y1) * (x2 - x1)
        for (x1, y1), (x2, y2) in zip(loop, (*loop[1:], loop[0]), strict=True)
        if (y1 > y) != (y2 > y)
    ]
