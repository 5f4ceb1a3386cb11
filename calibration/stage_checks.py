"""What a stage does that it was not told: backlash, scatter of returns, and drift, all from pictures.

Micrometres are those that the stage is told (`StageMap`): what a controller's settings are in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.registration import Shift
from calibration.stage_map import StageMap

Numbers = NDArray[np.float64]
Axis = Literal["x", "y"]

FEWEST_REVERSALS = 4
LEAST_LEFT = 0.25  # of a move, that is left after the play: less, and the play may be longer than the move
NEGATIVE_BEYOND = 4.0  # standard uncertainties below nothing
FEWEST_RETURNS = 10
FEWEST_LOOKS = 8
LEAST_MINUTES = 9.0
DRIFT_MINUTES = 10.0


@dataclass(frozen=True, slots=True)
class Reversal:
    """One move that reverses the one before it along an axis: what it was told, and how far content moved meanwhile."""

    axis: Axis
    told_um: float
    shift: Shift


@dataclass(frozen=True, slots=True)
class Backlash:
    """What an axis loses when it turns round to go up (onto positive moves) and to go down."""

    axis: Axis
    onto_positive_um: Measured
    onto_negative_um: Measured

    @property
    def um(self) -> Measured:
        """The mean of both: what a controller with one setting per axis takes."""
        up, down = self.onto_positive_um, self.onto_negative_um
        return Measured((up.value + down.value) / 2, math.hypot(up.uncertainty, down.uncertainty) / 2, "µm")


@dataclass(frozen=True, slots=True)
class Repeatability:
    """The standard deviation of returns to one place along each axis, and the farthest from their mean."""

    x_um: Measured
    y_um: Measured
    farthest_um: float
    returns: int


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a stage that stands still creeps in ten minutes, as the straight line through all looks has it.

    farthest_um: of any look from the first.
    """

    x_um: Measured
    y_um: Measured
    farthest_um: float
    minutes: float


def measure_backlash(reversals: Sequence[Reversal], stage_map: StageMap) -> tuple[Backlash, ...]:
    """Return the backlash of each axis that was reversed. Give each direction four reversals or more.

    What a reversal does not move, of what it was told, is lost in the play. Scatter is pooled over both directions.
    Raises CalibrationRefused: too few, moves no longer than the play, or an axis that goes farther than told.
    """
    axes: list[Axis] = [axis for axis in ("x", "y") if any(each.axis == axis for each in reversals)]
    if not axes:
        raise CalibrationRefused("There is no reversal to measure backlash from. Move each axis to and fro.")
    return tuple(
        _backlash(axis, [each for each in reversals if each.axis == axis], stage_map) for axis in axes
    )


def _backlash(axis: Axis, reversals: Sequence[Reversal], stage_map: StageMap) -> Backlash:
    place = "xy".index(axis)
    lost: dict[bool, Numbers] = {}
    for up in (True, False):
        mine = [each for each in reversals if (each.told_um > 0) == up]
        if len(mine) < FEWEST_REVERSALS:
            raise CalibrationRefused(
                f"{axis} was reversed {len(mine)} times onto {'positive' if up else 'negative'} moves, and "
                f"{FEWEST_REVERSALS} are needed. Move to and fro some more."
            )
        went = np.array([stage_map.to_um(-each.shift.dx_px, -each.shift.dy_px)[place] for each in mine])
        told = np.array([each.told_um for each in mine])
        lost[up] = np.abs(told) - np.sign(told) * went
        left = 1 - lost[up] / np.abs(told)
        if float(np.median(left)) < LEAST_LEFT:
            raise CalibrationRefused(
                f"{axis} went only {100 * max(0.0, float(np.median(left))):.0f} % of its way when it was reversed by "
                f"{np.abs(told).mean():.3g} µm: its play may be longer than the move. Reverse by more."
            )
    free = sum(len(each) - 1 for each in lost.values())
    squares = sum(float(np.sum((each - each.mean()) ** 2)) for each in lost.values())
    spread = math.sqrt(squares / free * free / (free - 2))
    scale = (stage_map.um_per_px_x, stage_map.um_per_px_y)[place].relative
    registration = math.sqrt(_registration_um2([each.shift for each in reversals], stage_map))
    results = []
    for up in (True, False):
        way = float(np.mean([abs(each.told_um) for each in reversals if (each.told_um > 0) == up]))
        mean = float(lost[up].mean())
        # What registration is off by, it is off by alike in equal moves: looking more often does not make it less.
        uncertainty = math.hypot(spread / math.sqrt(len(lost[up])), scale * (way - mean), registration)
        if mean < -NEGATIVE_BEYOND * uncertainty - 0.1:
            raise CalibrationRefused(
                f"{axis} went {-mean:.2f} µm farther than told when it was reversed: the controller makes up for more "
                "backlash than there is, or the stage map is wrong. Set its backlash to 0, and measure again."
            )
        results.append(Measured(mean, uncertainty, "µm"))
    return Backlash(axis, *results)


