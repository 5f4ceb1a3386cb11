"""Where on a slide what lies: maps of a smear's density, drawn once for the whole slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from appliance.simulator.grain import Grain

Map = NDArray[np.float32]
Numbers = NDArray[np.float64]
PITCH_UM = 25.0
EDGE_UM = 150.0  # so near the smear's border nobody counts
MONOLAYER = (9.0, 17.0)  # red cells per 1000 µm² where they lie side by side
MOST_FLAT = 0.5  # a cell counts where fewer red cells than this share have lost their pallor


@dataclass(frozen=True, slots=True)
class Hole:
    """A round place without cells: a bubble."""

    x_um: float
    y_um: float
    radius_um: float


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """Maps over the slide, a node every `PITCH_UM`.

    red: cells per 1000 µm².  white: how dense nucleated cells lie, as a share of the densest usual place.
    film: dried plasma, in units of its ink.  flat: share of red cells without pallor.  stacked: share in rouleaux.
    edge_um: how far inside the smear's border a place lies, 0 outside.  barred: where nobody counts for
    another reason (a particle, a clot).  holes: where no cell lies.
    """

    red: Map
    white: Map
    film: Map
    flat: Map
    stacked: Map
    edge_um: Map
    barred: Map
    holes: tuple[Hole, ...] = ()

    def at(self, of: Map, x_um: NDArray[Any], y_um: NDArray[Any]) -> Numbers:
        """Return a map's values at places (µm), between its nodes in a straight line."""
        x = np.asarray(x_um, dtype=np.float32).reshape(-1, 1) / np.float32(PITCH_UM)
        y = np.asarray(y_um, dtype=np.float32).reshape(-1, 1) / np.float32(PITCH_UM)
        pieces = [
            cv2.remap(
                of, x[k : k + 30000], y[k : k + 30000], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
            )
            for k in range(0, len(x), 30000)
        ]
        return np.concatenate(pieces).ravel().astype(np.float64) if pieces else np.zeros(0)

    def outside_holes(self, x_um: Numbers, y_um: Numbers) -> NDArray[np.bool_]:
        """Return which places lie in no hole."""
        free = np.ones(np.shape(x_um), dtype=np.bool_)
        for hole in self.holes:
            free &= np.hypot(x_um - hole.x_um, y_um - hole.y_um) > hole.radius_um
        return free

    def at_edge(self, x_um: Numbers, y_um: Numbers) -> NDArray[np.bool_]:
        """Return which places lie so near the smear's border, or so far in its feathered end, that nobody counts."""
        return (self.at(self.edge_um, x_um, y_um) < EDGE_UM) | (self.at(self.flat, x_um, y_um) > MOST_FLAT)

    def countable(self, x_um: Numbers, y_um: Numbers) -> NDArray[np.bool_]:
        """Return which places lie where a person would count."""
        red = self.at(self.red, x_um, y_um)
        thin = red <= MONOLAYER[1]
        return ~self.at_edge(x_um, y_um) & thin & (self.at(self.barred, x_um, y_um) < 0.5)


def blood_zones(
    rng: np.random.Generator,
    grain: Grain,
    width_um: float,
    height_um: float,
    holes: Sequence[Hole],
    clot: Hole | None,
) -> Zones:
    """A wedge smear: thick where the drop lay, thinner along x, a monolayer, a feathered end; glass around it."""
    x, y = _nodes(width_um, height_um)
    inside, along = _tongue(rng, grain, x, y, width_um, height_um)
    uneven = 1 + 0.10 * _noise(grain, x.shape, 9.0, 0) + 0.06 * _noise(grain, x.shape, 2.5, 1)
    red = np.interp(along, [0, 0.10, 0.32, 0.46, 0.80, 0.93, 1.0], [44, 40, 25, 15.5, 12, 8.0, 4.0]) * uneven
    flat = np.interp(along, [0.80, 0.95], [0.0, 1.0])
    patchy = np.clip(
        0.5 + _noise(grain, x.shape, 2.5, 2) - 1.4 * np.interp(along, [0.88, 1.0], [-0.5, 1.0]), 0, 1
    )
    red *= np.where(along > 0.88, patchy, 1.0)
    white = np.interp(along, [0, 0.4, 0.86, 0.97, 1.0], [1.5, 1.0, 1.0, 1.5, 0.8]) * uneven
    barred = np.zeros_like(x)
    if clot is not None:
        inner = np.clip(1.5 - np.hypot(x - clot.x_um, y - clot.y_um) / clot.radius_um * 1.2, 0, 1)
        red = red + inner * 35
        white = white * (1 - np.clip(2 * inner, 0, 1))
        barred = (inner > 0.02).astype(np.float32)
    return _assembled(
        red, white, np.interp(red, [5, 45], [0.6, 5.0]), flat, stacks(red), inside, barred, holes
    )


