"""From light that passes a slide to light that falls on the sensor: scale, focus, motion and the lens' own faults.

The picture is worked on in blocks of one colour, each with the blur and the shift of its own middle: tilt, field
curvature and lateral colour then cost nothing. A picture that is blurred over many pixels is made small first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from appliance.simulator.blur import Part, Plane, blur, magnify, shrunk, split
from appliance.simulator.lens import Lens
from appliance.simulator.motion_blur import Light, smeared
from appliance.simulator.slide import Slide
from appliance.simulator.trail import Trail

Planes = tuple[Plane, Plane, Plane]

# The same for every height, so that a slide that remembers what it drew last need not draw a stack anew.
MARGIN_PX = 12
BLOCK_PX = 350
MOTION_FROM_PX = 0.2
COARSE_FROM = 4.0  # px of blur from which half the pixels are enough


@dataclass(frozen=True, slots=True)
class Field:
    """What a frame looks at.

    column, row: of its first pixel on the slide's raster.  off_x, off_y: how far beyond it begins, 0 to 1 px.
    """

    column: int
    row: int
    off_x: float
    off_y: float
    width: int
    height: int


class Canvas:
    """What a frame is drawn on. Kept and drawn on again: fresh memory costs more than the drawing.

    wide: the light with a margin around it.  planes: the light on the sensor, red, green and blue, each H×W.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        """Make one for frames of this size."""
        self.width, self.height = width_px, height_px
        self.wide = _blank(width_px + 2 * MARGIN_PX, height_px + 2 * MARGIN_PX)
        self.planes = _blank(width_px, height_px)


def light_on_sensor(slide: Slide, lens: Lens, trail: Trail, canvas: Canvas) -> Planes:
    """Return the lamp's share that reaches each pixel, red, green and blue, each H×W, before any shading.

    They lie on the canvas, and last until it is drawn on again.
    """
    um_per_px = lens.objective.um_per_px
    x_um, y_um = lens.mount.slide_place(trail.middle)
    left, top = x_um / um_per_px - canvas.width / 2, y_um / um_per_px - canvas.height / 2
    column, row = math.floor(left), math.floor(top)
    field = Field(column, row, left - column, top - row, canvas.width, canvas.height)
    light = _light(slide, lens, trail, field)
    blocks = list(_blocks(lens, trail, field, 1))
    sharpest = min(block.blur_px for block in blocks)
    if sharpest <= COARSE_FROM:
        split(light, canvas.wide)
        for colour in range(3):
            _draw(canvas.wide[colour], lens.outward(colour), field, blocks, canvas.planes[colour])
    else:
        coarse = 2 ** (math.floor(math.log2(sharpest / COARSE_FROM)) + 1)
        blocks = list(_blocks(lens, trail, field, coarse))
        small = shrunk(light, coarse)
        few = _blank(small.shape[1], small.shape[0])
        split(small, few)
        for colour in range(3):
            soft = _softened(few[colour], field, blocks, coarse)
            _draw_out(soft, light.shape, lens.outward(colour), field, canvas.planes[colour])
    return canvas.planes


def _blank(width: int, height: int) -> Planes:
    red, green, blue = (np.empty((height, width), dtype=np.float32) for _ in range(3))
    return red, green, blue


@dataclass(frozen=True, slots=True)
class _Block:
    """A part of the frame, its middle from the frame's middle, and its blur."""

    part: Part
    x_px: float
    y_px: float
    blur_px: float


def _light(slide: Slide, lens: Lens, trail: Trail, field: Field) -> Light:
    """The light over a field with a margin around it, in focus, smeared where the carriage moved."""
    um_per_px = lens.objective.um_per_px
    first = field.column - MARGIN_PX, field.row - MARGIN_PX
    size = field.width + 2 * MARGIN_PX, field.height + 2 * MARGIN_PX
    middle = trail.middle
    way = [((at.x_um - middle.x_um) / um_per_px, (at.y_um - middle.y_um) / um_per_px) for at in trail.places]
    if max(max(map(abs, step)) for step in way) < MOTION_FROM_PX:
        return slide.light(first[0] * um_per_px, first[1] * um_per_px, *size, um_per_px)
    return smeared(slide, first, size, um_per_px, way, trail.shares)


def _blocks(lens: Lens, trail: Trail, field: Field, coarse: int) -> Iterator[_Block]:
    columns, rows = (max(1, round(side / BLOCK_PX / coarse)) for side in (field.width, field.height))
    for row in range(rows):
        top, bottom = row * field.height // rows, (row + 1) * field.height // rows
        for column in range(columns):
            left, right = column * field.width // columns, (column + 1) * field.width // columns
            x, y = (left + right - field.width) / 2, (top + bottom - field.height) / 2
            yield _Block((left, top, right, bottom), x, y, lens.blur_px(trail, x, y))


def _draw(wide: Plane, outward: float, field: Field, blocks: Iterable[_Block], onto: Plane) -> None:
    """Blur and shift one colour block by block. outward: by what share it is magnified more."""
    for block in blocks:
        left, top, right, bottom = block.part
        off = field.off_x - outward * block.x_px, field.off_y - outward * block.y_px
        part = left + MARGIN_PX, top + MARGIN_PX, right + MARGIN_PX, bottom + MARGIN_PX
        blur(wide, part, off, block.blur_px, onto[top:bottom, left:right])


def _softened(few: Plane, field: Field, blocks: Iterable[_Block], coarse: int) -> Plane:
    """Blur one colour on fewer pixels by what is still missing."""
    soft = np.empty_like(few)
    for block in blocks:
        left, right = (round(x * few.shape[1] / field.width) for x in (block.part[0], block.part[2]))
        top, bottom = (round(y * few.shape[0] / field.height) for y in (block.part[1], block.part[3]))
        # Averaging and drawing out blur too: a box of `coarse` px, and a triangle of twice its width.
        already = (coarse**2 - 1) / 12 + coarse**2 / 6
        missing = math.sqrt(max(0.0, block.blur_px**2 - already)) / coarse
        blur(few, (left, top, right, bottom), (0.0, 0.0), missing, soft[top:bottom, left:right])
    return soft


def _draw_out(soft: Plane, was: tuple[int, ...], outward: float, field: Field, onto: Plane) -> None:
    inward = 1 - outward
    first_x = (field.width - 1) / 2 * (1 - inward) + field.off_x + MARGIN_PX
    first_y = (field.height - 1) / 2 * (1 - inward) + field.off_y + MARGIN_PX
    magnify(soft, was, (first_x, first_y), inward, onto)