def measure_repeatability(returns: Sequence[Shift], stage_map: StageMap) -> Repeatability:
    """Return how returns to one place scatter. returns: shifts against one picture of it; 30 are usual.

    What the registration itself scatters by is taken out. Raises CalibrationRefused for fewer than ten.
    """
    if len(returns) < FEWEST_RETURNS:
        raise CalibrationRefused(
            f"{len(returns)} returns say little about repeatability, and {FEWEST_RETURNS} are needed (30 are usual). "
            "Leave and return more often."
        )
    places = _places(returns, stage_map)
    off = places - places.mean(axis=0)
    free = len(returns) - 1
    seen = np.sum(off**2, axis=0) / free
    registration = _registration_um2(returns, stage_map)
    x, y = (
        Measured(
            # c4 takes the bias out of the root (Holtzman 1950, Biometrika 37:170).
            math.sqrt(max(0.0, float(variance) - registration)) * (1 + 1 / (4 * free)),
            math.sqrt(float(variance) / (2 * (free - 2))),
            "µm",
        )
        for variance in seen
    )
    return Repeatability(x, y, float(np.hypot(*off.T).max()), len(returns))


def measure_drift(seconds: Sequence[float], shifts: Sequence[Shift], stage_map: StageMap) -> Drift:
    """Return how far the stage creeps in ten minutes. shifts: against the first picture, at so many seconds.

    Raises CalibrationRefused: fewer than eight looks, or over less than nine minutes.
    """
    at = np.asarray(seconds, dtype=np.float64)
    if len(at) != len(shifts):
        raise CalibrationRefused(f"{len(at)} times do not belong to {len(shifts)} shifts. Give one for each.")
    if len(at) < FEWEST_LOOKS:
        raise CalibrationRefused(f"{len(at)} looks are too few for a drift, and {FEWEST_LOOKS} are needed.")
    minutes = float(np.ptp(at)) / 60
    if minutes < LEAST_MINUTES:
        raise CalibrationRefused(
            f"The stage was watched for {minutes:.1f} minutes, and drift needs {DRIFT_MINUTES:.0f}. Watch it longer."
        )
    places = _places(shifts, stage_map)
    since = at - at.mean()
    slope = since @ places / (since @ since)
    off = places - places.mean(axis=0) - np.outer(since, slope)
    free = len(at) - 2
    noise = np.sum(off**2, axis=0) / (free - 2)
    noise = np.maximum(noise, _registration_um2(shifts, stage_map) * 0.25)
    span = DRIFT_MINUTES * 60
    x, y = (
        Measured(float(rate) * span, span * math.sqrt(float(each) / float(since @ since)), "µm")
        for rate, each in zip(slope, noise, strict=True)
    )
    first = places - places[int(np.argmin(at))]
    return Drift(x, y, float(np.hypot(*first.T).max()), minutes)


def _places(shifts: Sequence[Shift], stage_map: StageMap) -> Numbers:
    """Where the stage was, µm, against the first picture."""
    return np.array([stage_map.to_um(-shift.dx_px, -shift.dy_px) for shift in shifts])


def _registration_um2(shifts: Sequence[Shift], stage_map: StageMap) -> float:
    """The usual variance of a shift, µm²."""
    return float(np.median([shift.uncertainty_px for shift in shifts]) * stage_map.um_per_px.value) ** 2
