"""A place in three dimensions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the slide or the stage, in micrometres."""

    x_um: float
    y_um: float
    z_um: float = 0.0

    def __getitem__(self, axis: str) -> float:
        """Return the coordinate of axis "x", "y" or "z", in micrometres."""
        return {"x": self.x_um, "y": self.y_um, "z": self.z_um}[axis]

    def aside(self, dx_um: float, dy_um: float, dz_um: float) -> Point:
        """Return the place so many micrometres away."""
        return Point(self.x_um + dx_um, self.y_um + dy_um, self.z_um + dz_um)

    def __str__(self) -> str:
        return f"x {self.x_um:.1f} µm, y {self.y_um:.1f} µm, z {self.z_um:.2f} µm"
