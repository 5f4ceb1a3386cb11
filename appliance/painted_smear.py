"""A painted blood smear: a camera for the demonstration, with no microscope and no stored image behind it.

Everything is drawn from random shapes at 0.10 µm/px in the colours of a May-Grünwald-Giemsa stain: red cells
with their pallor, platelets, and the white cells of the panel ``smear-13``, left-shifted so that every label
turns up. It is a placeholder for a simulated microscope, and it says that it is simulated. The same seed and
number paint the same field, always. Sizes and proportions are ours, drawn after textbook descriptions of each cell;
a count of painted cells says nothing about any patient nor about how well real cells are named.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceRefused
from appliance.frame import Frame, Point
from calibration import Scale

UM_PER_PX = 0.10
SCALE = Scale.stated(UM_PER_PX, "painted")
WIDTH_UM, HEIGHT_UM = 120.0, 90.0
STEP_UM = 130.0  # fields do not overlap
COLUMNS = 60
PLANNED_FIELDS = 3600
FIELD_TIME_S = 0.3  # a move of 130 µm, settling and an exposure on a common stage
EXPOSURE_US = 2000
RED_CELL_UM = 7.4
SHARPENED = 0.4
WHITE_CELLS = (6, 10)  # in a field, fewest and most
LEAST_APART_UM = 18.0

Rgb = tuple[float, float, float]
Grey = NDArray[np.float32]
Shape = Callable[[np.random.Generator, Grey], None]

BACKGROUND: Rgb = (254, 230, 203)
RED_CELL: Rgb = (200, 163, 163)
CHROMATIN: Rgb = (70, 27, 122)
PARACHROMATIN: Rgb = (158, 98, 152)


@dataclass(frozen=True, slots=True)
class PaintedCell:
    """The truth of one cell: its label, its centre in the frame's pixels, its radius."""

    label: str
    x: float
    y: float
    radius_um: float


class PaintedSmear:
    """A camera that paints each field when it is asked for it. It holds nothing and cannot fail.

    seed: which smear.  field_time_s: how long a field takes at least, as the stage and the exposure would.
    """

    simulated = True

    def __init__(
        self, seed: int = 0, field_time_s: float = FIELD_TIME_S, planned: int = PLANNED_FIELDS
    ) -> None:
        """Raise ApplianceRefused for a negative seed, time or number of fields."""
        if seed < 0 or field_time_s < 0 or planned < 0:
            raise ApplianceRefused(
                "A painted smear needs a seed, a time per field and a number of fields, none negative."
            )
        self.name = f"painted smear {seed}"
        self.scale = SCALE
        self.planned = planned
        self.digest = f"painted smear {seed}, {planned} fields"
        self._seed = seed
        self._field_time_s = field_time_s
        self._brush = Brush(np.random.default_rng(seed))

    survey = None

    def prepare(self, survey: object) -> Iterator[str]:
        """Nothing has to be made ready."""
        return iter(())

    def fields(self, first: int = 0) -> Iterator[Frame]:
        """Every field from number ``first`` on."""
        for index in range(first, self.planned):
            began = time.monotonic()
            pixels, _ = self.painted(index)
            time.sleep(max(0.0, began + self._field_time_s - time.monotonic()))
            yield Frame(
                index=index,
                name=f"painted field {index + 1}",
                pixels=pixels,
                position=_on_a_meander(index),
                exposure_start_ns=time.monotonic_ns(),
                exposure_us=EXPOSURE_US,
                gain=1.0,
                calibration_id=self.scale.id,
            )

    def truth(self, index: int) -> list[PaintedCell]:
        """The white cells and platelets of a field, without painting it."""
        return _places(self._rng(index))

    def painted(self, index: int) -> tuple[NDArray[np.uint8], list[PaintedCell]]:
        """One field (uint8, 900×1200×3, RGB) and its truth, without any waiting."""
        return paint_field(self._rng(index), self._brush)

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, index])

    def close(self) -> None:
        """Nothing is held."""


