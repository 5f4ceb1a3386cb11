"""A slide whose cells say by their colour what they are, and an analyser that reads it from a picture alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import product

import cv2
import numpy as np
from builders_instrument import SAYS
from numpy.typing import NDArray

from appliance.frame import Frame
from appliance.simulator.microscope import CellInFrame
from appliance.simulator.mount import Mount
from appliance.simulator.objectives import objective_named
from appliance.simulator.sensor import Sensor
from appliance.simulator.slide import TrueCell
from appliance.simulator.view import View
from calibration import Scale
from firmware_bridge.point import Point
from models import Cell, Detection, Opinion

PITCH_UM, RED_UM, WHITE_UM = 9.5, 3.7, 4.1
ASIDE = 0.25  # how far cells lie apart from a grid, all in all, in pitches
RED = (0.81, 0.72, 0.83)
KINDS = {
    "segmented_neutrophil": (0.55, 0.20, 0.62),
    "lymphocyte": (0.25, 0.20, 0.62),
    "monocyte": (0.25, 0.20, 0.88),
}
MISSING = 7  # every so many-th red cell
COVERED = 0.53  # as it looks from afar
WHITE_LEVEL = 235
BORDER_UM = 5.0
"""Cells nearer to the frame's border than that are not counted."""

COARSE_UM_PER_PX = 2.0
NOISE_SPARE = 64
MOTION_IN = 5  # so many places of a trail make a smear


class CellSlide:
    """Red cells side by side, and here and there a white one whose colour says its kind. The smear ends all around."""

    width_um, height_um = 1_600.0, 1_200.0
    digest = "coloured cells 1"

    def light(
        self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
    ) -> NDArray[np.float32]:
        light = _light(round(x_um, 6), round(y_um, 6), width_px, height_px, um_per_px)
        return light.astype(np.float32) / np.float32(255)

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        return [
            cell
            for cell in _cells(x_um, y_um, width_um, height_um)
            if cell.label in KINDS
            and x_um <= cell.x_um < x_um + width_um
            and y_um <= cell.y_um < y_um + height_um
        ]


