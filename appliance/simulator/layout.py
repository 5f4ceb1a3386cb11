"""What lies where on a slide before anything is drawn: its zones, large patches and nucleated cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from appliance.simulator import litter, red_cells
from appliance.simulator.grain import Grain
from appliance.simulator.mixture import Mixture
from appliance.simulator.population import Nucleated, Stock, nucleated
from appliance.simulator.red_cells import Crowd, RedCells
from appliance.simulator.zones import Hole, Zones, blood_zones, marrow_zones


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """zones: maps of density.  patches: bubbles, a clot, particles.  cells: the nucleated ones."""

    zones: Zones
    patches: list[litter.Patch]
    cells: Nucleated


LayingOut = Callable[[int, Grain, float, float, Mixture, Stock], Layout]
"""Lays out a slide from a seed, noise, its width and height (µm), its mixture and its stock of cells."""


def smear_layout(
    seed: int, grain: Grain, width_um: float, height_um: float, mixture: Mixture, stock: Stock
) -> Layout:
    """Lay out a wedge smear of blood, or a marrow smear with particles and trails."""
    zones, patches = _ground(np.random.default_rng([seed, 1]), grain, width_um, height_um, mixture)
    rng = np.random.default_rng([seed, 2])
    return Layout(zones, patches, nucleated(rng, zones, width_um, height_um, mixture, stock))


def red_crowd(
    rng: np.random.Generator, left_um: float, top_um: float, side_um: float, zones: Zones
) -> RedCells:
    """Lay the red cells of a square, layer upon layer where they lie dense."""
    corners = np.array([0.0, 0.5, 1.0]) * side_um
    x, y = (each.ravel() for each in np.meshgrid(left_um + corners, top_um + corners))
    many = red_cells.layers(float(zones.at(zones.red, x, y).max()))
    laid = []
    for layer in range(many):
        x, y = red_cells.nodes(left_um, top_um, side_um, layer)
        crowd = Crowd(zones.at(zones.red, x, y), zones.at(zones.flat, x, y), zones.at(zones.stacked, x, y))
        laid.append(red_cells.lay(rng, x, y, crowd, 1 / many))
    return RedCells(
        np.concatenate([each.x_um for each in laid]),
        np.concatenate([each.y_um for each in laid]),
        np.concatenate([each.sprite for each in laid]),
    )


def _ground(
    rng: np.random.Generator, grain: Grain, width: float, height: float, mixture: Mixture
) -> tuple[Zones, list[litter.Patch]]:
    """The zones of a smear and its large patches."""

    def somewhere(low: float, high: float, first: float, last: float) -> Hole:
        x, y = rng.uniform(first, last) * width, rng.uniform(0.2, 0.8) * height
        return Hole(float(x), float(y), float(rng.uniform(low, high)))

    holes = [somewhere(60, 260, 0.1, 0.85) for _ in range(mixture.bubbles)]
    patches = [litter.bubble(hole) for hole in holes]
    if mixture.marrow:
        particles = [somewhere(150, 420, 0.10, 0.38) for _ in range(mixture.particles)]
        patches += [litter.particle(rng, grain, each) for each in particles]
        return marrow_zones(rng, grain, width, height, holes, particles), patches
    clotted = somewhere(250, 500, 0.12, 0.40) if mixture.clots else None
    if clotted is not None:
        patches.append(litter.clot(rng, grain, clotted))
    return blood_zones(rng, grain, width, height, holes, clotted), patches
