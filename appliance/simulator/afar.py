"""The slide from afar: too coarse for single red cells, so their mean light and its grain stand for them.

Both are measured on the same drawn cells that the near view stamps, so that the two views agree in brightness
and colour wherever one looks. Nucleated cells are still where they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator import litter, red_cells
from appliance.simulator.ink import HAEMOGLOBIN, Light
from appliance.simulator.population import Nucleated
from appliance.simulator.red_cells import Crowd
from appliance.simulator.scatter import Numbers
from appliance.simulator.sprites import Sprite, put
from appliance.simulator.zones import PITCH_UM, Map, Zones, stacks

DENSITIES = (0.0, 2.0, 5.0, 8.0, 11.0, 14.0, 17.0, 21.0, 26.0, 33.0, 42.0, 55.0, 80.0)
GRAIN_FROM = 13.0  # red cells per 1000 µm² whose grain stands for every density's
SQUARE_UM = 480.0
STRIP_PX = 256
LOOKED_AT = 3  # variants that stand for all of a label
CLEARED_UM2 = 280.0  # around a nucleated cell there lies no red one
FINE_UM_PER_PX = 1.0
GREEN = HAEMOGLOBIN[1]


class Seen(Protocol):
    """What it needs of a smear."""

    zones: Zones
    cells: Nucleated
    patches: list[litter.Patch]

    def film(self, left_um: float, top_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        """The ground."""

    def red_stamps(self, um_per_px: float) -> list[Light]:
        """The bank of red cells at a scale."""

    def nucleated_sprite(self, label: int, variant: int) -> Sprite:
        """The picture of a nucleated cell."""

    def nucleated_within(
        self, left_um: float, top_um: float, width_um: float, height_um: float
    ) -> NDArray[np.intp]:
        """Which nucleated cells lie there."""

    def white_per_mm2(self, share: Map) -> Map:
        """How dense nucleated cells lie, given their map."""


@dataclass(frozen=True, slots=True, eq=False)
class _Grain:
    """At one scale, for each of `DENSITIES`: the mean amount of haemoglobin and its spread, and how the grain looks."""

    mean: Numbers
    spread: Numbers
    torus: NDArray[np.float32]


class Afar:
    """Draws a smear at a coarse scale."""

    def __init__(self, smear: Seen) -> None:
        self._smear = smear
        self._red = _what_is_left(smear)
        self._grains: dict[float, _Grain] = {}
        self._dots: dict[tuple[float, int, int], Light] = {}

    def light(self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        """Return the light that passes, H×W×3, its corner on the slide's raster of pixels of this size."""
        column, row = round(x_um / um_per_px), round(y_um / um_per_px)
        canvas = np.empty((height_px, width_px, 3), dtype=np.float32)
        for first in range(0, height_px, STRIP_PX):
            strip = canvas[first : first + STRIP_PX]
            strip[:] = self._strip(column, row + first, width_px, strip.shape[0], um_per_px)
        left, top = column * um_per_px, row * um_per_px
        margin = 30.0
        near = self._smear.nucleated_within(
            left - margin, top - margin, width_px * um_per_px + 2 * margin, height_px * um_per_px + 2 * margin
        )
        cells = self._smear.cells
        xs, ys = (cells.x_um[near] - left) / um_per_px, (cells.y_um[near] - top) / um_per_px
        for x, y, label, variant in zip(
            xs.tolist(), ys.tolist(), cells.label[near].tolist(), cells.variant[near].tolist(), strict=True
        ):
            put(canvas, self._dot(label, variant % LOOKED_AT, um_per_px), x, y)
        for patch in self._smear.patches:
            patch.lay_over(canvas, left, top, um_per_px)
        return canvas

    def _strip(self, column: int, row: int, width: int, height: int, um_per_px: float) -> Light:
        grain = self._grain(um_per_px)
        left, top = column * um_per_px, row * um_per_px
        mean = np.interp(self._red, DENSITIES, grain.mean).astype(np.float32)
        spread = np.interp(self._red, DENSITIES, grain.spread).astype(np.float32)
        amount = _magnified(mean, left, top, width, height, um_per_px)
        side = grain.torus.shape[0]
        rows, columns = np.arange(row, row + height) % side, np.arange(column, column + width) % side
        amount += _magnified(spread, left, top, width, height, um_per_px) * grain.torus[rows][:, columns]
        np.maximum(amount, 0, out=amount)
        strip = self._smear.film(left, top, width, height, um_per_px)
        for channel, density in enumerate(HAEMOGLOBIN):
            strip[..., channel] *= cv2.exp(amount * np.float32(-density))
        return strip

    def _dot(self, label: int, variant: int, um_per_px: float) -> Light:
        key = (um_per_px, label, variant)
        if key not in self._dots:
            self._dots[key] = self._smear.nucleated_sprite(label, variant).stamp(um_per_px)
        return self._dots[key]

    def _grain(self, um_per_px: float) -> _Grain:
        if um_per_px not in self._grains:
            self._grains = {
                um_per_px: _measured(self._smear.red_stamps(um_per_px / _finer(um_per_px)), um_per_px)
            }
        return self._grains[um_per_px]


