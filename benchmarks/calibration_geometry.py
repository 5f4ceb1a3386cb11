"""Pixel size, stage map, backlash, repeatability and drift against the truth of random simulated instruments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from appliance.simulator.service_slides import GridSlide, Micrometer
from appliance.simulator.slide import Slide
from appliance.simulator.smear import Smear
from benchmarks.random_instrument import Carriage, Eye, Instrument, Picture, Remembered, Speckled
from calibration.errors import CalibrationRefused
from calibration.grid import measure_grid
from calibration.measured import Measured
from calibration.ruler import RulerFit, measure_ruler
from calibration.stage_checks import Reversal, measure_backlash, measure_drift, measure_repeatability
from calibration.stage_map import Move, Shift, StageMap, fit_stage_map, shift_between

PITCH_UM = 10.0
RULED_TO_UM = 0.05  # standard deviation of a line's place: no ruler is exact, and a claim has to say so
ON_SMEAR_UM = (15_500.0, 6_000.0)
STAGE_FRAME_UM, STAGE_FRAME_PX = 32.0, 640  # so wide that a reversal goes farther than the play
MAP_STEPS = 16
REVERSALS = 12
RETURNS = 30
LOOKS, WATCHED_S, TREMBLE_UM = 21, 600.0, 0.02


@dataclass(frozen=True, slots=True)
class Trial:
    """One value of one instrument: what was measured and what is true, or why it was refused."""

    routine: str
    instrument: int
    truth: float
    measured: Measured | None
    refused: str = ""

    @property
    def error(self) -> float:
        """Measured less true."""
        return math.nan if self.measured is None else self.measured.value - self.truth

    @property
    def in_units(self) -> float:
        """The error in standard uncertainties as claimed."""
        return math.nan if self.measured is None else self.error / self.measured.uncertainty


@dataclass(frozen=True, slots=True)
class Verdict:
    """How honest and how exact a routine is over many instruments.

    within: the share of truths within the 95 % interval.  squared: the mean of (error / claimed)².
    typical, worst: root mean square and largest error, in `unit`; relative ones in per cent.
    claimed: the median standard uncertainty.
    """

    routine: str
    unit: str
    trials: int
    refused: int
    within: float
    squared: float
    typical: float
    worst: float
    claimed: float


def verdicts(trials: Iterable[Trial]) -> list[Verdict]:
    """Return one line for each routine, in the order in which they came."""
    by_routine: dict[str, list[Trial]] = {}
    for trial in trials:
        by_routine.setdefault(trial.routine, []).append(trial)
    return [_verdict(routine, mine) for routine, mine in by_routine.items()]


def _verdict(routine: str, trials: list[Trial]) -> Verdict:
    done = [trial for trial in trials if trial.measured is not None]
    if not done:
        return Verdict(routine, "", 0, len(trials), math.nan, math.nan, math.nan, math.nan, math.nan)
    unit = done[0].measured.unit if done[0].measured else ""
    relative = unit == "µm/px"
    error = np.array([trial.error * (100 / trial.truth if relative else 1) for trial in done])
    claimed = [
        each.uncertainty * (100 / trial.truth if relative else 1)
        for trial, each in ((trial, trial.measured) for trial in done)
        if each is not None
    ]
    in_units = np.array([trial.in_units for trial in done])
    return Verdict(
        routine, "%" if relative else unit, len(done), len(trials) - len(done),
        float(np.mean(np.abs(in_units) <= 1.96)), float(np.mean(in_units**2)),
        float(np.sqrt(np.mean(error**2))), float(np.abs(error).max()), float(np.median(claimed)),
    )  # fmt: skip


def ruler_trials(instrument: Instrument, across_um: float) -> Iterator[Trial]:
    """Measure a stage micrometer somewhere along its ticks."""
    slide = Micrometer(RULED_TO_UM, instrument.number)
    rng = np.random.default_rng([instrument.number, 1])
    eye = instrument.under(slide)
    at = slide.width_um / 2 + rng.uniform(-200, 200), slide.height_um / 2 - rng.uniform(15, 30)
    picture = eye.look(*at, instrument.frame_px(across_um))
    row = instrument.on_slide[0]
    truths = float(np.hypot(*row)), math.degrees(math.atan2(row[1], row[0]))
    names = "ruler: pixel size", "ruler: rotation"
    try:
        fit: RulerFit = measure_ruler([picture], PITCH_UM)
    except CalibrationRefused as error:
        yield from (
            Trial(name, instrument.number, truth, None, str(error))
            for name, truth in zip(names, truths, strict=True)
        )
        return
    for name, truth, value in zip(names, truths, (fit.um_per_px, fit.rotation_deg), strict=True):
        yield Trial(name, instrument.number, truth, value)


def grid_trials(instrument: Instrument, across_um: float) -> Iterator[Trial]:
    """Measure a grid somewhere on it."""
    slide = GridSlide(PITCH_UM, 2.0, RULED_TO_UM, instrument.number)
    rng = np.random.default_rng([instrument.number, 2])
    at = slide.width_um / 2 + rng.uniform(-500, 500), slide.height_um / 2 + rng.uniform(-500, 500)
    picture = instrument.under(slide).look(*at, instrument.frame_px(across_um))
    matrix = instrument.on_slide
    truths = {
        "grid: pixel size": math.sqrt(abs(float(np.linalg.det(matrix)))),
        "grid: along x": float(np.hypot(*matrix[:, 0])),
        "grid: along y": float(np.hypot(*matrix[:, 1])),
        "grid: rotation": -instrument.seat.turned_deg,
        "grid: shear": instrument.seat.sheared_deg,
    }
    try:
        fit = measure_grid([picture], PITCH_UM)
    except CalibrationRefused as error:
        yield from (Trial(name, instrument.number, truth, None, str(error)) for name, truth in truths.items())
        return
    found = fit.um_per_px, fit.um_per_px_x, fit.um_per_px_y, fit.rotation_deg, fit.shear_deg
    for (name, truth), value in zip(truths.items(), found, strict=True):
        yield Trial(name, instrument.number, truth, value)


class StageSession:
    """A stage under an eye, and what an engineer has it do."""

    def __init__(self, instrument: Instrument, smear: bool = True, side_px: int = STAGE_FRAME_PX) -> None:
        """Put a smear, or specks, under it. side_px: of its square frames at most; 32 µm wide where they can."""
        self.instrument = instrument
        side = min(side_px, round(STAGE_FRAME_UM / instrument.um_per_px))
        self.size_px = (side, side)
        self.field_um = side * instrument.um_per_px
        reach = (0.2 * MAP_STEPS + 1.0) * self.field_um + 25.0
        slide: Slide = (
            Remembered(Smear(instrument.number), ON_SMEAR_UM, reach, instrument.um_per_px)
            if smear
            else Speckled(instrument.number, ON_SMEAR_UM, reach, instrument.um_per_px)
        )
        self.eye: Eye = instrument.under(slide)
        start = (
            ON_SMEAR_UM[0] - 0.2 * MAP_STEPS * self.field_um,
            ON_SMEAR_UM[1] - 0.2 * MAP_STEPS * self.field_um,
        )
        self.carriage = Carriage(instrument, start)

    def look(self, place: tuple[float, float]) -> Picture:
        """Return a picture."""
        return self.eye.look(*place, self.size_px)

    def moves(self, steps: int = MAP_STEPS) -> list[Move]:
        """Walk along x, then along y, always upward, and add the shifts of neighbouring pictures."""
        step = 0.4 * self.field_um
        self.carriage.go(-20.0, -20.0)
        told = [(step * n, 0.0) for n in range(steps + 1)] + [
            (step * steps, step * n) for n in range(1, steps + 1)
        ]
        pictures = [self.look(self.carriage.go(*at)) for at in told]
        found, whole = [], Shift(0.0, 0.0, 0.0)
        for n in range(1, len(told)):
            whole = whole + shift_between(pictures[n - 1], pictures[n])
            found.append(Move(*told[n], whole))
        return found

    def reversals(self, times: int = REVERSALS) -> list[Reversal]:
        """Go to and fro along each axis: every move reverses the one before."""
        way = min(18.0, 0.6 * self.field_um)
        found = []
        for axis, one in (("x", (1.0, 0.0)), ("y", (0.0, 1.0))):
            self.carriage.go(-20.0, -20.0)
            before = self.look(self.carriage.go(20.0, 20.0))
            up = True
            for _ in range(2 * times):
                up = not up
                after = self.look(self.carriage.go(*(20.0 - (0.0 if up else way) * part for part in one)))
                found.append(
                    Reversal("x" if axis == "x" else "y", way if up else -way, shift_between(before, after))
                )
                before = after
        return found

    def returns(self, times: int = RETURNS) -> list[Shift]:
        """Leave one place and come back to it from the same side."""
        shifts = []
        first: Picture | None = None
        for _ in range(times + 1):
            self.carriage.go(-20.0, -20.0)
            picture = self.look(self.carriage.go(10.0, 10.0))
            if first is None:
                first = picture
            else:
                shifts.append(shift_between(first, picture))
        return shifts

    def still(self, looks: int = LOOKS) -> tuple[list[float], list[Shift]]:
        """Stand still for ten minutes, and look."""
        seconds = [WATCHED_S * n / (looks - 1) for n in range(looks)]
        pictures = [self.look(self.carriage.stand(at / WATCHED_S, TREMBLE_UM)) for at in seconds]
        return seconds, [shift_between(pictures[0], picture) for picture in pictures]


def stage_trials(
    instrument: Instrument, smear: bool = True, side_px: int = STAGE_FRAME_PX
) -> Iterator[Trial]:
    """Measure the stage: map, backlash, repeatability, drift."""
    session = StageSession(instrument, smear, side_px)
    number = instrument.number
    true_map = instrument.stage_map
    try:
        stage_map = fit_stage_map(session.moves())
    except CalibrationRefused as error:
        yield Trial("stage map: pixel size", number, math.nan, None, str(error))
        return
    along = true_map[:, 0]
    angle = math.degrees(math.atan2(true_map[1, 1], true_map[0, 1]) - math.atan2(along[1], along[0]))
    for name, truth, value in (
        ("stage map: pixel size", 1 / math.sqrt(abs(float(np.linalg.det(true_map)))), stage_map.um_per_px),
        ("stage map: along x", 1 / float(np.hypot(*along)), stage_map.um_per_px_x),
        ("stage map: along y", 1 / float(np.hypot(*true_map[:, 1])), stage_map.um_per_px_y),
        ("stage map: rotation", math.degrees(math.atan2(along[1], along[0])), stage_map.rotation_deg),
        ("stage map: shear", angle - 90, stage_map.shear_deg),
    ):
        yield Trial(name, number, truth, value)
    yield from _check_trials(session, stage_map)


def _check_trials(session: StageSession, stage_map: StageMap) -> Iterator[Trial]:
    instrument = session.instrument
    number = instrument.number
    try:
        for backlash, play in zip(
            measure_backlash(session.reversals(), stage_map), instrument.backlash_um, strict=True
        ):
            yield Trial("backlash: onto positive", number, play, backlash.onto_positive_um)
            yield Trial("backlash: onto negative", number, play, backlash.onto_negative_um)
    except CalibrationRefused as error:
        yield Trial("backlash: onto positive", number, math.nan, None, str(error))
    try:
        repeatability = measure_repeatability(session.returns(), stage_map)
        for value in (repeatability.x_um, repeatability.y_um):
            yield Trial("repeatability", number, instrument.scatter_um, value)
    except CalibrationRefused as error:
        yield Trial("repeatability", number, math.nan, None, str(error))
    try:
        drift = measure_drift(*session.still(), stage_map)
        for truth, value in zip(instrument.drift_um, (drift.x_um, drift.y_um), strict=True):
            yield Trial("drift in ten minutes", number, truth, value)
    except CalibrationRefused as error:
        yield Trial("drift in ten minutes", number, math.nan, None, str(error))
