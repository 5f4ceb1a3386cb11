"""White cells, erythroblasts and platelets, drawn from their looks: a bank of variants of each label."""

from __future__ import annotations

import math
import zlib
from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator.grain import Grain
from appliance.simulator.ink import PARACHROMATIN, densities
from appliance.simulator.looks import LOOKS, Granules, Look
from appliance.simulator.nuclei import Pen
from appliance.simulator.sprites import DRAWN_UM_PER_PX, Sprite

Grey = NDArray[np.float32]
VARIANTS = 24  # of each label; every cell on the slide is one of them, turned, mirrored and grown a little
KEPT = 400  # about 150 MB
SOFT_PX = 1.1  # of every drawn edge
SPILT_PX = 6.0  # how far spilt chromatin fades


class DrawnCells:
    """Draws the variants of each label when they are first asked for; the same seed draws the same ones."""

    def __init__(self, seed: int, grain: Grain, variants: int = VARIANTS) -> None:
        self.variants_drawn = variants
        self._seed = seed
        self._grain = grain
        self._radii: dict[tuple[str, int], float] = {}
        self._drawn: OrderedDict[tuple[str, int], Sprite] = OrderedDict()

    def variants(self, label: str) -> int:
        """Return how many variants of a label there are."""
        return self.variants_drawn

    def radius_um(self, label: str, variant: int) -> float:
        """Return a variant's radius, without drawing it."""
        key = (label, variant)
        if key not in self._radii:
            self._radii[key] = _begin(self._seed, label, variant)[2]
        return self._radii[key]

    def spacing_um(self, label: str, variant: int) -> float:
        """Return the radius: it is known at once."""
        return self.radius_um(label, variant)

    def source(self, label: str, variant: int) -> str:
        """Return nothing: no image stands behind a drawing."""
        return ""

    def sprite(self, label: str, variant: int) -> Sprite:
        """Return a variant."""
        key = (label, variant)
        if key not in self._drawn:
            rng, look, radius = _begin(self._seed, label, variant)
            self._drawn[key] = drawn(look, radius, rng, self._grain)
            if len(self._drawn) > KEPT:
                self._drawn.popitem(last=False)
        self._drawn.move_to_end(key)
        return self._drawn[key]


def _begin(seed: int, label: str, variant: int) -> tuple[np.random.Generator, Look, float]:
    rng = np.random.default_rng([seed, zlib.crc32(label.encode()), variant])
    looks = LOOKS[label]
    look = looks[variant % len(looks)]
    return rng, look, float(rng.uniform(*look.diameter_um)) / 2


def drawn(look: Look, radius_um: float, rng: np.random.Generator, grain: Grain) -> Sprite:
    """Draw one cell of a look and radius."""
    if look.spilt:
        return _spilt(look, radius_um, rng, grain)
    reach = 1.15 + 2.2 * look.ragged + (0.2 if look.blebs else 0.0)
    side = 2 * math.ceil((radius_um * reach + 1.2) / DRAWN_UM_PER_PX) + 1
    pen = Pen(side)
    body = _body(rng, side, radius_um / DRAWN_UM_PER_PX, look)
    parts = _nucleus(rng, grain, look, pen, radius_um, body)
    nucleus = np.max(parts, axis=0) if parts else pen.blank()
    density = _cytoplasm(rng, grain, look, body, nucleus)
    for kind in look.granules:
        _scatter(rng, kind, density, body, nucleus)
    for _ in range(int(rng.integers(0, look.vacuoles + 1))):
        hole = _dot(rng, pen, radius_um * 0.8, rng.uniform(0.25, 0.65))
        density *= 1 - 0.8 * hole[..., None]
        nucleus = nucleus * (1 - 0.4 * hole)
    if parts:
        density *= 1 - nucleus[..., None] * 0.9
        density += _chromatin(rng, grain, look, pen, parts, nucleus, radius_um)
        for kind in look.granules:
            if kind.over_nucleus:
                _scatter(rng, kind, density, nucleus * kind.over_nucleus, pen.blank())
    return Sprite(np.exp(-density, dtype=np.float32), radius_um)


