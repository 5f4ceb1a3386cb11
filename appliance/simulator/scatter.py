"""Where cells lie: at random, none nearer another than it may, the same whoever asks for what first."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Numbers = NDArray[np.float64]
Wanted = Callable[[Numbers, Numbers], Numbers]


def scattered(
    rng: np.random.Generator, width_um: float, height_um: float, most_per_mm2: float, wanted: Wanted
) -> tuple[Numbers, Numbers]:
    """Return random places (µm). wanted: at places, the share of `most_per_mm2` that is to lie there, 0 to 1."""
    count = int(rng.poisson(most_per_mm2 * width_um * height_um / 1e6))
    x, y = rng.uniform(0, width_um, count), rng.uniform(0, height_um, count)
    keep = rng.random(count) < wanted(x, y)
    return x[keep], y[keep]


def apart(x_um: Numbers, y_um: Numbers, reach_um: Numbers) -> NDArray[np.intp]:
    """Return which places stay when each, in turn, goes if it lies within both reaches of one that stayed.

    A random sequential adsorption: earlier places win, so shuffle or sort by what should win.
    """
    if not len(x_um):
        return np.zeros(0, dtype=np.intp)
    tree = cKDTree(np.column_stack([x_um, y_um]))
    pairs = tree.query_pairs(2 * float(reach_um.max()), output_type="ndarray")
    near = np.hypot(x_um[pairs[:, 0]] - x_um[pairs[:, 1]], y_um[pairs[:, 0]] - y_um[pairs[:, 1]])
    pairs = pairs[near < reach_um[pairs[:, 0]] + reach_um[pairs[:, 1]]]
    pairs = pairs[np.argsort(pairs[:, 1], kind="stable")]
    stays = np.ones(len(x_um), dtype=np.bool_)
    for earlier, later in pairs.tolist():
        if stays[earlier]:
            stays[later] = False
    return np.flatnonzero(stays)


def made_up_for(per_mm2: float, reach_um: float) -> float:
    """Return how dense to scatter so that about `per_mm2` stay `apart`: to first order, for sparse places."""
    crowded = per_mm2 * 1e-6 * math.pi * (2 * reach_um) ** 2
    return per_mm2 * math.exp(min(crowded, 2.5) / 2)


class Places:
    """Points of a slide, found by rectangle; in reading order of their buckets, then as they were given."""

    BUCKET_UM = 100.0

    def __init__(self, x_um: Numbers, y_um: Numbers) -> None:
        self.x_um, self.y_um = x_um, y_um
        columns = np.floor(x_um / self.BUCKET_UM).astype(np.int64)
        rows = np.floor(y_um / self.BUCKET_UM).astype(np.int64)
        self._columns = int(columns.max(initial=0)) + 1
        key = rows * self._columns + columns
        self._order = np.argsort(key, kind="stable")
        self._key = key[self._order]
        self._rows = int(rows.max(initial=0)) + 1

    def within(self, left_um: float, top_um: float, width_um: float, height_um: float) -> NDArray[np.intp]:
        """Return which points lie in a rectangle (its right and lower border left out)."""
        first, last = (
            min(max(math.floor(edge / self.BUCKET_UM), -1), self._columns)
            for edge in (left_um, left_um + width_um)
        )
        rows = range(
            max(math.floor(top_um / self.BUCKET_UM), 0),
            min(math.floor((top_um + height_um) / self.BUCKET_UM), self._rows - 1) + 1,
        )
        first, last = max(first, 0), min(last, self._columns - 1)
        found = [np.zeros(0, dtype=np.intp)]
        for row in rows:
            if first <= last:
                start, stop = np.searchsorted(
                    self._key, [row * self._columns + first, row * self._columns + last + 1]
                )
                found.append(self._order[start:stop])
        near = np.concatenate(found)
        x, y = self.x_um[near], self.y_um[near]
        inside = (x >= left_um) & (x < left_um + width_um) & (y >= top_um) & (y < top_um + height_um)
        return near[inside]
