"""A simulated instrument with every error at once, drawn by its number: nothing of it is known but by calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.simulator.askew import Seat
from appliance.simulator.carriage import Carriage
from appliance.simulator.objectives import OBJECTIVES, OIL, Objective
from appliance.simulator.sensor import Sensor
from firmware_bridge.emulated.mechanics import Counts
from firmware_bridge.point import Point

Numbers = NDArray[np.float64]

DRIFT_S = 600.0  # in which it drifts by its drift_um
MOTION_S = 0.5  # about what a motion takes, with settling and a picture after most of them


@dataclass(frozen=True, slots=True)
class Imperfect:
    """What is true of an instrument.

    seat: the camera's. stage: 2×2, from what the stage is told to where it goes, µm: steps/mm and axes that are askew.
    backlash_um, drift_um: along x and y, the second in ten minutes.  scatter_um: of every arrival.  away_um: out of
    focus, for who does not focus.  backlash_z_um: play of z.  higher_um: than stated, its height of focus.
    overview_aside_um: where its camera for the whole slide looks, from the axis of its objective.
    colour_gains: of red and blue, that make its lamp's light grey.
    """

    number: int
    um_per_px: float
    seat: Seat
    stage: tuple[tuple[float, float], tuple[float, float]]
    backlash_um: tuple[float, float]
    scatter_um: float
    drift_um: tuple[float, float]
    corner_light: float
    colour_gains: tuple[float, float]
    full_well_e: float
    away_um: float
    backlash_z_um: float
    higher_um: float
    overview_aside_um: tuple[float, float]

    @classmethod
    def drawn(cls, number: int) -> Imperfect:
        """Draw one: pixels of 0.05 to 0.22 µm, ± 10°, shear, play up to 12 µm, vignetting to 40 %, and so on."""
        rng = np.random.default_rng([number, 0x1257])
        skew = math.radians(float(rng.uniform(-0.5, 0.5)))
        steps_x, steps_y = (float(each) for each in rng.uniform(0.998, 1.002, 2))
        return cls(
            number,
            um_per_px=float(np.exp(rng.uniform(math.log(0.05), math.log(0.22)))),
            seat=Seat(
                float(rng.uniform(-10, 10)), float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.998, 1.002))
            ),
            stage=((steps_x, -steps_y * math.sin(skew)), (0.0, steps_y * math.cos(skew))),
            backlash_um=(float(rng.uniform(0, 12)), float(rng.uniform(0, 12))),
            scatter_um=float(rng.uniform(0.05, 0.25)),
            drift_um=(float(rng.uniform(-2, 2)), float(rng.uniform(-2, 2))),
            corner_light=float(rng.uniform(0.6, 1.0)),
            colour_gains=(float(rng.uniform(1.2, 1.7)), float(rng.uniform(1.0, 1.45))),
            full_well_e=float(rng.uniform(6_000, 25_000)),
            away_um=float(rng.uniform(-1.0, 1.0)),
            backlash_z_um=float(rng.uniform(0.5, 4.0)),
            higher_um=float(rng.uniform(-8.0, 8.0)),
            overview_aside_um=(float(rng.uniform(-150, 150)), float(rng.uniform(-150, 150))),
        )

    @property
    def name(self) -> str:
        """What its camera is called; whatever lies on its stage."""
        return f"simulated microscope {self.number}"

    @property
    def on_slide(self) -> Numbers:
        """2×2, from px to µm on the slide."""
        return self.seat.matrix * self.um_per_px

    @property
    def stage_map(self) -> Numbers:
        """2×2, px per µm that the stage is told."""
        return np.asarray(np.linalg.solve(self.on_slide, np.array(self.stage)))

    def objective(self, name: str) -> Objective:
        """Return its lens, under a name."""
        return Objective(
            name, self.um_per_px, 1.25, OIL, curvature_um=0.25, corner_light=self.corner_light, red_px=0.6,
            blue_px=-0.5,
        )  # fmt: skip

    def turret(self, name: str) -> Mapping[str, Objective]:
        """Return its lens beside the camera that sees the whole slide."""
        return MappingProxyType({name: self.objective(name), "overview": OBJECTIVES["overview"]})

    @property
    def sensor(self) -> Sensor:
        """Its sensor, under its lamp."""
        return replace(Sensor(), full_well_e=self.full_well_e, neutral=self.colour_gains)

    def strays_um(self, axis: int, arrival: int) -> float:
        """Return how far off the axis stands after so many motions of its own: x is 0, y is 1."""
        return _strays(self.number, axis, arrival) * self.scatter_um

    def goes_to(self, told: Point) -> Point:
        """Return where the carriage really is when the motors are where they were told to go."""
        x, y = np.array(self.stage) @ (told.x_um, told.y_um)
        return Point(float(x), float(y), told.z_um)


@lru_cache(maxsize=4096)
def _strays(number: int, axis: int, arrival: int) -> float:
    return float(np.random.default_rng([number, 0x57A4, axis, arrival]).standard_normal())


class MovedCarriage(Carriage, Protocol):
    """A carriage that also counts its motions."""

    def moves(self, at_ns: int) -> tuple[Counts, Counts, float]:
        """How often each axis had moved before its last motion, how often with it, and what share of that is over."""


class AskewCarriage:
    """A carriage whose axes have wrong steps and stand askew, and scatter and drift; the protocol is `Carriage`'s.

    It ages by its motions, and by the time that somebody lets pass (`rest`), not by the clock: the same orders find
    the same places, however busy the machine that simulates.
    """

    def __init__(self, carriage: MovedCarriage, imperfect: Imperfect) -> None:
        """Put it on a carriage that does as it is told."""
        self._carriage, self._imperfect = carriage, imperfect
        self._rested_s = 0.0

    @property
    def rate(self) -> float:
        """As the carriage's."""
        return self._carriage.rate

    def rest(self, seconds: float) -> None:
        """Stand still for so long."""
        self._rested_s += seconds

    def true_position(self, at_ns: int) -> Point:
        """Return where the carriage really is or was, µm."""
        place = self._carriage.true_position(at_ns)
        before, after, share = self._carriage.moves(at_ns)
        aged = (self._rested_s + MOTION_S * sum(after)) / DRIFT_S
        x, y = (
            aged * self._imperfect.drift_um[axis]
            + (1 - share) * self._imperfect.strays_um(axis, before[axis])
            + share * self._imperfect.strays_um(axis, after[axis])
            for axis in (0, 1)
        )
        return self._imperfect.goes_to(Point(place.x_um + x, place.y_um + y, place.z_um))

    def light_at(self, at_ns: int) -> float:
        """Return the carriage's light."""
        return self._carriage.light_at(at_ns)
