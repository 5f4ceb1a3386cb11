"""How long a way through places is, and how short any way through them could be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.point import Point


def travel_um(places: Sequence[Point]) -> float:
    """Return the length of the straight ways from each place to the next, in the plane."""
    return sum(math.hypot(b.x_um - a.x_um, b.y_um - a.y_um) for a, b in pairwise(places))


def shortest_possible_um(places: Sequence[Point]) -> float:
    """Return a length that no way through all the places can be below: their minimum spanning tree's.

    A way from place to place is itself a tree that spans them. Method: Prim 1957, Bell Syst. Tech. J. 36:1389.
    """
    if len(places) < 2:
        return 0.0
    xy = np.array([(place.x_um, place.y_um) for place in places])
    away = np.hypot(*(xy - xy[0]).T)
    away[0] = np.inf
    outside = np.ones(len(places), dtype=bool)
    outside[0] = False
    total = 0.0
    for _ in range(len(places) - 1):
        nearest = int(np.argmin(away))
        total += float(away[nearest])
        outside[nearest] = False
        closer = np.hypot(*(xy - xy[nearest]).T)
        away = np.where(outside, np.minimum(away, closer), np.inf)
    return total


def improved_by_two_opt(places: Sequence[Point], rounds: int = 20) -> list[Point]:
    """Return an order of the same places, from the same first one, that no reversal of a part shortens further.

    At most so many passes. Source: Croes 1958, Oper. Res. 6:791.
    """
    order = list(range(len(places)))
    way = np.array([complex(place.x_um, place.y_um) for place in places])
    for _ in range(rounds):
        changed = False
        for i in range(len(order) - 2):
            end = i + 1
            while (end := _shortened(way, i, end + 1)) < len(order):
                part = slice(i + 1, end + 1)
                order[part], way[part] = order[part][::-1], way[part][::-1].copy()
                changed = True
        if not changed:
            break
    return [places[number] for number in order]


def _shortened(way: NDArray[np.complex128], i: int, first: int) -> int:
    """Return where the first part ends that begins after ``i`` and whose reversal shortens the way.

    The way's length where there is none.  way: places in their order, x + iy.  first: the earliest end.
    """
    ends = way[first:]
    saved = abs(way[i + 1] - way[i]) - np.abs(ends - way[i])
    saved[:-1] += np.abs(np.diff(ends)) - np.abs(ends[1:] - way[i + 1])
    found = np.flatnonzero(saved > 1e-6)
    return first + int(found[0]) if len(found) else len(way)