def _on_a_meander(index: int) -> Point:
    row, column = divmod(index, COLUMNS)
    return Point((column if row % 2 == 0 else COLUMNS - 1 - column) * STEP_UM, row * STEP_UM)


class Brush:
    """What all fields of one smear share: grains of noise of several sizes, and the stain's strength."""

    SIDE = 1024

    def __init__(self, rng: np.random.Generator) -> None:
        white = rng.standard_normal((self.SIDE, self.SIDE), dtype=np.float32)
        self._grains = {
            size: _unit(cv2.GaussianBlur(white, (0, 0), size)) for size in (1.2, 1.6, 2.0, 3.0, 9.0)
        }
        self.stain = float(rng.uniform(0.93, 1.07))
        self.tint = rng.normal(1, 0.008, 3).astype(np.float32)

    def grain(self, rng: np.random.Generator, side: int, size: float) -> Grey:
        """A side×side piece of noise of unit variance, grains of about ``size`` px."""
        top, left = rng.integers(0, self.SIDE - side, 2)
        return self._grains[size][top : top + side, left : left + side]


def paint_field(rng: np.random.Generator, brush: Brush) -> tuple[NDArray[np.uint8], list[PaintedCell]]:
    """Paint one field of 120×90 µm: uint8, 900×1200×3, RGB, and its white cells and platelets."""
    height, width = round(HEIGHT_UM / UM_PER_PX), round(WIDTH_UM / UM_PER_PX)
    field = np.empty((height, width, 3), dtype=np.float32)
    field[:] = np.asarray(BACKGROUND, dtype=np.float32) * brush.tint
    cells = _places(rng)
    for x_um, y_um in _red_places(rng, cells):
        _paint_red(rng, field, x_um, y_um)
    for cell in cells:
        _paint_white(rng, brush, field, cell)
    return _expose(rng, field), cells


def _unit(noise: NDArray[Any]) -> Grey:
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


# Where cells lie


def _places(rng: np.random.Generator) -> list[PaintedCell]:
    """White cells apart from each other, some cut by the border as on any smear; platelets between them."""
    labels, shares = list(MIXTURE), np.array(list(MIXTURE.values()))
    wanted = int(rng.integers(WHITE_CELLS[0], WHITE_CELLS[1] + 1))
    cells: list[PaintedCell] = []
    for _ in range(200):
        if len(cells) == wanted:
            break
        x, y = rng.uniform(0, WIDTH_UM), rng.uniform(0, HEIGHT_UM)
        if all(math.hypot(x - c.x * UM_PER_PX, y - c.y * UM_PER_PX) > LEAST_APART_UM for c in cells):
            label = labels[rng.choice(len(labels), p=shares / shares.sum())]
            cells.append(
                PaintedCell(label, x / UM_PER_PX, y / UM_PER_PX, float(rng.uniform(*LOOKS[label].radius_um)))
            )
    for _ in range(rng.poisson(9)):
        x, y = rng.uniform(2, WIDTH_UM - 2), rng.uniform(2, HEIGHT_UM - 2)
        radius = float(rng.uniform(*LOOKS["platelet"].radius_um))
        if all(
            math.hypot(x - c.x * UM_PER_PX, y - c.y * UM_PER_PX) > c.radius_um + radius + 1 for c in cells
        ):
            cells.append(PaintedCell("platelet", x / UM_PER_PX, y / UM_PER_PX, radius))
    return cells


def _red_places(rng: np.random.Generator, cells: list[PaintedCell]) -> list[tuple[float, float]]:
    """A shaken hexagonal grid with gaps; white cells push red cells aside."""
    pitch = 8.3
    places = []
    for row in range(int(HEIGHT_UM / pitch) + 4):
        for column in range(int(WIDTH_UM / pitch) + 4):
            if rng.random() < 0.22:
                continue
            shake_x, shake_y = rng.normal(0, 1.3, 2)
            x = (column - 1 + row % 2 / 2) * pitch + shake_x
            y = (row - 1) * pitch * 0.9 + shake_y
            if all(
                math.hypot(x - c.x * UM_PER_PX, y - c.y * UM_PER_PX) > c.radius_um + 0.42 * RED_CELL_UM
                for c in cells
            ):
                places.append((float(x), float(y)))
    return places


