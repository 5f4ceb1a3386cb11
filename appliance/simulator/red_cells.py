"""Red cells: a bank of drawn ones, and how they lie in a smear of a given density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator.ink import HAEMOGLOBIN, passed
from appliance.simulator.sprites import DRAWN_UM_PER_PX, Sprite

Numbers = NDArray[np.float64]
DIAMETER_UM = 7.4
DIAMETER_SPREAD = 0.045  # a red cell distribution width of about 13 % in volume
PALE, FLAT = 64, 24  # drawn: with pallor, and without it as in the feathered end
PITCH_UM = 6.9  # of the hexagonal grid from whose shaken nodes red cells are kept
FULLEST = 1000 / (PITCH_UM**2 * math.sqrt(3) / 2)  # nodes per 1000 µm²
SHAKEN_UM = 0.95
STACKED_UM = 2.1  # from coin to coin in a rouleau
LONGEST_STACK = 10


@dataclass(frozen=True, slots=True, eq=False)
class RedCells:
    """Where red cells lie (centres, µm) and which sprite of the bank each one is."""

    x_um: Numbers
    y_um: Numbers
    sprite: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the smear is like at a place.

    per_1000_um2: red cells.  flat: share without pallor, 0 to 1.  stacked: share of them that lie in rouleaux.
    """

    per_1000_um2: Numbers
    flat: Numbers
    stacked: Numbers


def bank(rng: np.random.Generator) -> list[Sprite]:
    """Draw `PALE` red cells with pallor, then `FLAT` ones without."""
    return [_drawn(rng, number < PALE) for number in range(PALE + FLAT)]


def lay(rng: np.random.Generator, x_um: Numbers, y_um: Numbers, crowd: Crowd, layer_share: float) -> RedCells:
    """Keep the nodes that hold a red cell and shake them; some grow into a rouleau.

    x_um, y_um: nodes of one layer.  layer_share: which part of the density this layer holds.
    """
    size = len(x_um)
    stacks = rng.random(size) < crowd.stacked
    many = np.where(stacks, rng.integers(4, LONGEST_STACK + 1, size), 1)
    keep = rng.random(size) < crowd.per_1000_um2 * layer_share / FULLEST / np.where(stacks, many, 1)
    x, y = x_um + rng.normal(0, SHAKEN_UM, size), y_um + rng.normal(0, SHAKEN_UM, size)
    flat = rng.random(size) < crowd.flat
    which = np.where(flat, PALE + rng.integers(0, FLAT, size), rng.integers(0, PALE, size))
    way, bend = rng.uniform(0, 2 * math.pi, size), rng.normal(0, 0.06, size)
    x, y, which, way, bend = x[keep], y[keep], which[keep], way[keep], bend[keep]
    many = many[keep].astype(np.intp)
    coin = np.concatenate([np.arange(n) for n in many]) if len(many) else np.zeros(0)
    first = np.repeat(np.arange(len(many)), many)
    turn = way[first] + bend[first] * coin
    sprite = (which[first] + 7 * coin.astype(np.intp)) % PALE
    return RedCells(
        x[first] + STACKED_UM * coin * np.cos(turn),
        y[first] + STACKED_UM * coin * np.sin(turn),
        np.where(coin > 0, sprite, which[first]).astype(np.intp),
    )


def nodes(left_um: float, top_um: float, side_um: float, layer: int) -> tuple[Numbers, Numbers]:
    """Return the nodes of a layer's grid that lie in a square; squares side by side share none and miss none."""
    row_um = PITCH_UM * math.sqrt(3) / 2
    shift_x, shift_y = 0.37 * layer * PITCH_UM, 0.61 * layer * row_um
    rows = np.arange(math.ceil((top_um - shift_y) / row_um), math.ceil((top_um + side_um - shift_y) / row_um))
    xs, ys = [], []
    for row in rows:
        start = shift_x + (row % 2) * PITCH_UM / 2
        first, last = (
            math.ceil((left_um - start) / PITCH_UM),
            math.ceil((left_um + side_um - start) / PITCH_UM),
        )
        xs.append(start + PITCH_UM * np.arange(first, last))
        ys.append(np.full(last - first, shift_y + row * row_um))
    if not xs:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(xs), np.concatenate(ys)


def layers(most_per_1000_um2: float) -> int:
    """Return how many layers hold such a density without filling any grid to the last node."""
    return max(1, math.ceil(most_per_1000_um2 / (0.97 * FULLEST)))


def _drawn(rng: np.random.Generator, pallor: bool) -> Sprite:
    """A biconcave disc (a flattened ball without pallor), a little oval and uneven."""
    radius = DIAMETER_UM / 2 * float(rng.normal(1, DIAMETER_SPREAD))
    side = 2 * math.ceil((radius * 1.15 + 0.3) / DRAWN_UM_PER_PX) + 1
    axis = np.arange(side, dtype=np.float32) - side // 2
    x, y = np.meshgrid(axis, axis)
    distance, angle = cv2.cartToPolar(x, y)
    edge = radius / DRAWN_UM_PER_PX
    outline = edge * (1 + abs(rng.normal(0, 0.035)) * np.cos(2 * angle + rng.uniform(0, 6.3)))
    for wave in (3, 4, 5):
        outline += edge * rng.normal(0, 0.012) * np.cos(wave * angle + rng.uniform(0, 6.3))
    inside = distance / outline
    thickness = np.clip((1 - inside) * edge / 1.8, 0, 1)
    if pallor:
        start, width, depth = rng.uniform(0.0, 0.2), rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.95)
        far = np.clip((inside - start) / width, 0, 1)
        thickness *= 1 - depth * (1 - far * far * (3 - 2 * far))
    else:
        thickness *= 0.9
    thickness *= rng.normal(1, 0.07) * (1 + 0.22 * np.clip(1 - np.abs(inside - 0.92) / 0.07, 0, 1))
    return Sprite(passed(np.asarray(thickness, dtype=np.float32), HAEMOGLOBIN), radius)
