"""The simulated microscope: a slide on a stage, a turret of objectives and a sensor; a view in, a picture out."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.simulator.blur import Plane
from appliance.simulator.lens import Lens
from appliance.simulator.mount import Mount
from appliance.simulator.objectives import OBJECTIVES, Objective, objective_named
from appliance.simulator.optics import Canvas, Planes, light_on_sensor
from appliance.simulator.sensor import NoiseTable, Reading, Sensor, read_out
from appliance.simulator.slide import Slide, TrueCell
from appliance.simulator.view import View
from firmware_bridge.point import Point

KEPT_SHADINGS = 4


@dataclass(frozen=True, slots=True)
class CellInFrame:
    """A true cell as a frame shows it: its centre from the upper left corner and its radius, px."""

    cell: TrueCell
    x_px: float
    y_px: float
    radius_px: float


class Renderer(Protocol):
    """Makes pictures of views, here or elsewhere. The same view gives the same picture."""

    @property
    def digest(self) -> str:
        """What decides every picture beside its view."""

    @property
    def sensor(self) -> Sensor:
        """What the pictures are taken with."""

    def render(self, view: View) -> NDArray[np.uint8]:
        """Return the picture of a view: uint8, H×W×3, RGB."""

    def truth(self, place: Point, objective: str, width_px: int, height_px: int) -> list[CellInFrame]:
        """Return what really lies in a frame when the carriage really is at a place."""

    def close(self) -> None:
        """Let go of what it holds. May be called twice."""


class Microscope:
    """Renders views in this process.

    The slide may be exchanged between pictures: that is how a service slide gets under the lens. Several cameras may
    share it.
    """

    def __init__(
        self,
        slide: Slide,
        mount: Mount | None = None,
        sensor: Sensor | None = None,
        seed: int = 0,
        turret: Mapping[str, Objective] = OBJECTIVES,
    ) -> None:
        """Set it up. mount: None for a slide that lies flat.  seed: of the sensor's noise.  turret: its objectives."""
        self.slide = slide
        self._turret = turret
        self.mount = mount or Mount(middle_x_um=slide.width_um / 2, middle_y_um=slide.height_um / 2)
        self._sensor = sensor or Sensor()
        self._seed = seed
        self._lock = threading.Lock()
        self._canvas: Canvas | None = None
        self._noise: tuple[int, NoiseTable] | None = None
        self._shadings: dict[tuple[str, int, int], Plane] = {}

    @property
    def digest(self) -> str:
        """The slide's, with what else decides pictures."""
        said = repr((self.slide.digest, self.mount, self._sensor, self._seed, tuple(self._turret.values())))
        return f"{self.slide.digest}, {hashlib.sha256(said.encode()).hexdigest()[:12]}"

    @property
    def sensor(self) -> Sensor:
        """What the pictures are taken with."""
        return self._sensor

    def render(self, view: View) -> NDArray[np.uint8]:
        """Return the picture of a view: uint8, H×W×3, RGB. Raises ApplianceRefused for an unknown objective."""
        lens = Lens(objective_named(view.objective, self._turret), self.mount, view.oil)
        with self._lock:
            canvas = self._canvas_for(view.width_px, view.height_px)
            planes = light_on_sensor(self.slide, lens, view.trail, canvas)
            rng = np.random.default_rng([self._seed, int(view.digest, 16)])
            shading = self._shading(lens, view.width_px, view.height_px)
            return read_out(
                planes, shading, self._reading(lens, view, planes), self._table(view.width_px), rng
            )

    def truth(self, place: Point, objective: str, width_px: int, height_px: int) -> list[CellInFrame]:
        """Return every true cell whose centre lies in the frame, in reading order of the slide."""
        um_per_px = objective_named(objective, self._turret).um_per_px
        x_um, y_um = self.mount.slide_place(place)
        left_um, top_um = x_um - width_px / 2 * um_per_px, y_um - height_px / 2 * um_per_px
        return [
            CellInFrame(
                cell,
                (cell.x_um - left_um) / um_per_px,
                (cell.y_um - top_um) / um_per_px,
                cell.radius_um / um_per_px,
            )
            for cell in self.slide.truth(left_um, top_um, width_px * um_per_px, height_px * um_per_px)
        ]

    def close(self) -> None:
        """Nothing is held."""

    def _reading(self, lens: Lens, view: View, planes: Planes) -> Reading:
        lit = [
            level * view.trail.light
            for level in self._sensor.levels(view.exposure_us, view.gain, view.colour_gains)
        ]
        haze = lens.haze
        hazes = [
            haze * level * float(plane[::16, ::16].mean()) for level, plane in zip(lit, planes, strict=True)
        ]
        gains = (view.colour_gains[0], 1.0, view.colour_gains[1])
        red, green, blue = (self._sensor.level_per_electron(view.gain, gain) for gain in gains)
        return Reading(
            (lit[0] * (1 - haze), lit[1] * (1 - haze), lit[2] * (1 - haze)),
            (hazes[0], hazes[1], hazes[2]),
            (red, green, blue),
            self._sensor.read_e,
        )

    def _canvas_for(self, width_px: int, height_px: int) -> Canvas:
        if self._canvas is None or (self._canvas.width, self._canvas.height) != (width_px, height_px):
            self._canvas = Canvas(width_px, height_px)
        return self._canvas

    def _table(self, width_px: int) -> NoiseTable:
        if self._noise is None or self._noise[0] != width_px:
            self._noise = width_px, NoiseTable(self._seed, width_px)
        return self._noise[1]

    def _shading(self, lens: Lens, width_px: int, height_px: int) -> Plane:
        key = lens.objective.name, width_px, height_px
        if key not in self._shadings:
            if len(self._shadings) >= KEPT_SHADINGS:
                self._shadings.clear()
            self._shadings[key] = lens.shading(width_px, height_px)
        return self._shadings[key]
