"""One exposure of the simulated sensor, described so fully that the same description gives the same picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from appliance.simulator.trail import Trail


@dataclass(frozen=True, slots=True)
class View:
    """What decides a picture, beside the microscope itself.

    objective: its name.  trail: where the carriage was, and the lamp's light.  colour_gains: red and blue.
    oil: how much of the immersion oil is left, 0 to 1.  index: tells exposures of the same place apart, by their noise.
    """

    objective: str
    trail: Trail
    width_px: int
    height_px: int
    exposure_us: int
    gain: float
    colour_gains: tuple[float, float]
    oil: float = 1.0
    index: int = 0

    @property
    def digest(self) -> str:
        """A name for it, the same in every process."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:24]
