"""From images and positions to numbers, and the record that carries them."""

from calibration.errors import CalibrationRefused
from calibration.scale import Scale

__all__ = ["CalibrationRefused", "Scale"]