@lru_cache(maxsize=128)
def _light(x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> NDArray[np.uint8]:
    """What `CellSlide.light` returns, of 255; a field is looked at many times, and in many runs."""
    if um_per_px > COARSE_UM_PER_PX:
        return _from_afar(x_um, y_um, width_px, height_px, um_per_px)
    picture = np.full((height_px, width_px, 3), 255, dtype=np.uint8)
    cells = _cells(x_um, y_um, width_px * um_per_px, height_px * um_per_px)
    for cell in sorted(cells, key=lambda cell: cell.label in KINDS):  # white ones lie above
        x, y = (cell.x_um - x_um) / um_per_px - 0.5, (cell.y_um - y_um) / um_per_px - 0.5
        colour = tuple(round(255 * share) for share in KINDS.get(cell.label, RED))
        radius = round(16 * cell.radius_um / um_per_px)
        cv2.circle(picture, (round(16 * x), round(16 * y)), radius, colour, -1, cv2.LINE_AA, shift=4)
    return picture


def _from_afar(
    x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
) -> NDArray[np.uint8]:
    light = np.full((height_px, width_px, 3), 255, dtype=np.uint8)
    left, top = (max(0, round(-at / um_per_px)) for at in (x_um, y_um))
    right, bottom = (
        max(0, round((end - at) / um_per_px))
        for end, at in ((CellSlide.width_um, x_um), (CellSlide.height_um, y_um))
    )
    light[top:bottom, left:right] = np.rint(255 * (1 - COVERED * (1 - np.array(RED))))
    return light


def _cells(x_um: float, y_um: float, width_um: float, height_um: float) -> Iterator[TrueCell]:
    """Every cell, red ones too, of which something lies in a rectangle."""
    columns, rows = (
        range(
            max(0, math.floor(start / PITCH_UM) - 1),
            min(int(whole / PITCH_UM), math.ceil((start + length) / PITCH_UM) + 1),
        )
        for start, length, whole in (
            (x_um, width_um, CellSlide.width_um),
            (y_um, height_um, CellSlide.height_um),
        )
    )
    for row, column in product(rows, columns):
        aside_x, aside_y, number = _chance(column, row)
        # No two white ones side by side: an analyser as simple as ours would take them for one.
        white = (column + row) % 2 == 0 and number % 2 == 0
        if not white and number % MISSING == 0:
            continue
        kind = tuple(KINDS)[number // 2 % len(KINDS)] if white else None
        x, y = (column + 0.5 + aside_x) * PITCH_UM, (row + 0.5 + aside_y) * PITCH_UM
        yield TrueCell(kind or "red cell", x, y, WHITE_UM if kind else RED_UM, at_edge=False)


def _chance(column: int, row: int) -> tuple[float, float, int]:
    """How far aside a place's cell lies, in pitches, and a number for its kind: the same always."""
    mixed = (column * 0x9E3779B1 ^ row * 0x85EBCA77 ^ 0x2545F491) & 0xFFFFFFFF
    for turn in (15, 13, 16):
        mixed = (mixed ^ mixed >> turn) * 0x2C1B3C6D & 0xFFFFFFFF
    return (mixed & 255) / 255 * ASIDE - ASIDE / 2, (mixed >> 8 & 255) / 255 * ASIDE - ASIDE / 2, mixed >> 16


class QuickRenderer:
    """Pictures of the slide in no time: its focus and its motion as a microscope has them, its light and noise even.

    The protocol is `Renderer`'s.
    """

    digest = CellSlide.digest
    sensor = Sensor()

    def __init__(self, mount: Mount) -> None:
        self.mount = mount

    def render(self, view: View) -> NDArray[np.uint8]:
        places = view.trail.places[:: max(1, len(view.trail.places) // MOTION_IN)]
        seen = [self._sharp(view, place) for place in places]
        whole = seen[0] if len(seen) == 1 else np.mean(seen, axis=0).astype(np.uint8)
        level = WHITE_LEVEL / 255 * view.trail.light
        down, right = divmod(int(view.digest[:6], 16) % NOISE_SPARE**2, NOISE_SPARE)
        noise = _noise()[down : down + view.height_px, right : right + view.width_px]
        return np.asarray(cv2.add(cv2.convertScaleAbs(whole, alpha=level), noise, dtype=cv2.CV_8U))

    def truth(self, place: Point, objective: str, width_px: int, height_px: int) -> list[CellInFrame]:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""

    def _sharp(self, view: View, place: Point) -> NDArray[np.uint8]:
        lens = objective_named(view.objective)
        x_um, y_um = self.mount.slide_place(place)
        left, top = (
            middle - px / 2 * lens.um_per_px for middle, px in ((x_um, view.width_px), (y_um, view.height_px))
        )
        light = _light(round(left, 3), round(top, 3), view.width_px, view.height_px, lens.um_per_px)
        away_um = place.z_um - self.mount.surface_um(x_um, y_um) - lens.parfocal_um
        if lens.um_per_px > COARSE_UM_PER_PX:
            return light
        return np.asarray(cv2.GaussianBlur(light, (0, 0), lens.blur_um(away_um) / lens.um_per_px), np.uint8)


@cache
def _noise() -> NDArray[np.int8]:
    rng = np.random.default_rng(0)
    side = 256 + NOISE_SPARE
    return rng.normal(0, 1.5, (side, side, 3)).astype(np.int8)


class ColourAnalyser:
    """Finds white cells by their darkness, and names them by their colour: it knows nothing but the picture."""

    engine = "colours, no device"
    weights = "colours 1"
    outputs = SAYS

    def check(self, scale: Scale) -> None:
        """Every scale will do."""

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        dark = (frame.pixels[..., 1] < 0.45 * WHITE_LEVEL).astype(np.uint8)
        count, _, stats, centres = cv2.connectedComponentsWithStats(dark, connectivity=4)
        least_px = 0.5 * math.pi * (WHITE_UM / scale.um_per_px) ** 2
        return [
            _found(frame, scale, *(float(at) + 0.5 for at in centres[n]))
            for n in range(1, count)
            if stats[n, cv2.CC_STAT_AREA] > least_px
        ]


def _found(frame: Frame, scale: Scale, x: float, y: float) -> Cell:
    height, width = frame.pixels.shape[:2]
    x_um, y_um = frame.position.x_um + x * scale.um_per_px, frame.position.y_um + y * scale.um_per_px
    detection = Detection(x, y, WHITE_UM, 0.9)
    border = BORDER_UM / scale.um_per_px
    if not (border <= x < width - border and border <= y < height - border):
        return Cell(detection, x_um, y_um, None, None)
    window = frame.pixels[round(y) - 5 : round(y) + 5, round(x) - 5 : round(x) + 5]
    red, _, blue = window.reshape(-1, 3).mean(axis=0) / WHITE_LEVEL
    label = "segmented_neutrophil" if red > 0.4 else "monocyte" if blue > 0.75 else "lymphocyte"
    probabilities = np.full(len(SAYS), 0.01, np.float32)
    probabilities[SAYS.index(label)] = 0.9
    opinion = Opinion(label, 0.9, probabilities, label, 0.9, probabilities, 1)
    return Cell(detection, x_um, y_um, np.full((96, 96, 3), SAYS.index(label), np.uint8), opinion)
