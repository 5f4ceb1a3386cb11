"""What a calibration belongs to: an objective, a camera, a binning and a region of interest."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.errors import CalibrationRefused


@dataclass(frozen=True, slots=True)
class Setup:
    """The path of light from slide to pixel. Two setups are never of one scale.

    objective: as its owner calls it ("100x oil").  camera: its name.  region: width and height of its frames, px.
    """

    objective: str
    camera: str
    binning: int
    region: tuple[int, int]

    def __post_init__(self) -> None:
        """Raise CalibrationRefused for what no setup is."""
        for what, text in (("objective", self.objective), ("camera", self.camera)):
            if not isinstance(text, str) or not text.strip():
                raise CalibrationRefused(f"A calibration belongs to one {what}: give its name.")
        if type(self.binning) is not int or self.binning < 1:
            raise CalibrationRefused(
                f"A binning of {self.binning} is not possible. Give a whole number from 1."
            )
        if len(self.region) != 2 or any(type(side) is not int or side < 1 for side in self.region):
            raise CalibrationRefused(f"Frames of {self.region} px are not possible. Give width and height.")

    def __str__(self) -> str:
        """In words, for a person."""
        width, height = self.region
        return f"{self.objective}, {self.camera}, binning {self.binning}, {width} × {height} px"


@dataclass(frozen=True, slots=True)
class PartialSetup:
    """As much of a setup as somebody said. None where they did not."""

    objective: str | None = None
    camera: str | None = None
    binning: int | None = None
    region: tuple[int, int] | None = None

    def refuse_another(self, name: str, setup: Setup | PartialSetup) -> None:
        """Raise CalibrationRefused where a setup contradicts this one, and say in what.

        name: of the calibration that belongs to this setup. What either does not say contradicts nothing.
        """
        for what, ours, theirs, do in (
            ("objective", self.objective, setup.objective, "Turn to its objective"),
            ("camera", self.camera, setup.camera, "Use its camera"),
            ("binning", self.binning, setup.binning, "Set its binning"),
            ("region", self.region, setup.region, "Use the calibration of this camera setting"),
        ):
            if ours is None or theirs is None or ours == theirs:
                continue
            raise CalibrationRefused(
                f'The calibration "{name}" belongs to {_in_words(what, ours)}, not {_value(theirs)}. '
                f"{do}, or calibrate this one."
            )


def _in_words(what: str, value: object) -> str:
    return f"frames of {_value(value)}" if what == "region" else f"the {what} {_value(value)}"


def _value(value: object) -> str:
    return f"{value[0]} × {value[1]} px" if isinstance(value, tuple) else str(value)
