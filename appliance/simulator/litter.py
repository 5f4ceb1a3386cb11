"""What lies on a smear beside its cells: stain precipitate, dust, bubbles, a clot, marrow particles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator import ink
from appliance.simulator.grain import SIDE, Grain
from appliance.simulator.ink import Light, densities
from appliance.simulator.nuclei import Pen
from appliance.simulator.sprites import DRAWN_UM_PER_PX, Sprite
from appliance.simulator.zones import Hole

PRECIPITATES, SPECKS = 12, 12  # drawn variants
PATCH_UM_PER_PX = 2.0
BUBBLE_RIM_UM = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Something large. density: H×W×3 at `PATCH_UM_PER_PX`, 0 at its border; left, top: its corner (µm)."""

    left_um: float
    top_um: float
    density: NDArray[np.float32]

    def lay_over(self, canvas: Light, left_um: float, top_um: float, um_per_px: float) -> None:
        """Let a canvas' light, whose corner lies at left, top, through this patch too."""
        height, width = canvas.shape[:2]
        side_x, side_y = (n * PATCH_UM_PER_PX for n in self.density.shape[1::-1])
        x0 = max(0, math.floor((self.left_um - left_um) / um_per_px))
        y0 = max(0, math.floor((self.top_um - top_um) / um_per_px))
        x1 = min(width, math.ceil((self.left_um + side_x - left_um) / um_per_px))
        y1 = min(height, math.ceil((self.top_um + side_y - top_um) / um_per_px))
        if x0 >= x1 or y0 >= y1:
            return
        factor = um_per_px / PATCH_UM_PER_PX
        shift_x = (left_um - self.left_um) / PATCH_UM_PER_PX + x0 * factor + (factor - 1) / 2
        shift_y = (top_um - self.top_um) / PATCH_UM_PER_PX + y0 * factor + (factor - 1) / 2
        matrix = np.array([[factor, 0, shift_x], [0, factor, shift_y]])
        source = self.density
        if factor > 1:
            source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.5 * factor), dtype=np.float32)
        size = (x1 - x0, y1 - y0)
        seen = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        canvas[y0:y1, x0:x1] *= np.exp(-seen)


def precipitates(rng: np.random.Generator) -> list[Sprite]:
    """Clumps of stain: dark round grains of 0.3 to 1.5 µm, lying together."""
    return [_precipitate(rng) for _ in range(PRECIPITATES)]


def specks(rng: np.random.Generator) -> list[Sprite]:
    """Dust: black crumbs and short fibres."""
    return [_speck(rng, number % 3 == 0) for number in range(SPECKS)]


def _precipitate(rng: np.random.Generator) -> Sprite:
    radius = float(rng.uniform(1.5, 5.0))
    side = 2 * math.ceil((radius + 2) / DRAWN_UM_PER_PX) + 1
    pen, amount = Pen(side), np.zeros((side, side), dtype=np.float32)
    for _ in range(int(rng.integers(6, 40))):
        away, turn, half = radius * rng.random() * 0.9, rng.uniform(0, 6.3), rng.uniform(0.12, 0.6)
        pen.oval((away * math.cos(turn), away * math.sin(turn)), half, half * rng.uniform(0.7, 1), 0, amount)
    soft = np.asarray(cv2.GaussianBlur(amount, (0, 0), 1.0), dtype=np.float32)
    return Sprite(ink.passed(soft, ink.PRECIPITATE), radius)


def _speck(rng: np.random.Generator, fibre: bool) -> Sprite:
    radius = float(rng.uniform(8, 14) if fibre else rng.uniform(1.0, 4.0))
    side = 2 * math.ceil((radius + 2) / DRAWN_UM_PER_PX) + 1
    pen = Pen(side)
    if fibre:
        bend, way = rng.normal(0, 0.9), rng.uniform(0, 6.3)
        share = np.linspace(-0.9, 0.9, 20)
        xs, ys = radius * share, radius * bend * (share**2 - 0.5) * 0.4
        c, s = math.cos(way), math.sin(way)
        points = list(zip((xs * c - ys * s).tolist(), (xs * s + ys * c).tolist(), strict=True))
        amount = pen.ribbon(points, float(rng.uniform(0.6, 1.4)))
    else:
        corners = [
            (radius * rng.uniform(0.5, 1) * math.cos(turn), radius * rng.uniform(0.5, 1) * math.sin(turn))
            for turn in np.sort(rng.uniform(0, 6.3, 7))
        ]
        amount = pen.ribbon([*corners, corners[0]], radius * 0.7)
    soft = cv2.GaussianBlur(amount, (0, 0), 2.5)  # it lies above the cells
    return Sprite(ink.passed(np.asarray(soft, dtype=np.float32), ink.SOOT), radius)


