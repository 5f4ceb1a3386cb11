"""A value and how well it is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibration.errors import CalibrationRefused

COVERAGE = 1.96  # of 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured value with its standard uncertainty (GUM: one standard deviation), both in `unit`."""

    value: float
    uncertainty: float
    unit: str

    def __post_init__(self) -> None:
        """Raise CalibrationRefused for what no measurement gives."""
        if not (math.isfinite(self.value) and math.isfinite(self.uncertainty) and self.uncertainty >= 0):
            raise CalibrationRefused(
                f"A measurement gave {self.value:g} ± {self.uncertainty:g} {self.unit}, which is no value. "
                "Measure again."
            )

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper limit of the 95 % interval."""
        return self.value - COVERAGE * self.uncertainty, self.value + COVERAGE * self.uncertainty

    @property
    def relative(self) -> float:
        """Standard uncertainty as a share of the value."""
        return self.uncertainty / abs(self.value)

    def shown(self, number: float) -> str:
        """A number of the same unit (the value, a limit), to the digits that are known of the value."""
        if self.uncertainty == 0:
            return f"{number:g}"
        return f"{number:.{max(0, 1 - math.floor(math.log10(self.uncertainty)))}f}"

    def __str__(self) -> str:
        """The value with its 95 % limits, to the digits that are known; alone where it was set and not measured."""
        if self.uncertainty == 0:
            return f"{self.value:g} {self.unit}"
        return f"{self.shown(self.value)} ± {self.shown(COVERAGE * self.uncertainty)} {self.unit}"