def _spilt(look: Look, radius_um: float, rng: np.random.Generator, grain: Grain) -> Sprite:
    """Draw what is left of a burst cell: bare chromatin, pale and smeared to threads, without a border."""
    side = 2 * math.ceil(radius_um * 1.5 / DRAWN_UM_PER_PX) + 1
    body = _body(rng, side, radius_um * 0.85 / DRAWN_UM_PER_PX, look)
    axis = np.arange(side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    frayed = cv2.remap(
        body, x + 9 * grain.piece(rng, side, 9.0), y + 9 * grain.piece(rng, side, 9.0), cv2.INTER_LINEAR
    )
    soft = cv2.GaussianBlur(frayed, (0, 0), SPILT_PX)
    threads = 1 + 0.30 * grain.piece(rng, side, 9.0) + 0.18 * grain.piece(rng, side, 2.5)
    amount = soft * np.clip(threads, 0.2, None) * look.dense * rng.uniform(0.75, 1.1)
    return Sprite(np.exp(-amount[..., None] * densities(look.chromatin), dtype=np.float32), radius_um)


def _body(rng: np.random.Generator, side: int, radius_px: float, look: Look) -> Grey:
    """The cell's outline as a soft disc, uneven, with blebs."""
    axis = np.arange(side, dtype=np.float32) - side // 2
    x, y = np.meshgrid(axis, axis)
    distance, angle = cv2.cartToPolar(x, y)
    outline = np.full_like(angle, radius_px)
    for wave in range(2, 9):
        outline += (
            radius_px
            * rng.normal(0, 1.6 * look.ragged / wave**0.9)
            * np.cos(wave * angle + rng.uniform(0, 6.3))
        )
    for _ in range(int(rng.integers(0, look.blebs + 1))):
        off = np.abs((angle - rng.uniform(0, 2 * math.pi) + math.pi) % (2 * math.pi) - math.pi)
        outline += radius_px * rng.uniform(0.08, 0.2) * np.exp(-((off / rng.uniform(0.12, 0.25)) ** 2))
    return np.asarray(np.clip((outline - distance) / (2 * SOFT_PX) + 0.5, 0, 1), dtype=np.float32)


def _nucleus(
    rng: np.random.Generator, grain: Grain, look: Look, pen: Pen, radius_um: float, body: Grey
) -> list[Grey]:
    """The nucleus' parts as soft masks: drawn, bent a little, their corners rounded, and kept within the cell."""
    if look.nucleus is None:
        return []
    side = body.shape[0]
    axis = np.arange(side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    bend = 2.0 if side < 300 else 5.0
    x, y = x + bend * grain.piece(rng, side, 9.0), y + bend * grain.piece(rng, side, 9.0)
    shapes = look.nucleus(rng, pen, radius_um)
    large = shapes[0] if len(shapes) == 1 else None  # one whole nucleus has no sharp corner
    parts = []
    for part in shapes:
        bent = cv2.remap(part, x, y, cv2.INTER_LINEAR)
        blunt = (cv2.GaussianBlur(bent, (0, 0), 3.2) > 0.5).astype(np.float32) if part is large else bent
        soft = np.clip((cv2.GaussianBlur(blunt, (0, 0), 2.0) - 0.5) * 3 + 0.5, 0, 1)
        parts.append(np.asarray(soft * body, dtype=np.float32))
    return parts


def _cytoplasm(
    rng: np.random.Generator, grain: Grain, look: Look, body: Grey, nucleus: Grey
) -> NDArray[np.float32]:
    """Its density, H×W×3: mottled, deeper at the rim, paler beside the nucleus."""
    side = body.shape[0]
    depth = 1 + 0.10 * grain.piece(rng, side, 4.0) + 0.05 * grain.piece(rng, side, 1.7)
    inner = cv2.GaussianBlur(body, (0, 0), 6.0)
    depth += look.rim * np.clip(2.2 - 2.4 * inner, 0, 1)
    if look.halo:
        y, x = (np.indices(body.shape, dtype=np.float32) - side // 2) / side
        weight = float(nucleus.sum()) + 1e-6
        towards = np.array([float((nucleus * x).sum()) / weight, float((nucleus * y).sum()) / weight])
        far = np.hypot(x + 1.2 * towards[0], y + 1.2 * towards[1])
        depth *= 1 - look.halo * np.exp(-((far / 0.17) ** 2))
    ink = np.zeros(3, dtype=np.float32)
    for of, amount in look.cytoplasm:
        ink += amount * rng.uniform(0.88, 1.12) * densities(of)
    return np.asarray((body * np.clip(depth, 0, None))[..., None] * ink, dtype=np.float32)


def _scatter(
    rng: np.random.Generator, kind: Granules, density: NDArray[np.float32], body: Grey, nucleus: Grey
) -> None:
    """Add granules: dots of one ink at places no two of which are quite the same, on a shaken grid."""
    side = body.shape[0]
    pitch = 1 / math.sqrt(kind.per_um2) / DRAWN_UM_PER_PX
    at = np.arange(0, side, pitch)
    y, x = np.meshgrid(at, at, indexing="ij")
    shaken = rng.normal(0, 0.34 * pitch, (2, *x.shape))
    ys, xs = (np.clip(np.rint(v), 0, side - 1).astype(int) for v in (y + shaken[0], x + shaken[1]))
    sigma = kind.radius_um / DRAWN_UM_PER_PX * 0.62
    dots = np.zeros((side, side), dtype=np.float32)
    np.add.at(dots, (ys, xs), rng.uniform(0.45, 1.15, x.shape).astype(np.float32))
    dots = cv2.GaussianBlur(dots, (0, 0), sigma) * np.float32(2 * math.pi * sigma**2 * kind.strength)
    inside = cv2.erode(body, np.ones((3, 3), np.uint8)) * (1 - nucleus)
    density += (np.clip(dots, 0, 1.4) * inside)[..., None] * densities(kind.ink)


def _chromatin(
    rng: np.random.Generator,
    grain: Grain,
    look: Look,
    pen: Pen,
    parts: list[Grey],
    nucleus: Grey,
    radius_um: float,
) -> NDArray[np.float32]:
    """The nucleus' density, H×W×3: dense chromatin with paler gaps, a rim round every part, nucleoli."""
    side = nucleus.shape[0]
    noise = 0.75 * grain.piece(rng, side, look.clump_px) + 0.5 * grain.piece(rng, side, 1.2)
    gaps = np.clip(noise - 0.1, 0, 1.1) * look.open_
    rim = pen.blank()
    for part in parts:
        np.maximum(rim, part * np.clip(1.7 - 1.9 * cv2.GaussianBlur(part, (0, 0), 3.0), 0, 1), out=rim)
    gaps *= 1 - rim
    for _ in range(int(rng.integers(1, look.nucleoli + 1)) if look.nucleoli else 0):
        nucleolus = _dot(rng, pen, radius_um * 0.55, rng.uniform(0.5, 1.0))
        np.maximum(gaps, 0.62 * nucleolus, out=gaps)
    dense = densities(look.chromatin) * look.dense * rng.uniform(0.92, 1.08)
    pale = densities(PARACHROMATIN) * 0.55
    mixed = dense * (1 - gaps[..., None]) + pale * gaps[..., None] + 0.2 * rim[..., None] * dense
    return np.asarray(mixed * nucleus[..., None], dtype=np.float32)


def _dot(rng: np.random.Generator, pen: Pen, within_um: float, radius_um: float) -> Grey:
    away, turn = within_um * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    disc = pen.oval((away * math.cos(turn), away * math.sin(turn)), radius_um, radius_um * 0.9, 0)
    return np.asarray(cv2.GaussianBlur(disc, (0, 0), 1.3), dtype=np.float32)