def _what_is_left(smear: Seen) -> Map:
    """The density of red cells, less those that nucleated cells push aside."""
    red, white = smear.zones.red, smear.white_per_mm2(smear.zones.white)
    careful = 1 - np.interp(red, [17.5, 37.5], [0.0, 0.8])
    height, width = red.shape
    x, y = np.meshgrid(np.arange(width) * PITCH_UM, np.arange(height) * PITCH_UM)
    free = smear.zones.outside_holes(x.ravel(), y.ravel()).reshape(height, width)
    return np.asarray(free * red * (1 - careful * (1 - np.exp(-white * CLEARED_UM2 / 1e6))), dtype=np.float32)


def _measured(stamps: list[Light], um_per_px: float) -> _Grain:
    """Lay squares of every density, and measure what passes them."""
    rng = np.random.default_rng(0)  # how light averages over red cells is no matter of chance
    squares = {density: _square(rng, stamps, um_per_px, density) for density in (*DENSITIES, GRAIN_FROM)}
    amounts = {density: -np.log(light) / GREEN for density, light in squares.items()}
    chosen = amounts[GRAIN_FROM]
    torus = np.asarray((chosen - chosen.mean()) / max(float(chosen.std()), 1e-6), dtype=np.float32)
    means, spreads = [], []
    for density in DENSITIES:
        spread = float(amounts[density].std())
        # The mean amount whose light, with this grain, is the mean light.
        grained = float(np.exp(-GREEN * spread * torus).mean())
        means.append(-math.log(float(squares[density].mean()) / grained) / GREEN)
        spreads.append(spread)
    return _Grain(np.array(means), np.array(spreads), torus)


def _square(
    rng: np.random.Generator, stamps: list[Light], um_per_px: float, density: float
) -> NDArray[np.float32]:
    """The green light that passes a square of one density that joins at its borders."""
    side, finer = max(8, round(SQUARE_UM / um_per_px)), _finer(um_per_px)
    span = side * um_per_px
    um_per_px /= finer
    canvas = np.ones((side * finer, side * finer, 3), dtype=np.float32)
    many = red_cells.layers(density)
    for layer in range(many):
        x, y = red_cells.nodes(0.0, 0.0, span, layer)
        even = np.ones_like(x)
        crowd = Crowd(even * density, even * 0, even * stacks(np.array([density])))
        laid = red_cells.lay(rng, x, y, crowd, 1 / many)
        for x_um, y_um, which in zip(
            laid.x_um.tolist(), laid.y_um.tolist(), laid.sprite.tolist(), strict=True
        ):
            for over_x in _copies(x_um, span):
                for over_y in _copies(y_um, span):
                    put(canvas, stamps[which], over_x / um_per_px, over_y / um_per_px)
    return np.asarray(
        cv2.resize(canvas[..., 1], (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32
    )


def _finer(um_per_px: float) -> int:
    """How many times finer red cells are laid before their light is averaged: averages don't multiply."""
    return math.ceil(um_per_px / FINE_UM_PER_PX)


def _copies(at: float, span: float) -> list[float]:
    at %= span
    return [at, at + span if at < 8.0 else at - span] if at < 8.0 or at > span - 8.0 else [at]


def _magnified(of: Map, left: float, top: float, width: int, height: int, um_per_px: float) -> Map:
    """A map of the slide, drawn at a finer scale."""
    factor = um_per_px / PITCH_UM
    matrix = np.array([[factor, 0, left / PITCH_UM + factor / 2], [0, factor, top / PITCH_UM + factor / 2]])
    seen = cv2.warpAffine(
        of,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.asarray(seen, dtype=np.float32)
