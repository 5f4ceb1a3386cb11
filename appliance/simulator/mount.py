"""How a slide lies on the simulated stage: where, how tilted, how curved; so where it is in focus."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from appliance.simulator.askew import STRAIGHT, Seat
from firmware_bridge.point import Point

MM_UM = 1000.0


@dataclass(frozen=True, slots=True)
class Mount:
    """A slide's seat on the stage.

    x_um, y_um: where the stage stands when the slide's upper left corner is in the middle of the picture.
    middle_x_um, middle_y_um: the place on the slide to which height, tilt and curvature refer.
    z_um: the stage's height at which that place is in focus.
    tilt_x, tilt_y: rise of that height per way, µm/mm.  bow: its curvature's rise per squared way, µm/mm².
    ripple_um: height of the glass' own waves, ripple_every_um: their length.
    seat: how the camera sits. Where it is askew, places on the slide are given along the picture's axes, as
    `AskewSlide` has them; the stage's are its own.
    """

    x_um: float = 0.0
    y_um: float = 0.0
    z_um: float = 0.0
    middle_x_um: float = 0.0
    middle_y_um: float = 0.0
    tilt_x: float = 0.0
    tilt_y: float = 0.0
    bow: float = 0.0
    ripple_um: float = 0.0
    ripple_every_um: float = 2500.0
    seat: Seat = STRAIGHT

    @classmethod
    def drawn(cls, seed: int, width_um: float, height_um: float, corner: Point | None = None) -> Mount:
        """Return a seat as people leave it: some micrometres of tilt and bow over a slide of this size.

        corner: where the stage sees the slide's upper left corner in focus, give or take 0.2 mm, and 10 µm in height;
        None is 0, 0, 0.
        """
        corner = corner or Point(0.0, 0.0)
        rng = np.random.default_rng([seed, 0x5EA7])
        return cls(
            x_um=corner.x_um + float(rng.uniform(-200, 200)),
            y_um=corner.y_um + float(rng.uniform(-200, 200)),
            z_um=corner.z_um + float(rng.uniform(-10, 10)),
            middle_x_um=width_um / 2,
            middle_y_um=height_um / 2,
            tilt_x=float(rng.uniform(-1.5, 1.5)),
            tilt_y=float(rng.uniform(-1.5, 1.5)),
            bow=float(rng.uniform(-0.04, 0.04)),
            ripple_um=0.15,
        )

    def slide_place(self, stage: Point) -> tuple[float, float]:
        """Return which place of the slide is in the middle of the picture, µm."""
        return self.seat.to_picture(stage.x_um - self.x_um, stage.y_um - self.y_um)

    def stage_place(self, x_um: float, y_um: float) -> Point:
        """Return where the stage must stand to see a place of the slide in the middle and in focus."""
        x, y = self.seat.to_slide(x_um, y_um)
        return Point(x + self.x_um, y + self.y_um, self.surface_um(x_um, y_um))

    def surface_um(self, x_um: float, y_um: float) -> float:
        """Return the stage's height at which a place of the slide is in focus, µm."""
        across, down = (x_um - self.middle_x_um) / MM_UM, (y_um - self.middle_y_um) / MM_UM
        waves = 2 * math.pi / self.ripple_every_um
        return (
            self.z_um
            + self.tilt_x * across
            + self.tilt_y * down
            + self.bow * (across**2 + down**2)
            + self.ripple_um * math.sin(waves * x_um) * math.sin(waves * y_um)
        )
