"""How many micrometres a pixel is, and who says so."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

from calibration.errors import CalibrationRefused

# Finer than any light microscope resolves; coarser than any overview camera.
PLAUSIBLE_UM_PER_PX = (0.01, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A calibrated pixel size.

    um_per_px: micrometres per pixel, both axes.  source: where it comes from, for a person to read.
    id: names it in frames and in every result.  expires: None where it does not.
    """

    um_per_px: float
    source: str
    id: str
    expires: datetime | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise CalibrationRefused for a pixel size that no microscope has."""
        low, high = PLAUSIBLE_UM_PER_PX
        if not (math.isfinite(self.um_per_px) and low <= self.um_per_px <= high):
            raise CalibrationRefused(
                f"A pixel size of {self.um_per_px:g} µm is not plausible ({self.source}). "
                f"Give micrometres per pixel between {low:g} and {high:g}."
            )

    @classmethod
    def stated(cls, um_per_px: float, source: str = "stated") -> Scale:
        """Return a scale that a person or a file states, named after its value and source."""
        return cls(um_per_px, source, f"{source}: {um_per_px:.6g} µm/px")
