"""What a service engineer puts on the stage instead of a smear: a micrometer, a grid, clean glass, a QC slide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceRefused
from appliance.region_map import DrawnRegion
from appliance.simulator.grain import Grain
from appliance.simulator.ink import Light
from appliance.simulator.layout import Layout
from appliance.simulator.mixture import Mixture, blood
from appliance.simulator.mount import Mount
from appliance.simulator.population import Nucleated, Stock
from appliance.simulator.slide import Slide, TrueCell
from appliance.simulator.smear import HEIGHT_UM, WIDTH_UM, Smear
from appliance.simulator.zones import PITCH_UM, Zones
from appliance.tour import FieldSize

Numbers = NDArray[np.float64]
CHROME = 0.02  # the share of light that passes a line
DIVISION_UM, DIVISIONS = 10.0, 100  # a stage micrometer: 1 mm in hundredths
LINE_UM = 2.0
TICKS_UM = {1: 50.0, 5: 75.0, 10: 100.0}  # how long every first, fifth and tenth line is
UPRIGHT_ASIDE_UM = 600.0  # how far left of the middle the scale along y stands
KNOWN_CELLS = 200
SERVICE_SLIDES = ("micrometer", "grid", "blank", "qc")
QC_COLUMNS, QC_PITCH_UM = 20, 130.0
QC_SHAKEN_UM = 15.0
QC_MARGIN_UM = 40.0  # around the lattice: how far its cells are shaken off it, and half a window
QC_RED = 11.5


class Blank:
    """Clean glass: all light passes."""

    def __init__(self, width_um: float = WIDTH_UM, height_um: float = HEIGHT_UM) -> None:
        self.width_um, self.height_um = width_um, height_um
        self.digest = "blank slide"

    def light(self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        """Return ones."""
        return np.ones((height_px, width_px, 3), dtype=np.float32)

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        """Return nothing: there is no cell."""
        return []


class GridSlide(Blank):
    """Chrome lines over the whole slide, both ways; lines cross at whole multiples of the pitch."""

    def __init__(
        self, pitch_um: float = 50.0, line_um: float = 4.0, off_um: float = 0.0, seed: int = 0
    ) -> None:
        """Raise ApplianceRefused for lines wider than the pitch.

        off_um: the standard deviation of lines' places, as they were made.  seed: of that.
        """
        super().__init__()
        if not 0 < line_um < pitch_um:
            raise ApplianceRefused(
                f"A grid needs lines narrower than its pitch of {pitch_um:g} µm, and wider than 0."
            )
        made = f", made to {off_um:g} µm, {seed}" if off_um else ""
        self.digest = f"grid of {pitch_um:g} µm, lines of {line_um:g} µm{made}"
        rng = np.random.default_rng([seed, 0x9C1D])
        across, down = (
            np.arange(0, side + pitch_um / 2, pitch_um) for side in (self.width_um, self.height_um)
        )
        self._across = across + rng.normal(0, off_um, len(across))
        self._down = down + rng.normal(0, off_um, len(down))
        self._line = line_um

    def light(self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        """Return what the lines let through, exact to a part of a pixel."""
        across = covered(
            self._across - self._line / 2, self._across + self._line / 2, x_um, width_px, um_per_px
        )
        down = covered(self._down - self._line / 2, self._down + self._line / 2, y_um, height_px, um_per_px)
        clear = (1 - across)[None, :] * (1 - down)[:, None]
        return _grey(CHROME + (1 - CHROME) * clear)


class Micrometer(Blank):
    """A stage micrometer in the slide's middle: 1 mm in hundredths along x, and beside it the same along y."""

    def __init__(self, off_um: float = 0.0, seed: int = 0) -> None:
        """Rule it. off_um: the standard deviation of lines' places, as they were made.  seed: of that."""
        super().__init__()
        made = f", made to {off_um:g} µm, {seed}" if off_um else ""
        self.digest = f"stage micrometer, 1 mm in 100{made}"
        at = (np.arange(DIVISIONS + 1) - DIVISIONS / 2) * DIVISION_UM
        at = at + np.random.default_rng([seed, 0x9C1D]).normal(0, off_um, len(at))
        self._ticks: list[tuple[Numbers, float]] = []
        for every, length in TICKS_UM.items():
            longer = [other for other in TICKS_UM if other > every]
            mine = [k % every == 0 and all(k % other for other in longer) for k in range(DIVISIONS + 1)]
            self._ticks.append((at[np.array(mine)], length))

    def light(self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        """Return what the lines let through, exact to a part of a pixel."""
        x, y = x_um - self.width_um / 2, y_um - self.height_um / 2
        clear = np.ones((height_px, width_px))
        for at, length in self._ticks:
            lines, reach = (at - LINE_UM / 2, at + LINE_UM / 2), (np.array([-length]), np.array([0.0]))
            along_x = covered(*reach, y, height_px, um_per_px)[:, None] * covered(
                *lines, x, width_px, um_per_px
            )
            aside = covered(*reach, x + UPRIGHT_ASIDE_UM, width_px, um_per_px)
            along_y = covered(*lines, y, height_px, um_per_px)[:, None] * aside
            clear *= (1 - along_x) * (1 - along_y)
        return _grey(CHROME + (1 - CHROME) * clear)


def covered(starts: Numbers, stops: Numbers, first_um: float, count: int, um_per_px: float) -> Numbers:
    """Return which share of each of a row of pixels lies within intervals (sorted, not overlapping)."""
    lengths = np.concatenate([[0.0], np.cumsum(stops - starts)])
    edges = np.column_stack([starts, stops]).ravel()
    passed = np.column_stack([lengths[:-1], lengths[1:]]).ravel()
    at = first_um + um_per_px * np.arange(count + 1)
    return np.asarray(np.diff(np.interp(at, edges, passed)) / um_per_px)


def qc_slide(
    seed: int = 0, shares: Mapping[str, float] | None = None, mixture: Mixture | None = None
) -> Smear:
    """Return a slide of 200 known cells: 20 × 10 of them, 130 µm apart, in an even monolayer in its middle.

    shares: how many of each label, as exactly as 200 cells can have it; None for the mixture's.  mixture: of blood
    unless given; of what lies beside cells only its platelets are there.
    """
    usual = mixture or blood()
    made = replace(
        usual, shares=shares or usual.shares, marrow=False, smudged=0.0, clustered=0.0, precipitate_per_mm2=0.0,
        dust_per_mm2=0.0, bubbles=0, clots=0,
    )  # fmt: skip
    return Smear(seed, made, lay=known_cells, title=f"QC slide of {KNOWN_CELLS} cells, seed")


def qc_region(mount: Mount, field: FieldSize) -> DrawnRegion:
    """Return where the known cells of a QC slide lie on the stage, so large that whole fields cover them all."""
    middle = mount.stage_place(WIDTH_UM / 2, HEIGHT_UM / 2)
    rows = KNOWN_CELLS / QC_COLUMNS
    half_x, half_y = (
        math.ceil(((count - 1) * QC_PITCH_UM + 2 * QC_MARGIN_UM) / pitch) * pitch / 2 + 1
        for count, pitch in zip((QC_COLUMNS, rows), field.pitch_um, strict=True)
    )
    left, right = middle.x_um - half_x, middle.x_um + half_x
    top, bottom = middle.y_um - half_y, middle.y_um + half_y
    return DrawnRegion(
        ((left, top), (right, top), (right, bottom), (left, bottom)), f"the QC slide's {KNOWN_CELLS} cells"
    )


def service_slide(name: str, seed: int, mixture: Mixture) -> Slide:
    """Return the slide of a name. Raises ApplianceRefused for a name that none has."""
    match name:
        case "micrometer":
            return Micrometer()
        case "grid":
            return GridSlide()
        case "blank":
            return Blank()
        case "qc":
            return qc_slide(seed, mixture=mixture)
    raise ApplianceRefused(f'There is no service slide "{name}". There are: {", ".join(SERVICE_SLIDES)}.')


def known_cells(
    seed: int, grain: Grain, width_um: float, height_um: float, mixture: Mixture, stock: Stock
) -> Layout:
    """Lay out 200 cells of exact proportions, in an order of the seed's, on a slightly shaken lattice."""
    rng = np.random.default_rng([seed, 2])
    labels = tuple(mixture.shares)
    label = rng.permutation(np.repeat(np.arange(len(labels)), exact_counts(mixture.shares, KNOWN_CELLS)))
    place = np.arange(KNOWN_CELLS)
    left = width_um / 2 - (QC_COLUMNS - 1) / 2 * QC_PITCH_UM
    top = height_um / 2 - (KNOWN_CELLS / QC_COLUMNS - 1) / 2 * QC_PITCH_UM
    x = left + place % QC_COLUMNS * QC_PITCH_UM + rng.uniform(-QC_SHAKEN_UM, QC_SHAKEN_UM, KNOWN_CELLS)
    y = top + place // QC_COLUMNS * QC_PITCH_UM + rng.uniform(-QC_SHAKEN_UM, QC_SHAKEN_UM, KNOWN_CELLS)
    variant = np.zeros(KNOWN_CELLS, dtype=np.intp)
    for index, name in enumerate(labels):
        mine = np.flatnonzero(label == index)
        variant[mine] = np.resize(rng.permutation(stock.variants(name)), len(mine))
    cells = Nucleated(
        labels, x, y, label.astype(np.intp), variant, rng.uniform(0, 360, KNOWN_CELLS),
        rng.random(KNOWN_CELLS) < 0.5, np.ones(KNOWN_CELLS),
    )  # fmt: skip
    return Layout(_even_zones(width_um, height_um), [], cells)


def exact_counts(shares: Mapping[str, float], total: int) -> list[int]:
    """Return how many of each make up a total: whole numbers nearest the shares (largest remainders)."""
    wanted = np.array(list(shares.values()), dtype=np.float64) * total / sum(shares.values())
    counts = np.floor(wanted).astype(int)
    for index in np.argsort(counts - wanted, kind="stable")[: total - int(counts.sum())]:
        counts[index] += 1
    return [int(count) for count in counts]


def _even_zones(width_um: float, height_um: float) -> Zones:
    shape = (int(height_um / PITCH_UM) + 1, int(width_um / PITCH_UM) + 1)

    def even(value: float) -> NDArray[np.float32]:
        return np.full(shape, value, dtype=np.float32)

    return Zones(even(QC_RED), even(0), even(1.0), even(0), even(0), even(1e4), even(0))


def _grey(clear: Numbers) -> Light:
    return np.repeat(clear.astype(np.float32)[..., None], 3, axis=2)