# Red cells


def _paint_red(rng: np.random.Generator, field: Grey, x_um: float, y_um: float) -> None:
    radius = RED_CELL_UM / 2 / UM_PER_PX * rng.normal(1, 0.045)
    side = 2 * int(radius * 1.25) + 1
    distance, angle = _polar(side)
    outline = radius * (1 + rng.normal(0, 0.035) * np.cos(2 * angle + rng.uniform(0, 6.3)))
    outline += radius * rng.normal(0, 0.015) * np.cos(3 * angle + rng.uniform(0, 6.3))
    inside = distance / outline
    pallor = np.clip((inside - rng.uniform(0.05, 0.2)) / rng.uniform(0.35, 0.55), 0, 1)
    depth = rng.uniform(0.35, 0.95)
    thickness = np.clip((1 - inside) * outline / 3.0, 0, 1) * (
        1 - depth + depth * pallor * pallor * (3 - 2 * pallor)
    )
    thickness *= rng.normal(1, 0.08)
    light = 1 - thickness[..., None] * (
        1 - np.asarray(RED_CELL, np.float32) / np.asarray(BACKGROUND, np.float32)
    )
    where, part = _window(field, x_um / UM_PER_PX, y_um / UM_PER_PX, side)
    field[where] *= light[part].astype(np.float32)


def _polar(side: int) -> tuple[Grey, Grey]:
    axis = np.arange(side, dtype=np.float32) - side // 2
    x, y = np.meshgrid(axis, axis)
    return np.asarray(cv2.magnitude(x, y), dtype=np.float32), np.asarray(cv2.phase(x, y), dtype=np.float32)


