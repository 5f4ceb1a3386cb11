"""In which order the fields of one region are visited: block by block, each like a ploughed field.

A count ends after some fifty fields, long before a region does. So a region is travelled in compact blocks, the
fullest and innermost first: its border is where a survey errs, and fields near each other share their focus.
Within a block rows are travelled to and fro, or all alike, along x or along y, from whichever corner the moves cost
least. Where a block has gaps, crossing ways are straightened too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from appliance.travel import improved_by_two_opt
from firmware_bridge.point import Point

BLOCK_UM = 1300.0  # across: a little over a hundred fields at a hundredfold magnification
FULL_ENOUGH = 0.6

Cell = tuple[int, int]  # row, column
Cells = Mapping[Cell, Point]
Cost = Callable[[Sequence[Point]], float]


def ploughed(cells: Cells, pitch_um: tuple[float, float], cost: Cost, at: Point | None) -> list[Point]:
    """Return a region's fields in the order of the visit.

    cells: centres by row and column of the grid.  pitch_um: along x and y.  cost: of an order of places, µm.
    at: where the stage stands before.
    """
    if not cells:
        return []
    high, wide = max(1, round(BLOCK_UM / pitch_um[1])), max(1, round(BLOCK_UM / pitch_um[0]))
    first = _fullest(cells, high, wide)
    blocks: dict[Cell, dict[Cell, Point]] = {}
    for (row, column), centre in cells.items():
        key = (row - first[0]) // high, (column - first[1]) // wide
        blocks.setdefault(key, {})[row, column] = centre
    order: list[Point] = []
    here: Cell | None = (0, 0)
    while here is not None:
        order += _cheapest(blocks.pop(here), cost, order[-1] if order else at)
        here = _next(blocks, order[-1], high * wide)
    return order


def _fullest(cells: Cells, high: int, wide: int) -> Cell:
    """Return the upper left cell of the block with most fields; of several, that nearest to the region's middle."""
    places = np.array(list(cells))
    low = places.min(axis=0) - (high, wide)
    shape = places.max(axis=0) - low + (high + 1, wide + 1)
    there = np.zeros(shape, dtype=np.int32)
    there[tuple((places - low).T)] = 1
    sums = np.pad(there.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    counts = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    rows, columns = np.nonzero(counts == counts.max())
    middle = places.mean(axis=0) - low - (high / 2, wide / 2)
    best = int(np.argmin((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2))
    return int(rows[best] + low[0]), int(columns[best] + low[1])


def _next(blocks: Mapping[Cell, Cells], at: Point, whole: int) -> Cell | None:
    """Return the nearest block that is full enough; when there is none left, the nearest of the rest."""

    def away(key: Cell) -> tuple[bool, float, Cell]:
        centres = blocks[key].values()
        nearest = min(math.hypot(c.x_um - at.x_um, c.y_um - at.y_um) for c in centres)
        return len(centres) < FULL_ENOUGH * whole, round(nearest, 3), key

    return min(blocks, key=away, default=None)


def _cheapest(block: Cells, cost: Cost, at: Point | None) -> list[Point]:
    """Return a block's fields in the cheapest order, the way to it included."""

    def with_way(order: Sequence[Point]) -> float:
        return cost(order if at is None else [at, *order])

    ways = product((True, False), repeat=4)
    best = min(([block[cell] for cell in _rows(block, *way)] for way in ways), key=with_way)
    if _has_gaps(block):
        straightened = improved_by_two_opt(best if at is None else [at, *best])[0 if at is None else 1 :]
        best = min(best, straightened, key=with_way)
    return best


def _has_gaps(block: Cells) -> bool:
    rows, columns = {row for row, _ in block}, {column for _, column in block}
    return len(block) < (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1)


def _rows(block: Cells, along_x: bool, forward: bool, first: bool, to_and_fro: bool) -> Iterator[Cell]:
    """Yield a block's cells line by line.

    forward: lines in ascending order.  first: the first line is travelled in ascending order.
    to_and_fro: the next one the other way round; else all alike.
    """
    lines: dict[int, list[int]] = {}
    for row, column in block:
        line, place = (row, column) if along_x else (column, row)
        lines.setdefault(line, []).append(place)
    ascending = first
    for line in sorted(lines, reverse=not forward):
        for place in sorted(lines[line], reverse=not ascending):
            yield (line, place) if along_x else (place, line)
        if to_and_fro:
            ascending = not ascending
