"""Pictures of a simulated slide as a microscope at rest gives them: in focus, settled, without stage or clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import CameraSetting
from appliance.simulator.microscope import CellInFrame, Microscope
from appliance.simulator.mixture import Mixture
from appliance.simulator.objectives import objective_named
from appliance.simulator.smear import Smear
from appliance.simulator.trail import Trail
from appliance.simulator.view import View

SETTING = CameraSetting(width_px=1388, height_px=1040, exposure_us=10_000)
MONOLAYER_UM = (13_500.0, 17_500.0)  # along a smear of the usual size
TOP_UM, BOTTOM_UM = 3_000.0, 9_000.0


@dataclass(frozen=True, slots=True, eq=False)
class StillField:
    """A field: uint8, H×W×3, RGB, and what really lies in it."""

    pixels: NDArray[np.uint8]
    cells: list[CellInFrame]


def still_fields(
    seed: int = 0, objective: str = "100x", mixture: Mixture | None = None
) -> Iterator[StillField]:
    """Yield fields of the monolayer of a smear, none overlapping: the same ones for the same seed."""
    microscope = Microscope(Smear(seed, mixture), seed=seed)
    step = objective_named(objective).um_per_px * np.array([SETTING.width_px, SETTING.height_px])
    for y_um in np.arange(TOP_UM, BOTTOM_UM, step[1]):
        for x_um in np.arange(*MONOLAYER_UM, step[0]):
            place = microscope.mount.stage_place(float(x_um), float(y_um))
            view = View(
                objective,
                Trail.still(place),
                SETTING.width_px,
                SETTING.height_px,
                SETTING.exposure_us,
                SETTING.gain,
                microscope.sensor.own_gains,
            )
            cells = microscope.truth(place, objective, SETTING.width_px, SETTING.height_px)
            yield StillField(microscope.render(view), cells)