def marrow_zones(
    rng: np.random.Generator, grain: Grain, width_um: float, height_um: float, holes: Sequence[Hole],
    particles: Sequence[Hole],
) -> Zones:  # fmt: skip
    """A squash-and-pull smear: particles near its beginning, a trail of cells behind each along x."""
    x, y = _nodes(width_um, height_um)
    inside, along = _tongue(rng, grain, x, y, width_um, height_um)
    uneven = 1 + 0.12 * _noise(grain, x.shape, 9.0, 0) + 0.06 * _noise(grain, x.shape, 2.5, 1)
    red = np.interp(along, [0, 0.08, 0.25, 0.85, 0.94, 1.0], [36, 27, 13, 11, 8.0, 4.0]) * uneven
    flat = np.interp(along, [0.84, 0.96], [0.0, 1.0])
    white = np.full_like(x, 0.06)
    barred = np.zeros_like(x)
    for of in particles:
        behind = x - of.x_um
        wander = 0.35 * of.radius_um * _noise(grain, x.shape, 24.0, int(rng.integers(400)))
        across = np.abs(y - of.y_um + wander) / (of.radius_um * (0.9 + behind.clip(0) / 6000))
        length = of.radius_um * rng.uniform(12, 22)
        white += np.where(behind > 0, np.exp(-(across**2)) * np.exp(-((behind / length) ** 2)), 0)
        near = np.hypot(behind, y - of.y_um) < of.radius_um * 1.3
        barred = np.maximum(barred, near)
    white = np.clip(white, 0, 1.2) * (0.8 + 0.35 * _noise(grain, x.shape, 4.0, 3)).clip(0.15, 1.3)
    red = red * (1 - 0.45 * np.clip(white, 0, 1))
    return _assembled(red, white, 0.8 + 1.6 * white, flat, stacks(red), inside, barred, holes)


def _assembled(
    red: Numbers, white: Numbers, film: Numbers, flat: Numbers, stacked: Numbers, inside: Numbers, barred: Numbers,
    holes: Sequence[Hole],
) -> Zones:  # fmt: skip
    edge = np.asarray(distance_transform_edt(inside > 0.5), dtype=np.float32) * np.float32(PITCH_UM)
    for hole in holes:
        height, width = edge.shape
        y, x = np.mgrid[:height, :width] * PITCH_UM
        edge = np.minimum(edge, np.clip(np.hypot(x - hole.x_um, y - hole.y_um) - hole.radius_um, 0, None))
    red, white, film = red * inside, white * inside, film * inside
    return Zones(
        *(
            _plain(red),
            _plain(white),
            _plain(film),
            _plain(flat),
            _plain(stacked),
            _plain(edge),
            _plain(barred),
        ),
        holes=tuple(holes),
    )


def _plain(values: NDArray[Any]) -> Map:
    return np.ascontiguousarray(values, dtype=np.float32)


def stacks(red: Numbers) -> Numbers:
    """Return the share of red cells in rouleaux, given how many lie on 1000 µm²: more the thicker."""
    return np.interp(red, [17, 30], [0.0, 0.45])


def _nodes(width_um: float, height_um: float) -> tuple[Numbers, Numbers]:
    across = np.arange(0, width_um + PITCH_UM, PITCH_UM)
    down = np.arange(0, height_um + PITCH_UM, PITCH_UM)
    x, y = np.meshgrid(across, down)
    return x, y


def _tongue(
    rng: np.random.Generator, grain: Grain, x: Numbers, y: Numbers, width_um: float, height_um: float
) -> tuple[Numbers, Numbers]:
    """The smear's outline (1 inside, 0 outside) and how far along it a place lies, 0 to 1."""
    wobble = _noise(grain, x.shape, 24.0, int(rng.integers(400)))
    across = (y - height_um / 2) / (height_um / 2)
    begin = 0.06 * width_um + 120 * wobble
    end = width_um * (0.93 - 0.09 * across**2) + 220 * wobble + 120 * _noise(grain, x.shape, 4.0, 5)
    along = (x - begin) / (end - begin)
    side = 0.86 + 0.02 * wobble
    inside = (along > 0) & (along < 1) & (np.abs(across) < side)
    return inside.astype(np.float64), np.clip(along, 0, 1)


def _noise(grain: Grain, shape: tuple[int, ...], size: float, start: int) -> Numbers:
    """Noise over the slide with grains of so many nodes; the torus repeats beyond its side."""
    torus = np.roll(grain.torus(size), 37 * start + 11, axis=(0, 1))
    times = (-(-shape[0] // torus.shape[0]), -(-shape[1] // torus.shape[1]))
    return np.tile(torus, times)[: shape[0], : shape[1]].astype(np.float64)