def _window(field: Grey, x: float, y: float, side: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a side×side piece centred on x, y that lies in the field: where, and which part of it."""
    rows, rows_of_it = _overlap(round(y) - side // 2, side, field.shape[0])
    columns, columns_of_it = _overlap(round(x) - side // 2, side, field.shape[1])
    return (rows, columns), (rows_of_it, columns_of_it)


def _overlap(start: int, length: int, available: int) -> tuple[slice, slice]:
    first, last = min(max(0, start), available), min(max(0, start + length), available)
    return slice(first, last), slice(first - start, last - start)


# Nuclei: each shape draws itself, in ones, into a square canvas with the cell in its middle


def _px(canvas: Grey, x_um: float, y_um: float) -> tuple[int, int]:
    middle = canvas.shape[0] / 2
    return round(middle + x_um / UM_PER_PX), round(middle + y_um / UM_PER_PX)


def _oval(canvas: Grey, x: float, y: float, a: float, b: float, turn_deg: float, value: float = 1.0) -> None:
    axes = (max(1, round(a / UM_PER_PX)), max(1, round(b / UM_PER_PX)))
    cv2.ellipse(canvas, _px(canvas, x, y), axes, turn_deg, 0, 360, (value,), -1)


def _ribbon(canvas: Grey, points: list[tuple[float, float]], width_um: float) -> None:
    line = np.array([_px(canvas, *point) for point in points], dtype=np.int32)
    cv2.polylines(canvas, [line], False, (1.0,), max(1, round(width_um / UM_PER_PX)))


def _round_nucleus(low: float, high: float, off_centre: float = 0.0, flat: float = 0.9) -> Shape:
    def draw(rng: np.random.Generator, canvas: Grey) -> None:
        radius, turn = rng.uniform(low, high), rng.uniform(0, 360)
        away = off_centre * rng.uniform(0.6, 1)
        x, y = away * math.cos(math.radians(turn)), away * math.sin(math.radians(turn))
        _oval(canvas, x, y, radius * rng.uniform(flat, 1), radius, turn)

    return draw


def _lobes(
    fewest: int, most: int, long: float, short: float, ring: float, filament: float, tilt_deg: float = 25
) -> Shape:
    def draw(rng: np.random.Generator, canvas: Grey) -> None:
        count = int(rng.integers(fewest, most + 1))
        turn, spread = rng.uniform(0, 360), {2: 150, 3: 112, 4: 84}.get(count, 70)
        centres = []
        for lobe in range(count):
            at = turn + lobe * spread + rng.normal(0, 7)
            far = ring * rng.uniform(0.85, 1.15)
            x, y = far * math.cos(math.radians(at)), far * math.sin(math.radians(at))
            centres.append((x, y))
            scale = rng.uniform(0.85, 1.1)
            _oval(canvas, x, y, long * scale, short * scale, at + 90 + rng.normal(0, tilt_deg))
        _ribbon(canvas, centres, filament)

    return draw


def _band(rng: np.random.Generator, canvas: Grey) -> None:
    turn, span, ring = rng.uniform(0, 360), rng.uniform(170, 250), rng.uniform(2.5, 3.1)
    at = [math.radians(turn + share * span) for share in np.linspace(0, 1, 24)]
    points = [(ring * math.cos(a), ring * math.sin(a)) for a in at]
    _ribbon(canvas, points, rng.uniform(2.3, 2.9))
    for x, y in (points[0], points[-1]):
        _oval(canvas, x, y, 1.6, 1.5, 0)


def _indented(long: float, short: float, bite: float) -> Shape:
    """A kidney: an oval with a round bite out of its long side."""

    def draw(rng: np.random.Generator, canvas: Grey) -> None:
        turn = rng.uniform(0, 360)
        away = math.radians(turn + 90)
        depth = short + bite * rng.uniform(0.15, 0.45)
        x, y = math.cos(away), math.sin(away)
        _oval(canvas, -0.6 * x, -0.6 * y, long * rng.uniform(0.93, 1.05), short, turn)
        _oval(canvas, (depth - 0.6) * x, (depth - 0.6) * y, bite, bite, 0, value=0.0)

    return draw


# What each label looks like


@dataclass(frozen=True, slots=True)
class Look:
    """How a label is painted.

    nucleus: draws it; None for a platelet.  coarse: size of the chromatin's grains (px), contrast: how
    strongly it shows.  granules: colour, share of the cytoplasm, size (px), and how much of them lies over
    the nucleus.  ragged: how uneven the outline is.  edge: how much darker the cytoplasm's edge is.
    nucleoli, vacuoles: how many at most.
    """

    radius_um: tuple[float, float]
    nucleus: Shape | None
    cytoplasm: Rgb
    coarse: float = 1.6
    contrast: float = 1.0
    chromatin: Rgb = CHROMATIN
    granules: tuple[Rgb, float, float, float] | None = None
    ragged: float = 0.03
    edge: float = 0.25
    nucleoli: int = 0
    vacuoles: int = 0


LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "segmented_neutrophil": Look(
            (6.0, 6.9), _lobes(3, 5, 1.95, 1.7, 3.2, 0.5, 60), (208, 170, 178),
            granules=((170, 116, 158), 0.26, 1.2, 0),
        ),
        "band_neutrophil": Look((6.1, 7.0), _band, (213, 180, 184), granules=((172, 120, 160), 0.26, 1.2, 0)),
        "metamyelocyte": Look(
            (6.0, 7.1), _indented(4.8, 3.8, 2.5), (194, 160, 182), granules=((140, 80, 150), 0.22, 1.2, 0.2)
        ),
        "myelocyte": Look(
            (6.4, 7.5), _round_nucleus(4.2, 4.9, 1.6, 0.8), (182, 152, 184),
            granules=((110, 50, 136), 0.27, 1.2, 0.4),
        ),
        "promyelocyte": Look(
            (7.2, 8.2), _round_nucleus(4.9, 5.6, 1.4, 0.88), (140, 110, 168), contrast=0.9,
            granules=((98, 30, 120), 0.34, 1.2, 0.8), edge=0.4,
        ),
        "blast": Look(
            (7.0, 8.2), _round_nucleus(6.0, 6.7, 0.6, 0.92), (118, 104, 184), 1.2, 0.6, (86, 38, 148),
            edge=0.5, nucleoli=3,
        ),
        "eosinophil": Look(
            (6.2, 7.0), _lobes(2, 2, 3.0, 2.5, 2.6, 0.8), (200, 132, 138),
            granules=((160, 84, 112), 0.45, 1.6, 0),
        ),
        "basophil": Look(
            (5.8, 6.6), _lobes(2, 3, 3.2, 2.8, 2.0, 1.6), (190, 150, 182),
            granules=((62, 22, 112), 0.64, 1.6, 1.0)
        ),
        "monocyte": Look(
            (7.0, 8.0), _indented(6.0, 5.0, 2.2), (160, 140, 178), chromatin=(84, 36, 134),
            granules=((136, 100, 164), 0.24, 1.2, 0), ragged=0.05, vacuoles=5,
        ),
        "lymphocyte": Look(
            (4.8, 5.5), _round_nucleus(4.2, 4.8, 0.4), (142, 126, 180), contrast=0.75, edge=0.6
        ),
        "erythroblast": Look(
            (4.4, 5.3), _round_nucleus(2.7, 3.3, 0.7, 0.95), (174, 150, 176), 2.0, 0.4, (58, 24, 116),
            edge=0.4,
        ),
        "platelet": Look(
            (1.1, 1.8), None, (188, 154, 182), granules=((122, 62, 146), 0.42, 1.6, 0), ragged=0.1, edge=0.1
        ),
    }
)  # fmt: skip

# Shares of white cells: blood with a left shift, so that a short count shows every label.
MIXTURE: Mapping[str, float] = MappingProxyType(
    {
        "segmented_neutrophil": 46, "lymphocyte": 21, "monocyte": 7, "band_neutrophil": 8, "eosinophil": 4,
        "basophil": 2, "metamyelocyte": 3, "myelocyte": 3, "promyelocyte": 2, "blast": 2, "erythroblast": 2,
    }
)  # fmt: skip


# White cells and platelets


def _paint_white(rng: np.random.Generator, brush: Brush, field: Grey, cell: PaintedCell) -> None:
    look = LOOKS[cell.label]
    side = 2 * int((cell.radius_um * 1.3 + 0.6) / UM_PER_PX) + 1
    body = _body(rng, side, cell.radius_um / UM_PER_PX, look.ragged)
    colour = np.empty((side, side, 3), dtype=np.float32)
    colour[:] = np.asarray(look.cytoplasm, np.float32)
    colour *= (1 + 0.035 * brush.grain(rng, side, 3.0))[..., None]
    depth = np.clip(1 - cv2.GaussianBlur(body, (0, 0), 5.0) * 1.15, 0, 1) * body
    _over(colour, depth * look.edge * 2, (112, 78, 150))
    for _ in range(int(rng.integers(0, look.vacuoles + 1))):
        _dot(rng, colour, cell.radius_um * 0.75, rng.uniform(0.25, 0.5), (222, 206, 216), 0.7)
    nucleus = _nucleus(rng, brush, look, body)
    if nucleus is not None:
        _paint_nucleus(rng, brush, look, colour, nucleus)
    if look.granules is not None:
        tone, share, size, on_nucleus = look.granules
        over = np.clip((brush.grain(rng, side, size) - _threshold(share)) * 2.5, 0, 1) * 0.85
        _over(colour, over if nucleus is None else over * (1 - nucleus * (1 - on_nucleus)), tone)
    where, part = _window(field, cell.x, cell.y, side)
    alpha = body[part][..., None] * 0.97
    field[where] += alpha * (colour[part] - field[where])


def _body(rng: np.random.Generator, side: int, radius: float, ragged: float) -> Grey:
    distance, angle = _polar(side)
    outline = np.full_like(angle, radius)
    for wave in range(2, 7):
        outline += radius * rng.normal(0, ragged / wave**0.5) * np.cos(wave * angle + rng.uniform(0, 6.3))
    return np.asarray(np.clip((outline - distance) / 2.0 + 0.5, 0, 1), dtype=np.float32)


def _nucleus(rng: np.random.Generator, brush: Brush, look: Look, body: Grey) -> Grey | None:
    """The nucleus as a soft mask: drawn, bent a little, its corners rounded, and kept within the cell."""
    if look.nucleus is None:
        return None
    side = body.shape[0]
    drawn = np.zeros((side, side), dtype=np.float32)
    look.nucleus(rng, drawn)
    axis = np.arange(side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    bend_x, bend_y = 2.2 * brush.grain(rng, side, 9.0), 2.2 * brush.grain(rng, side, 9.0)
    bent = cv2.remap(drawn, x + bend_x, y + bend_y, cv2.INTER_LINEAR)
    rounded = np.clip((cv2.GaussianBlur(bent, (0, 0), 2.2) - 0.5) * 4 + 0.5, 0, 1)
    return np.asarray(rounded * body, dtype=np.float32)


def _paint_nucleus(rng: np.random.Generator, brush: Brush, look: Look, colour: Grey, nucleus: Grey) -> None:
    side = nucleus.shape[0]
    open_ = np.clip((brush.grain(rng, side, look.coarse) - 0.15) * 0.55, 0, 1) * look.contrast
    inner = cv2.GaussianBlur(nucleus, (0, 0), 3.0)
    rim = np.clip(1.5 - 1.5 * inner, 0, 1)
    ink = np.empty_like(colour)
    ink[:] = np.asarray(look.chromatin, np.float32) / brush.stain
    _over(ink, open_ * (1 - rim), PARACHROMATIN)
    for _ in range(int(rng.integers(1, look.nucleoli + 1)) if look.nucleoli else 0):
        _dot(rng, ink, 3.5, rng.uniform(0.5, 0.9), (128, 100, 190), 0.6)
    colour += nucleus[..., None] * (ink - colour)


def _dot(
    rng: np.random.Generator, colour: Grey, within_um: float, radius_um: float, tone: Rgb, strength: float
) -> None:
    disc = np.zeros(colour.shape[:2], dtype=np.float32)
    away, turn = within_um * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    _oval(disc, away * math.cos(turn), away * math.sin(turn), radius_um, radius_um, 0)
    _over(colour, cv2.GaussianBlur(disc, (0, 0), 1.2) * strength, tone)


def _over(colour: Grey, alpha: Grey | NDArray[np.floating], tone: Rgb) -> None:
    colour += np.clip(alpha, 0, 1)[..., None].astype(np.float32) * (np.asarray(tone, np.float32) - colour)


def _threshold(share: float) -> float:
    """The value that a share of unit noise exceeds (a straight line near the middle of the normal curve)."""
    return 2.6 * (0.5 - share)


# The camera


def _expose(rng: np.random.Generator, field: Grey) -> NDArray[np.uint8]:
    """Sharpen as slide scanners do, blur by lens and focus, darken the corners, add the sensor's noise."""
    height, width = field.shape[:2]
    field += SHARPENED * (field - cv2.GaussianBlur(field, (0, 0), 3.0))
    seen: Grey = np.asarray(cv2.GaussianBlur(field, (0, 0), rng.uniform(0.6, 1.0)), dtype=np.float32)
    y = ((np.arange(height, dtype=np.float32) / height - 0.5) * 2)[:, None]
    x = ((np.arange(width, dtype=np.float32) / width - 0.5) * 2)[None, :]
    seen *= (1 - 0.025 * (x * x + y * y))[..., None]
    seen += rng.standard_normal(seen.shape, dtype=np.float32) * 1.6
    return np.clip(seen, 0, 255).astype(np.uint8)
