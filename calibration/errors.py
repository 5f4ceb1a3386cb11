"""What a calibration refuses."""


class CalibrationRefused(ValueError):
    """A scale that is missing, implausible or does not belong to this setup. Says what to do."""
