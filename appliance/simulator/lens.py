"""A lens over a slide that is mounted: how sharp, how bright and how displaced each part of its picture is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from appliance.simulator.blur import Plane
from appliance.simulator.mount import Mount
from appliance.simulator.objectives import AIR, CORNER_PX, Objective
from appliance.simulator.trail import Trail

DRIEST_HAZE = 0.3
DRIEST_BLUR = 2.0  # times the diffraction: spherical aberration


@dataclass(frozen=True, slots=True)
class Lens:
    """An objective over a slide that is mounted.

    oil: how much of the immersion oil is left, 0 to 1: without it an oil lens sees softly and through a haze.
    """

    objective: Objective
    mount: Mount
    oil: float = 1.0

    def blur_px(self, trail: Trail, x_px: float, y_px: float) -> float:
        """Return the standard deviation of a point's picture, so far from the frame's middle, over a trail."""
        objective = self.objective
        best = objective.parfocal_um + objective.curvature_um * (x_px**2 + y_px**2) / CORNER_PX**2
        squared = self._dry**2 * (DRIEST_BLUR * objective.diffraction_um) ** 2
        for place, share in zip(trail.places, trail.shares, strict=True):
            x_um, y_um = self.mount.slide_place(place)
            surface = self.mount.surface_um(
                x_um + x_px * objective.um_per_px, y_um + y_px * objective.um_per_px
            )
            squared += share * objective.blur_um(place.z_um - surface - best) ** 2
        return math.sqrt(squared) / objective.um_per_px

    @property
    def haze(self) -> float:
        """The share of the light that carries no picture."""
        return DRIEST_HAZE * self._dry

    @property
    def _dry(self) -> float:
        return 0.0 if self.objective.index == AIR else 1.0 - self.oil

    def outward(self, colour: int) -> float:
        """Return by what share a colour (0 red, 1 green, 2 blue) is magnified more than green."""
        return (self.objective.red_px, 0.0, self.objective.blue_px)[colour] / CORNER_PX

    def shading(self, width_px: int, height_px: int) -> Plane:
        """Return the share of the middle's light that reaches each pixel, H×W: less and less outward."""
        x = np.square((np.arange(width_px, dtype=np.float32) - (width_px - 1) / 2) / CORNER_PX)
        y = np.square((np.arange(height_px, dtype=np.float32) - (height_px - 1) / 2) / CORNER_PX)
        squared = y[:, None] + x[None, :]
        fall = 1 - self.objective.corner_light
        return np.asarray(1 - fall * (0.5 * squared + 0.5 * squared**2), dtype=np.float32)
