"""What a controller says about itself, checked against what the settings say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.errors import StageRefused
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES, AxisSettings, StageSettings

SAME_STEPS = 1e-3
SAME_SPEED = 1.01


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller's own word.

    title: firmware and version, for a person.  steps_per_mm: by axis.
    travel_um: low and high by axis, in stage coordinates; empty where it knows none.
    speed_um_s: the most by axis; empty where it knows none.  resolution_um: how finely it reports positions.
    """

    title: str
    steps_per_mm: Mapping[str, float]
    travel_um: Mapping[str, tuple[float, float]]
    speed_um_s: Mapping[str, float]
    resolution_um: float = 0.0

    def tolerance_um(self, axis: str) -> float:
        """How far a reported position may be from the one that was asked for, and still be it."""
        return self.resolution_um + 1010.0 / self.steps_per_mm[axis]

    def near(self, here: Point, there: Point) -> bool:
        """Whether two places are the same, as finely as it reports them."""
        return all(abs(here[name] - there[name]) <= self.tolerance_um(name) for name in AXES)

    @property
    def steps_um(self) -> Mapping[str, float]:
        """The length of one step of each axis."""
        return {name: 1000.0 / count for name, count in self.steps_per_mm.items()}


def refuse_mismatch(settings: StageSettings, controller: Controller) -> None:
    """Raise StageRefused where the settings do not fit the controller, naming the axis and both values."""
    for name in AXES:
        axis = settings.axis(name)
        _refuse_steps(name, axis, controller.steps_per_mm[name])
        if name in controller.travel_um:
            _refuse_limits(name, axis, controller.travel_um[name])
        allowed = controller.speed_um_s.get(name)
        if allowed is not None and axis.limits_um is not None and axis.speed_um_s > allowed * SAME_SPEED:
            raise StageRefused(
                f"Axis {name}: the settings ask for {axis.speed_um_s:g} µm/s, and the controller allows {allowed:g}. "
                f"Set speed_um_s={math.floor(allowed)} or less, or raise the controller's maximum rate."
            )


def _refuse_steps(name: str, axis: AxisSettings, steps_per_mm: float) -> None:
    said = axis.steps_per_mm
    if said is not None and abs(said - steps_per_mm) > SAME_STEPS * said:
        raise StageRefused(
            f"Axis {name}: the settings say {said:g} steps per mm, the controller {steps_per_mm:g}. "
            "Correct the one that is wrong."
        )


def _refuse_limits(name: str, axis: AxisSettings, travel: tuple[float, float]) -> None:
    if axis.limits_um is None:
        return
    (low, high), (least, most) = axis.limits_um, travel
    if low < least or high > most:
        raise StageRefused(
            f"Axis {name}: the soft limits {low:g} to {high:g} µm are outside the stage's travel of {least:g} to "
            f"{most:g} µm. Narrow them, or correct the controller's travel."
        )
