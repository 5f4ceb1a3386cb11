"""How long a way through places is, and how short any way through them could be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

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
    order = list(places)
    for _ in range(rounds):
        changed = False
        for i in range(len(order) - 2):
            a, b = order[i], order[i + 1]
            for j in range(i + 2, len(order)):
                c = order[j]
                d = order[j + 1] if j + 1 < len(order) else None
                before = _apart(a, b) + (_apart(c, d) if d else 0.0)
                after = _apart(a, c) + (_apart(b, d) if d else 0.0)
                if after < before - 1e-6:
                    order[i + 1 : j + 1] = reversed(order[i + 1 : j + 1])
                    b, changed = order[i + 1], True
        if not changed:
            break
    return order


def _apart(a: Point, b: Point) -> float:
    return math.hypot(b.x_um - a.x_um, b.y_um - a.y_um)
