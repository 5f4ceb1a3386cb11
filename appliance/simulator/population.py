"""Who lies where on a smear: every nucleated cell, platelet, clump of stain and speck of dust, placed at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.simulator.litter import PRECIPITATES, SPECKS
from appliance.simulator.mixture import Mixture
from appliance.simulator.scatter import Numbers, apart, made_up_for, scattered
from appliance.simulator.sprites import Sprite
from appliance.simulator.zones import Zones

SMUDGE = "smudge_cell"
REACH_UM = 8.6  # of a cell that stands alone: the next one's centre is at least twice that far
DENSEST = 1.6  # the highest share that a map of nucleated cells reaches
PRESSED_UM = 0.25  # touching cells flatten each other a little
SMALL = ("platelet", "precipitate", "dust")


class Stock(Protocol):
    """Where nucleated cells come from: so many variants of each label."""

    def variants(self, label: str) -> int:
        """How many there are."""

    def spacing_um(self, label: str, variant: int) -> float:
        """A radius to place it by, known at once."""

    def radius_um(self, label: str, variant: int) -> float:
        """Its radius."""

    def sprite(self, label: str, variant: int) -> Sprite:
        """Its picture."""

    def source(self, label: str, variant: int) -> str:
        """The image that it was cut from; empty for a drawn one."""


@dataclass(frozen=True, slots=True, eq=False)
class Nucleated:
    """The nucleated cells (and smudge cells) of a slide.

    label: index into `labels`.  variant: of the stock.  turn_deg, flipped, grown: how its sprite is stamped.
    """

    labels: tuple[str, ...]
    x_um: Numbers
    y_um: Numbers
    label: NDArray[np.intp]
    variant: NDArray[np.intp]
    turn_deg: Numbers
    flipped: NDArray[np.bool_]
    grown: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """Platelets, clumps of stain and dust. kind: index into `SMALL`.  variant: of what is drawn of it."""

    x_um: Numbers
    y_um: Numbers
    kind: NDArray[np.intp]
    variant: NDArray[np.intp]
    turn_deg: Numbers


def nucleated(
    rng: np.random.Generator, zones: Zones, width_um: float, height_um: float, mixture: Mixture, stock: Stock
) -> Nucleated:
    """Place a smear's nucleated cells, alone or in touching clusters.

    Labels are drawn after places are found, so that no label is rarer for being large.
    """
    dense = made_up_for(mixture.white_per_mm2, REACH_UM)
    x, y = scattered(
        rng, width_um, height_um, dense * DENSEST, lambda x, y: zones.at(zones.white, x, y) / DENSEST
    )
    free = zones.outside_holes(x, y) & (zones.at(zones.edge_um, x, y) > 0)
    x, y = x[free], y[free]
    many = np.where(rng.random(len(x)) < mixture.clustered, rng.integers(2, 6, len(x)), 1)
    stays = apart(x, y, np.where(many > 1, REACH_UM * (0.6 + 0.75 * np.sqrt(many)), REACH_UM))
    x, y, many = x[stays], y[stays], many[stays]
    labels = (*mixture.shares, SMUDGE)
    label, variant = _named(rng, labels, mixture, stock, int(many.sum()))
    x, y = _clustered(
        rng, x, y, many, [stock.spacing_um(labels[k], int(v)) for k, v in zip(label, variant, strict=True)]
    )
    count = len(x)
    return Nucleated(
        labels,
        x,
        y,
        label,
        variant,
        rng.uniform(0, 360, count),
        rng.random(count) < 0.5,
        rng.uniform(0.96, 1.04, count),
    )


def _named(
    rng: np.random.Generator, labels: Sequence[str], mixture: Mixture, stock: Stock, count: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw labels by their shares, and variants so that all of a label are used before any is used again."""
    shares = np.array([mixture.shares[name] for name in labels[:-1]], dtype=np.float64)
    shares = np.append(shares / shares.sum() * (1 - mixture.smudged), mixture.smudged)
    label = rng.choice(len(labels), count, p=shares)
    variant = np.zeros(count, dtype=np.intp)
    for index, name in enumerate(labels):
        mine = np.flatnonzero(label == index)
        if len(mine):
            order = rng.permutation(stock.variants(name))
            variant[mine] = np.resize(order, len(mine))
    return label, variant


def _clustered(
    rng: np.random.Generator, x: Numbers, y: Numbers, many: NDArray[np.intp], radii: Sequence[float]
) -> tuple[Numbers, Numbers]:
    """Put each cluster's cells side by side, the first where the cluster lies."""
    xs, ys = np.repeat(x, many), np.repeat(y, many)
    first = np.concatenate([[0], np.cumsum(many)])[:-1]
    for start, size in zip(first[many > 1].tolist(), many[many > 1].tolist(), strict=True):
        turn = rng.uniform(0, 2 * math.pi)
        for k in range(start + 1, start + size):
            _touch(xs, ys, radii, start, k, turn)
            turn += 1.05
    return xs, ys


def _touch(xs: Numbers, ys: Numbers, radii: Sequence[float], start: int, k: int, turn: float) -> None:
    """Lay cell k against the cluster's first cell, or against a later one where it would overlap others there."""
    for beside in range(start, k):
        for step in range(12):
            way = turn + step * math.pi / 6
            far = radii[beside] + radii[k] - PRESSED_UM
            x, y = xs[beside] + far * math.cos(way), ys[beside] + far * math.sin(way)
            if all(
                math.hypot(x - xs[j], y - ys[j]) >= radii[j] + radii[k] - 2 * PRESSED_UM
                for j in range(start, k)
            ):
                xs[k], ys[k] = x, y
                return


def small(
    rng: np.random.Generator, zones: Zones, width_um: float, height_um: float, mixture: Mixture,
    cells: Nucleated, variants: Mapping[str, int],
) -> Small:  # fmt: skip
    """Place platelets (between cells, more where red cells are many), clumps of stain, and dust (anywhere)."""
    thick = 45.0  # red cells per 1000 µm² at most
    most = thick * 1000 * mixture.platelets_per_red
    x, y = scattered(rng, width_um, height_um, most, lambda x, y: zones.at(zones.red, x, y) / thick)
    free = zones.outside_holes(x, y) & _beside(x, y, cells)
    places = [(x[free], y[free])]
    x, y = scattered(
        rng, width_um, height_um, mixture.precipitate_per_mm2,
        lambda x, y: np.clip(zones.at(zones.edge_um, x, y), 0, 1),
    )  # fmt: skip
    places.append((x, y))
    places.append(scattered(rng, width_um, height_um, mixture.dust_per_mm2, lambda x, y: np.ones_like(x)))
    sizes = [len(x) for x, _ in places]
    many = (variants["platelet"], PRECIPITATES, SPECKS)
    count = sum(sizes)
    return Small(
        np.concatenate([x for x, _ in places]),
        np.concatenate([y for _, y in places]),
        np.repeat(np.arange(3), sizes),
        np.concatenate([rng.integers(0, n, size) for n, size in zip(many, sizes, strict=True)]).astype(
            np.intp
        ),
        rng.uniform(0, 360, count),
    )


def _beside(x: Numbers, y: Numbers, cells: Nucleated) -> NDArray[np.bool_]:
    from scipy.spatial import cKDTree

    if not len(cells.x_um) or not len(x):
        return np.ones(len(x), dtype=np.bool_)
    far, _ = cKDTree(np.column_stack([cells.x_um, cells.y_um])).query(np.column_stack([x, y]))
    return np.asarray(far > REACH_UM + 2.0)
