"""Stacks of pictures through focus, whose focus is known: real images and drawn cells, blurred by known amounts.

A stack is one scene seen at many heights. At a distance d from focus every point spreads over a disc of radius
``cone`` · |d| with a soft rim, and the thickness of cells, seen through, adds the bright and dark fringes that
defocus gives to clear things (the transport-of-intensity term, Teague 1983, J. Opt. Soc. Am. 73:1434: I − d · b ∇²t).
Then come disturbances, each by its own switch, and the sensor's noise last, as it comes in a camera.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

RED_CELL_ABSORBS = 0.28
FRINGE = 0.006  # index step of a dried cell in oil over the oil's index, 0.02, mostly washed out by a wide condenser
CELL_HEIGHT_UM = 1.5


@dataclass(frozen=True, slots=True)
class Scene:
    """What lies in focus: the green channel as a share of full scale, H×W, and its pixel size."""

    name: str
    light: Grey
    um_per_px: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a stack is taken.

    full_well: electrons at full scale; fewer is noisier.  exposure: share of full scale.
    correlated: the noise has been through a colour filter's interpolation.
    flicker: the lamp's change from picture to picture; bands: the same along the rows of one picture.
    slope: how much darker one side of the field is.  specks_on_sensor: always sharp.
    specks_at_um: height of dust above the cells; None for no dust.
    soft: the disc is a Gaussian instead (a partly closed condenser).  fringes: those of clear things.
    """

    name: str
    full_well: float = 10_000
    exposure: float = 0.85
    correlated: bool = True
    flicker: float = 0.0
    bands: float = 0.0
    slope: float = 0.0
    specks_on_sensor: int = 0
    specks_at_um: float | None = None
    soft: bool = False
    fringes: bool = True
    cone: float = 0.6


CLEAN = Conditions("clean")
ALL_CONDITIONS = (
    CLEAN,
    replace(CLEAN, name="Gaussian blur, no fringes", soft=True, fringes=False),
    replace(CLEAN, name="dim (a tenth of the light)", full_well=1000),
    replace(CLEAN, name="very dim (a fiftieth)", full_well=200),
    replace(CLEAN, name="flicker 10 %, bands 3 %", flicker=0.1, bands=0.03),
    replace(CLEAN, name="one side 30 % darker", slope=0.3),
    replace(CLEAN, name="dust on the sensor", specks_on_sensor=6),
    replace(CLEAN, name="dust 12 µm above", specks_at_um=12.0),
)


def picture(scene: Scene, away_um: float, conditions: Conditions, seed: int) -> NDArray[np.uint8]:
    """Return one grey picture of a scene, ``away_um`` from focus: uint8, H×W."""
    rng = np.random.default_rng([seed, round((away_um + 1000) * 1000)])
    light = scene.light
    if conditions.fringes:
        light = light - away_um * FRINGE * _curvature(scene)
    light = _blurred(light, abs(away_um) * conditions.cone / scene.um_per_px, conditions.soft)
    if conditions.specks_at_um is not None:
        specks = _specks(scene.light.shape, 4, 1.5 / scene.um_per_px, seed)
        away = abs(away_um - conditions.specks_at_um) * conditions.cone / scene.um_per_px
        light = light * _blurred(specks, away, conditions.soft)
    light = light * _lamp(scene.light.shape, conditions, rng)
    if conditions.specks_on_sensor:
        light = light * _specks(scene.light.shape, conditions.specks_on_sensor, 12, seed + 1)
    return _exposed(light, conditions, rng)


def drawn_scenes(um_per_px: float = 0.1) -> list[Scene]:
    """Return cells drawn at three densities: a few, a monolayer, and touching ones."""
    return [
        _drawn(name, share, seed, um_per_px)
        for seed, (name, share) in enumerate(
            (("few cells", 0.06), ("monolayer", 0.45), ("touching cells", 0.8), ("one white cell", 0.0))
        )
    ]


