"""A simulated instrument with every error at once, drawn by its number: what calibration is measured against."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator.askew import AskewSlide
from appliance.simulator.imperfect import Imperfect
from appliance.simulator.microscope import Microscope
from appliance.simulator.mount import Mount
from appliance.simulator.sensor import Sensor
from appliance.simulator.slide import Slide, TrueCell
from appliance.simulator.trail import Trail
from appliance.simulator.view import View
from firmware_bridge.point import Point

Numbers = NDArray[np.float64]
Picture = NDArray[np.uint8]
LENS = "drawn"
LARGEST_PX = (1388, 1040)
EXPOSURE_US = 10_000


@dataclass(frozen=True, slots=True)
class Instrument(Imperfect):
    """An instrument that can be looked through."""

    @classmethod
    def drawn(cls, number: int) -> Instrument:
        """Draw one."""
        drawn = Imperfect.drawn(number)
        return cls(*(getattr(drawn, each.name) for each in fields(drawn)))

    def frame_px(self, across_um: float) -> tuple[int, int]:
        """Return the size of a frame about so wide, no larger than the sensor: width and height."""
        width = min(LARGEST_PX[0], round(across_um / self.um_per_px))
        return width, round(width * LARGEST_PX[1] / LARGEST_PX[0])

    def under(self, slide: Slide) -> Eye:
        """Return an eye on a slide."""
        turret = {LENS: self.objective(LENS)}
        mount = Mount(seat=self.seat)
        sensor = Sensor(full_well_e=self.full_well_e)
        return Eye(self, Microscope(AskewSlide(slide, self.seat), mount, sensor, self.number, turret))


@dataclass(slots=True)
class Eye:
    """Takes pictures of places of a slide through an instrument."""

    instrument: Instrument
    microscope: Microscope
    taken: int = 0

    def look(self, x_um: float, y_um: float, size_px: tuple[int, int]) -> Picture:
        """Return the picture of a place of the slide, width and height in px."""
        self.taken += 1
        place = Point(x_um, y_um, self.instrument.away_um)
        view = View(
            LENS,
            Trail.still(place),
            *size_px,
            EXPOSURE_US,
            1.0,
            self.instrument.colour_gains,
            index=self.taken,
        )
        return self.microscope.render(view)


@dataclass(slots=True)
class Carriage:
    """Where the slide really is when the stage is told to go somewhere: play, scatter, steps and skew."""

    instrument: Instrument
    start_um: tuple[float, float]
    carried: Numbers = field(default_factory=lambda: np.zeros(2))
    told: Numbers = field(default_factory=lambda: np.zeros(2))
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """Seed its scatter."""
        self.rng = np.random.default_rng([self.instrument.number, 0xCA88])

    def go(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Return where on the slide the middle of the picture is after the stage was told to go there."""
        self.told = np.array([x_um, y_um])
        play = np.array(self.instrument.backlash_um)
        self.carried = np.minimum(np.maximum(self.carried, self.told - play), self.told)
        return self.stand()

    def stand(self, drifted: float = 0.0, scatter_um: float | None = None) -> tuple[float, float]:
        """Return where it is now. drifted: how much of ten minutes' drift has happened."""
        scatter = self.instrument.scatter_um if scatter_um is None else scatter_um
        off = self.rng.normal(0, scatter, 2) + drifted * np.array(self.instrument.drift_um)
        x, y = np.array(self.instrument.stage) @ (self.carried + off) + self.start_um
        return float(x), float(y)


class Remembered:
    """A part of a slide that is drawn once, for an eye that looks at it many times with pixels of one size."""

    def __init__(
        self, slide: Slide, middle_um: tuple[float, float], reach_um: float, um_per_px: float
    ) -> None:
        self.slide = slide
        self.width_um, self.height_um, self.digest = slide.width_um, slide.height_um, slide.digest
        self.truth = slide.truth
        self._um = um_per_px
        self._left, self._top = (round((at - reach_um) / um_per_px) for at in middle_um)
        side = round(2 * reach_um / um_per_px)
        light = slide.light(self._left * um_per_px, self._top * um_per_px, side, side, um_per_px)
        self._light = np.rint(light * 255).astype(np.uint8)

    def light(
        self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
    ) -> NDArray[np.float32]:
        """Return what passes, from memory where it holds it all."""
        column, row = round(x_um / um_per_px) - self._left, round(y_um / um_per_px) - self._top
        kept = self._light[max(0, row) : row + height_px, max(0, column) : column + width_px]
        if um_per_px != self._um or min(row, column) < 0 or kept.shape[:2] != (height_px, width_px):
            return self.slide.light(x_um, y_um, width_px, height_px, um_per_px)
        return kept.astype(np.float32) / np.float32(255)


class Speckled:
    """A slide of soft specks in three sizes: as much detail as a smear, drawn in no time."""

    width_um = height_um = 1_000.0
    digest = "specks"

    def __init__(
        self, number: int, middle_um: tuple[float, float], reach_um: float, um_per_px: float
    ) -> None:
        rng = np.random.default_rng([number, 0x59EC])
        side = round(2 * reach_um / um_per_px)
        field_of = np.zeros((side, side), dtype=np.float32)
        for size_um in (0.5, 1.5, 4.0):
            few = max(
                1, round(size_um / um_per_px / 3)
            )  # drawn small and drawn out: soft specks need no fine pixels
            small = rng.standard_normal((side // few + 1, side // few + 1), dtype=np.float32)
            small = np.asarray(cv2.GaussianBlur(small, (0, 0), size_um / um_per_px / few), dtype=np.float32)
            soft = np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC))
            field_of += soft / soft.std()
        clear = np.clip(0.72 + 0.16 * field_of, 0.1, 1.0)
        self._light = clear
        self._left, self._top = (round((at - reach_um) / um_per_px) for at in middle_um)

    def light(
        self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float
    ) -> NDArray[np.float32]:
        """Return what passes; its pixels are those that it was drawn with."""
        column, row = round(x_um / um_per_px) - self._left, round(y_um / um_per_px) - self._top
        rows = np.clip(np.arange(row, row + height_px), 0, len(self._light) - 1)
        columns = np.clip(np.arange(column, column + width_px), 0, len(self._light) - 1)
        return np.repeat(self._light[np.ix_(rows, columns)][..., None], 3, axis=2)

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        """Return nothing: there is no cell."""
        return []
