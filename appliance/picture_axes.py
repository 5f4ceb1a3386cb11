"""How a picture lies on the stage: a camera is never quite straight, and a stage never goes quite as it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from appliance.errors import ApplianceRefused
from calibration.record import CalibrationRecord

MOST_TURNED_DEG = 15.0


@dataclass(frozen=True, slots=True)
class Axes:
    """From places in a picture, µm along its axes, to micrometres that the stage is told.

    xx, xy, yx, yy: a way (x, y) in the picture is (xx·x + xy·y, yx·x + yy·y) of the stage.
    Raises ApplianceRefused where the picture is mirrored, or turned too far for fields on the stage's grid.
    """

    xx: float
    xy: float
    yx: float
    yy: float

    def __post_init__(self) -> None:
        """Refuse what no camera that was put on with care does."""
        if self.xx * self.yy - self.xy * self.yx <= 0 or not abs(self.turned_deg) <= MOST_TURNED_DEG:
            raise ApplianceRefused(
                f"The camera is turned by {self.turned_deg:.0f}° against the stage, or its picture is mirrored. Turn "
                "it, or exchange the stage's axes, so that the picture's x runs along the stage's to "
                f"{MOST_TURNED_DEG:g}°; then calibrate."
            )

    @classmethod
    def of_stage_map(
        cls, um_per_px: float, along_x: float, along_y: float, rotation_deg: float, shear_deg: float
    ) -> Axes:
        """Return the axes of a stage map, as a calibration keeps it.

        um_per_px: of the ruler.  along_x, along_y: µm that the stage is told for a pixel along each of its axes.
        rotation_deg: which way the stage's x runs in the picture.  shear_deg: by how much its y is over 90° from there.
        """
        x, y = math.radians(rotation_deg), math.radians(rotation_deg + 90 + shear_deg)
        # The stage's axes in the picture, µm of the picture for each that the stage is told; then the other way round.
        a, c = (um_per_px / along_x * each for each in (math.cos(x), math.sin(x)))
        b, d = (um_per_px / along_y * each for each in (math.cos(y), math.sin(y)))
        whole = a * d - b * c
        return cls(d / whole, -b / whole, -c / whole, a / whole)

    @property
    def turned_deg(self) -> float:
        """Which way the picture's x runs on the stage, from its x towards its y."""
        return math.degrees(math.atan2(self.yx, self.xx))

    @property
    def apart(self) -> float:
        """How many times a field's size fields must be apart on the stage's grid, so that none overlap."""
        if self == ALONG:
            return 1.0
        stretch = math.sqrt(self.xx * self.yy - self.xy * self.yx)
        aside = max(abs(self.xy), abs(self.yx)) / stretch
        return max(1.0, stretch * math.sqrt(1 + aside**2) * 1.001)

    def to_stage(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Return a way of the picture as the stage would be told it."""
        return self.xx * x_um + self.xy * y_um, self.yx * x_um + self.yy * y_um

    def to_picture(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Return a way of the stage along the picture's axes."""
        whole = self.xx * self.yy - self.xy * self.yx
        return (self.yy * x_um - self.xy * y_um) / whole, (self.xx * y_um - self.yx * x_um) / whole


ALONG = Axes(1.0, 0.0, 0.0, 1.0)
"""A picture whose axes are the stage's."""

STAGE_MAP = ("stage_um_per_px_x", "stage_um_per_px_y", "stage_rotation_deg", "stage_shear_deg")
"""Under which names a calibration keeps its stage map, in the order in which `Axes.of_stage_map` takes them."""


def axes_of(record: CalibrationRecord | None) -> Axes:
    """Return how pictures under a calibration lie on the stage: along it where that was not measured.

    Raises ApplianceRefused where the camera is turned too far.
    """
    if record is None or not all(name in record.values for name in STAGE_MAP):
        return ALONG
    return Axes.of_stage_map(record.um_per_px.value, *(record.values[name].value for name in STAGE_MAP))