def real_scenes(data: Path, each: int) -> Iterator[Scene]:
    """Yield real images in focus, ``each`` from every source, in a fixed order over the list of each."""
    for table, sources in (
        ("fields/fields.csv", {"bccd": 0.076, "raabin": 0.058}),
        ("cells/cells.csv", {"pbc": 0.10, "mll": 0.086}),
    ):
        with (data / table).open(newline="") as file:
            rows = list(csv.DictReader(file))
        for source, um_per_px in sources.items():
            paths = sorted(row["path"] for row in rows if row["source"] == source)
            for number in range(each):
                path = paths[(2 * number + 1) * len(paths) // (2 * each)]
                pixels = cv2.imread(str(data / path), cv2.IMREAD_COLOR)
                if pixels is None:
                    raise ValueError(f"{data / path} cannot be read.")
                green = pixels[..., 1].astype(np.float32) / 255
                yield Scene(f"{source} {number + 1}", green / max(float(green.max()), 0.1), um_per_px)


def _drawn(name: str, share: float, seed: int, um_per_px: float) -> Scene:
    rng = np.random.default_rng(seed)
    side = round(48 / um_per_px)
    light = np.full((side, side), 1.0, dtype=np.float32)
    for _ in range(round(share * 48 * 48 / 43)):
        centre = tuple(int(v) for v in rng.integers(0, side, 2))
        light *= 1 - RED_CELL_ABSORBS * _disc((side, side), centre, 3.7 / um_per_px)
    nucleus = _disc((side, side), (side // 2, side // 2), 4.5 / um_per_px)
    grain = cv2.GaussianBlur(rng.standard_normal((side, side), dtype=np.float32), (0, 0), 0.3 / um_per_px)
    light *= 1 - nucleus * np.clip(0.6 + 0.1 * grain / float(grain.std()), 0, 0.9).astype(np.float32)
    return Scene(name, _blurred(light, 0.2 / um_per_px, soft=True), um_per_px)


def _disc(shape: tuple[int, int], centre: tuple[int, ...], radius: float) -> Grey:
    mask = np.zeros(shape, dtype=np.float32)
    cv2.circle(mask, (centre[0], centre[1]), round(radius), 1.0, -1, cv2.LINE_AA)
    return mask


def _curvature(scene: Scene) -> Grey:
    """Return the Laplacian of the cells' thickness, 1/µm: what absorbs more is taken to be thicker."""
    thickness = CELL_HEIGHT_UM * np.minimum((1 - scene.light) / RED_CELL_ABSORBS, 2).astype(np.float32)
    smooth = cv2.GaussianBlur(thickness, (0, 0), 0.25 / scene.um_per_px)
    return np.asarray(cv2.Laplacian(smooth, cv2.CV_32F) / scene.um_per_px**2, dtype=np.float32)


def _blurred(light: Grey, radius_px: float, soft: bool) -> Grey:
    if radius_px < 0.05:
        return light
    if soft:
        return np.asarray(
            cv2.GaussianBlur(light, (0, 0), radius_px / 2, borderType=cv2.BORDER_REFLECT), dtype=np.float32
        )
    side = 2 * math.ceil(radius_px + 1) + 1
    grid = np.arange(side, dtype=np.float32) - side // 2
    disc = np.clip(radius_px + 0.5 - np.hypot(grid[:, None], grid[None, :]), 0, 1)
    kernel = cv2.GaussianBlur(disc, (0, 0), max(0.1 * radius_px, 0.3))
    blurred = cv2.filter2D(light, cv2.CV_32F, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)


def _specks(shape: tuple[int, ...], count: int, radius_px: float, seed: int) -> Grey:
    rng = np.random.default_rng(seed)
    specks = np.ones((shape[0], shape[1]), dtype=np.float32)
    for _ in range(count):
        x, y = int(rng.integers(0, shape[1])), int(rng.integers(0, shape[0]))
        specks *= 1 - 0.8 * _disc((shape[0], shape[1]), (x, y), radius_px)
    return specks


def _lamp(shape: tuple[int, ...], conditions: Conditions, rng: np.random.Generator) -> Grey:
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, shape[1], dtype=np.float32)[None, :]
    level = 1 - conditions.flicker * rng.uniform(0, 1)
    bands = 1 + conditions.bands * np.sin(rows / 9 + rng.uniform(0, 2 * np.pi))
    return np.asarray(level * bands * (1 - conditions.slope * columns), dtype=np.float32)


def _exposed(light: Grey, conditions: Conditions, rng: np.random.Generator) -> NDArray[np.uint8]:
    electrons = np.clip(light, 0, 1.2) * (conditions.exposure * conditions.full_well)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    if conditions.correlated:
        noise = cv2.sepFilter2D(noise, cv2.CV_32F, np.array([0.25, 0.5, 0.25]), np.array([0.25, 0.5, 0.25]))
        noise /= 0.375  # keeps the variance: the sum of the squared weights is 0.375²
    noisy = electrons + noise * np.sqrt(electrons + 25)
    return np.asarray(np.clip(noisy * (255 / conditions.full_well) + 0.5, 0, 255), dtype=np.uint8)
