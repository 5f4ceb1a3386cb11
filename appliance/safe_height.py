"""Heights at which neither the objective nor the slide comes to harm.

Z is the height of the stage: upward is towards the objective, so the upper limit is the one that breaks glass.
A `SafeHeight` cannot be made outside its limits, and every height that focusing asks for is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.errors import ApplianceRefused

FARTHEST_UM = 1e6


@dataclass(frozen=True, slots=True)
class HeightLimits:
    """The lowest and the highest height, µm, that may ever be asked for."""

    lowest_um: float
    highest_um: float

    def __post_init__(self) -> None:
        """Raise ApplianceRefused for limits that enclose nothing."""
        if not (abs(self.lowest_um) <= FARTHEST_UM and abs(self.highest_um) <= FARTHEST_UM):
            raise ApplianceRefused(
                f"The safe heights {self.lowest_um:g} to {self.highest_um:g} µm are no heights of a microscope. "
                "Give two numbers in micrometres."
            )
        if not self.lowest_um < self.highest_um:
            raise ApplianceRefused(
                f"The safe heights {self.lowest_um:g} to {self.highest_um:g} µm enclose nothing: "
                "the lowest must be below the highest."
            )

    def height(self, z_um: float) -> SafeHeight:
        """Return a height within the limits. Raises ApplianceRefused outside."""
        return SafeHeight(z_um, self)

    def nearest(self, z_um: float) -> SafeHeight:
        """Return the safe height nearest to a finite one. Raises ApplianceRefused for NaN."""
        return SafeHeight(min(max(z_um, self.lowest_um), self.highest_um), self)

    def contains(self, z_um: float) -> bool:
        """Whether a height is safe. NaN is not."""
        return self.lowest_um <= z_um <= self.highest_um


@dataclass(frozen=True, slots=True)
class SafeHeight:
    """A height, µm, that lies within its limits: there is no other way to make one."""

    z_um: float
    limits: HeightLimits

    def __post_init__(self) -> None:
        """Raise ApplianceRefused outside the limits."""
        if not self.limits.contains(self.z_um):
            raise ApplianceRefused(
                f"A height of {self.z_um:.2f} µm is outside the safe heights, {self.limits.lowest_um:g} to "
                f"{self.limits.highest_um:g} µm. Nothing was moved. Check the slide's seat before you widen them."
            )
