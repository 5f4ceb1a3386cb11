"""The shapes of nuclei, drawn as parts in ones on black, in micrometres around the cell's centre.

Parts are kept apart because each has a rim of its own: that is how lobes that overlap are told from each other.
Shapes after Carr and Rodak, Clinical Hematology Atlas, and Choi et al. 2017 (the ten stages).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator.sprites import DRAWN_UM_PER_PX

Grey = NDArray[np.float32]
Place = tuple[float, float]


class Pen:
    """Draws on square canvases of one size, the cell's centre in the middle."""

    def __init__(self, side: int) -> None:
        self._side = side

    def blank(self) -> Grey:
        """Return an empty canvas."""
        return np.zeros((self._side, self._side), dtype=np.float32)

    def oval(
        self, at: Place, a: float, b: float, turn_deg: float, on: Grey | None = None, value: float = 1.0
    ) -> Grey:
        """Fill an ellipse of half axes a, b (µm)."""
        canvas = self.blank() if on is None else on
        axes = (max(1, round(a / DRAWN_UM_PER_PX)), max(1, round(b / DRAWN_UM_PER_PX)))
        cv2.ellipse(canvas, self._px(at), axes, turn_deg, 0, 360, (value,), -1)
        return canvas

    def ribbon(self, points: Sequence[Place], width_um: float, on: Grey | None = None) -> Grey:
        """Draw a band along points."""
        canvas = self.blank() if on is None else on
        line = np.array([self._px(point) for point in points], dtype=np.int32)
        cv2.polylines(canvas, [line], False, (1.0,), max(1, round(width_um / DRAWN_UM_PER_PX)))
        return canvas

    def _px(self, at: Place) -> tuple[int, int]:
        middle = (self._side - 1) / 2
        return round(middle + at[0] / DRAWN_UM_PER_PX), round(middle + at[1] / DRAWN_UM_PER_PX)


Shape = Callable[[np.random.Generator, Pen, float], list[Grey]]
"""Draws the parts of a nucleus into a cell of a given radius (µm)."""


def _polar(far: float, at_deg: float) -> Place:
    return far * math.cos(math.radians(at_deg)), far * math.sin(math.radians(at_deg))


def rounded(low: float, high: float, flat: float = 0.9, aside: float = 0.0) -> Shape:
    """A round or oval nucleus. low, high: its half length, shares of the cell's radius.  aside: how eccentric, 0..1."""

    def draw(rng: np.random.Generator, pen: Pen, radius: float) -> list[Grey]:
        half, turn = radius * rng.uniform(low, high), rng.uniform(0, 360)
        short = half * rng.uniform(flat, 1)
        room = max(0.0, radius - half) * aside * rng.uniform(0.7, 1.0)
        return [pen.oval(_polar(room, turn), short, half, turn)]

    return draw


def indented(low: float, high: float, depth: float, aside: float = 0.5) -> Shape:
    """A kidney or bean: an oval with a round bite. depth: of the bite, share of the nucleus' width."""

    def draw(rng: np.random.Generator, pen: Pen, radius: float) -> list[Grey]:
        half, turn = radius * rng.uniform(low, high), rng.uniform(0, 360)
        short = half * rng.uniform(0.72, 0.85)
        room = max(0.0, radius - short) * aside
        middle = _polar(room, turn)
        drawn = pen.oval(middle, short, half, turn)
        bite, deep = half * rng.uniform(0.5, 0.75), 2 * short * depth * rng.uniform(0.7, 1.2)
        away = _polar(short + bite - deep, turn + 180)
        return [pen.oval((middle[0] + away[0], middle[1] + away[1]), bite, bite, 0, drawn, 0.0)]

    return draw


def band(rng: np.random.Generator, pen: Pen, radius: float) -> list[Grey]:
    """A C, U or S of nearly even width, its ends rounded."""
    turn, thick = rng.uniform(0, 360), radius * rng.uniform(0.36, 0.46)
    share = np.linspace(0, 1, 28)
    if rng.random() < 0.25:
        along = (share - 0.5) * radius * 1.5
        across = radius * 0.32 * np.sin((share - 0.5) * 2 * math.pi * 0.9)
        angle = math.radians(turn)
        xs = along * math.cos(angle) - across * math.sin(angle)
        ys = along * math.sin(angle) + across * math.cos(angle)
    else:
        ring, span = radius * rng.uniform(0.44, 0.54), math.radians(rng.uniform(170, 265))
        at = math.radians(turn) + (share - 0.5) * span
        xs, ys = ring * np.cos(at) * rng.uniform(0.9, 1.1), ring * np.sin(at)
    points = list(zip(xs.tolist(), ys.tolist(), strict=True))
    drawn = pen.ribbon(points, thick)
    for end in (points[0], points[-1], points[len(points) // 2]):
        pen.oval(end, thick * rng.uniform(0.5, 0.62), thick * 0.5, rng.uniform(0, 180), drawn)
    return [drawn]


def lobed(fewest: int, most: int, size: float, ring: float, filament_um: float) -> Shape:
    """Lobes on an arc, joined by filaments. size, ring: of a lobe and of the arc, shares of the cell's radius."""

    def draw(rng: np.random.Generator, pen: Pen, radius: float) -> list[Grey]:
        count = int(rng.integers(fewest, most + 1))
        spread = {2: 165, 3: 108, 4: 82}.get(count, 66) * rng.uniform(0.85, 1.05)
        turn, parts, middles = rng.uniform(0, 360), [], []
        for lobe in range(count):
            at = turn + (lobe - count / 2) * spread + rng.normal(0, 10)
            middle = _polar(radius * ring * rng.uniform(0.8, 1.2), at)
            half = radius * size * (3.2 / (count + 0.4)) ** 0.5 * rng.uniform(0.85, 1.15)
            parts.append(pen.oval(middle, half * rng.uniform(0.68, 0.9), half, at + rng.normal(0, 40)))
            middles.append(middle)
        return [*parts, pen.ribbon(middles, filament_um)]

    return draw


def folded(rng: np.random.Generator, pen: Pen, radius: float) -> list[Grey]:
    """A monocyte's: horseshoe, kidney or draped lobes, large and soft."""
    kind = rng.random()
    if kind < 0.55:
        return indented(0.80, 0.88, 0.24, 0.2)(rng, pen, radius)
    turn = rng.uniform(0, 360)
    if kind < 0.75:
        ring, span = radius * 0.44, rng.uniform(190, 240)
        points = [_polar(ring, turn + span * share) for share in np.linspace(0, 1, 20)]
        return [pen.ribbon(points, radius * rng.uniform(0.66, 0.76))]
    drawn = pen.blank()
    for lobe in range(3):
        pen.oval(
            _polar(radius * 0.3, turn + 120 * lobe + rng.normal(0, 15)),
            radius * 0.45,
            radius * 0.52,
            turn,
            drawn,
        )
    return [drawn]


def budding(rng: np.random.Generator, pen: Pen, radius: float) -> list[Grey]:
    """A megakaryocyte's: many fused lobes in the middle of a large cell."""
    drawn = pen.blank()
    for lobe in range(int(rng.integers(5, 10))):
        half = radius * rng.uniform(0.18, 0.28)
        pen.oval(
            _polar(radius * rng.uniform(0.05, 0.42), lobe * 47 + rng.normal(0, 20)),
            half,
            half * 0.8,
            0,
            drawn,
        )
    return [drawn]