def bubble(hole: Hole) -> Patch:
    """A bubble of air: bright inside, its rim dark because light is bent away."""
    far, left, top = _around(hole, hole.radius_um + 4 * BUBBLE_RIM_UM)
    off = (far - hole.radius_um) / BUBBLE_RIM_UM
    rim = 0.9 * np.exp(-(off**2)) + 0.25 * np.exp(-(((far - hole.radius_um * 0.93) / BUBBLE_RIM_UM) ** 2))
    return Patch(left, top, np.asarray(rim[..., None] * densities(ink.SOOT), dtype=np.float32))


def clot(rng: np.random.Generator, grain: Grain, hole: Hole) -> Patch:
    """Clotted blood: a lilac web of fibrin over crowded red cells."""
    far, left, top = _around(hole, hole.radius_um * 1.3)
    edge = _soft_edge(rng, grain, far, hole.radius_um)
    web = np.clip(0.35 - np.abs(_tiled(rng, grain, far.shape, 9.0)), 0, 1) * 1.6
    web += np.clip(0.25 - np.abs(_tiled(rng, grain, far.shape, 4.0)), 0, 1) * 1.2
    amount = edge * (0.35 + web)
    return Patch(left, top, np.asarray(amount[..., None] * densities(ink.SMUDGED), dtype=np.float32))


def particle(rng: np.random.Generator, grain: Grain, hole: Hole) -> Patch:
    """A marrow particle: cells packed too thick to tell, between clear round fat cells of 40 to 90 µm."""
    far, left, top = _around(hole, hole.radius_um * 1.3)
    edge = _soft_edge(rng, grain, far, hole.radius_um)
    packed = 0.85 + 0.30 * _tiled(rng, grain, far.shape, 1.2) + 0.22 * _tiled(rng, grain, far.shape, 4.0)
    drawn = np.zeros_like(far)
    for _ in range(int(rng.uniform(0.25, 0.6) * hole.radius_um**2 / 45**2)):
        away, turn = hole.radius_um * math.sqrt(rng.random()), rng.uniform(0, 6.3)
        centre = (far.shape[1] / 2 + away * math.cos(turn) / 2, far.shape[0] / 2 + away * math.sin(turn) / 2)
        cv2.circle(drawn, (round(centre[0]), round(centre[1])), round(rng.uniform(10, 22)), (1.0,), -1)
    fat = cv2.GaussianBlur(drawn, (0, 0), 1.5)
    amount = edge * np.clip(packed, 0.15, None) * (1 - 0.9 * fat)
    inks = 0.62 * densities(ink.CHROMATIN) + 0.55 * densities(ink.BASOPHILIA)
    return Patch(left, top, np.asarray(amount[..., None] * inks, dtype=np.float32))


def _around(hole: Hole, reach_um: float) -> tuple[NDArray[np.float32], float, float]:
    """How far every pixel of a square patch is from a hole's middle, and where its corner lies (µm)."""
    half = math.ceil(reach_um / PATCH_UM_PER_PX)
    axis = (np.arange(2 * half, dtype=np.float32) - half + 0.5) * np.float32(PATCH_UM_PER_PX)
    x, y = np.meshgrid(axis, axis)
    return np.hypot(x, y), hole.x_um - half * PATCH_UM_PER_PX, hole.y_um - half * PATCH_UM_PER_PX


def _soft_edge(
    rng: np.random.Generator, grain: Grain, far: NDArray[np.float32], radius: float
) -> NDArray[np.float32]:
    uneven = 1 + 0.10 * _tiled(rng, grain, far.shape, 24.0) + 0.05 * _tiled(rng, grain, far.shape, 9.0)
    border = far.max(axis=1).min()
    fade = np.clip((border - far) / (0.1 * border), 0, 1)
    return np.asarray(np.clip((radius * uneven - far) / 24.0, 0, 1) * fade, dtype=np.float32)


def _tiled(
    rng: np.random.Generator, grain: Grain, shape: tuple[int, ...], size: float
) -> NDArray[np.float32]:
    torus = np.roll(grain.torus(size), tuple(int(n) for n in rng.integers(0, SIDE, 2)), axis=(0, 1))
    times = (-(-shape[0] // torus.shape[0]), -(-shape[1] // torus.shape[1]))
    return np.tile(torus, times)[: shape[0], : shape[1]]
