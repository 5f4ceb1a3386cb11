"""The map between stage and picture: which way, and how far, content moves when the stage does.

Moves are counted from one place, all approached from the same side, so that backlash stays out of them. The error of
that first place is common to all and is fitted as an offset; what scatters about the map is the stage's positioning and
the registration together. Shifts too long for one picture are chains of shorter ones, added (`Shift.__add__`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.registration import Shift, shift_between

__all__ = ["Agreement", "Move", "Shift", "StageMap", "agreement", "fit_stage_map", "shift_between"]

Numbers = NDArray[np.float64]

FEWEST_MOVES = 6
TUKEY = 5.0
FARTHEST_OFF = 0.25  # of the moves may be left out as failed, no more
WIDEST = 0.03  # of the whole way, that positions may scatter
LEAST_SPAN_PX = 20.0
AGREES = 0.005
WELL_KNOWN = 0.003  # standard uncertainty of a ratio, beyond which half a per cent cannot be told
ALIKE = 0.01
NAMED = 0.02  # how near a ratio lies to one that has a usual cause
GEARS = (0.1, 0.125, 0.2, 0.25, 0.4, 0.5, 0.625, 0.75, 0.8, 1.25, 4 / 3, 1.6, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0)
"""Steps per mm that are set wrong are off by a screw's lead or by microsteps: ratios of such numbers."""


@dataclass(frozen=True, slots=True)
class Move:
    """How far the stage was told to be from the first place, µm, and how far content moved since then."""

    dx_um: float
    dy_um: float
    shift: Shift


@dataclass(frozen=True, slots=True, eq=False)
class StageMap:
    """Where places lie in the picture. Micrometres are those that the stage is told.

    matrix: 2×2, px per µm: a place of the slide that is d away from the one in the picture's middle (so that a
    move by d would bring it there) lies at matrix·d from the middle, x to the right and y down.
    covariance: 4×4, of xx, xy, yx, yy.  scatter_um: standard deviation of one position about the map, along each axis.
    left_out: how many moves did not fit the others.
    """

    matrix: Numbers
    covariance: Numbers
    scatter_um: float
    moves: int
    left_out: int

    def to_px(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Return where in the picture, from its middle, a place lies that is so far away."""
        x, y = self.matrix @ (x_um, y_um)
        return float(x), float(y)

    def to_um(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return which move brings what lies there, from the picture's middle, to the middle."""
        x, y = np.linalg.solve(self.matrix, (x_px, y_px))
        return float(x), float(y)

    @property
    def mirrored(self) -> bool:
        """Whether the picture is a mirror image of what the stage's axes span."""
        return float(np.linalg.det(self.matrix)) < 0

    @property
    def um_per_px(self) -> Measured:
        """The side of a square as large as a pixel."""
        return self._told(lambda m: 1 / math.sqrt(abs(float(np.linalg.det(m)))), "µm/px")

    @property
    def um_per_px_x(self) -> Measured:
        """Micrometres that the stage is told along its x for each pixel that content moves."""
        return self._told(lambda m: 1 / float(np.hypot(*m[:, 0])), "µm/px")

    @property
    def um_per_px_y(self) -> Measured:
        """The same along its y."""
        return self._told(lambda m: 1 / float(np.hypot(*m[:, 1])), "µm/px")

    @property
    def rotation_deg(self) -> Measured:
        """Which way the stage's x runs in the picture, −180 to 180°, from the picture's x towards its y."""
        x = self.matrix[:, 0]
        return self._told(lambda m: math.degrees(math.atan2(x[0] * m[1, 0] - x[1] * m[0, 0], x @ m[:, 0])), "°", (
            math.degrees(math.atan2(x[1], x[0]))
        ))  # fmt: skip

    @property
    def shear_deg(self) -> Measured:
        """By how much the angle between the stage's axes, in the picture, exceeds 90°."""

        def exceeds(m: Numbers) -> float:
            lengths = float(np.hypot(*m[:, 0]) * np.hypot(*m[:, 1]))
            return -math.degrees(math.asin(max(-1.0, min(1.0, float(m[:, 0] @ m[:, 1]) / lengths))))

        return self._told(exceeds, "°")

    def _told(self, of: _OfMatrix, unit: str, add: float = 0.0) -> Measured:
        """A function of the matrix with its standard uncertainty (GUM 5.1.2, derivatives taken numerically)."""
        step = 1e-6 * float(np.abs(self.matrix).max())
        derivative = np.array(
            [
                (of(self.matrix + step * unit_of) - of(self.matrix - step * unit_of)) / (2 * step)
                for unit_of in np.eye(4).reshape(4, 2, 2)
            ]
        )
        return Measured(
            of(self.matrix) + add, math.sqrt(float(derivative @ self.covariance @ derivative)), unit
        )


class _OfMatrix(Protocol):
    def __call__(self, matrix: Numbers, /) -> float: ...


def fit_stage_map(moves: Sequence[Move]) -> StageMap:
    """Return the map that moves and shifts tell; single moves that went wrong are left out.

    Raises CalibrationRefused: too few moves, along one line only, too short, or many that do not fit.
    """
    if len(moves) < FEWEST_MOVES:
        raise CalibrationRefused(
            f"{len(moves)} moves are too few for a stage map, and {FEWEST_MOVES} are needed. Move along both axes."
        )
    told = np.array([[move.dx_um, move.dy_um] for move in moves])
    seen = -np.array([[move.shift.dx_px, move.shift.dy_px] for move in moves])
    _refuse_one_line(told, seen)
    columns = np.column_stack([told, np.ones(len(told))])
    matrix, weight = _robust(columns, seen)
    used = weight > 0
    off = (seen - columns @ matrix)[used]
    wide = float(np.sqrt(np.mean(off**2))) > WIDEST * float(np.ptp(seen, axis=0).max())
    if wide or used.sum() < max(FEWEST_MOVES - 1, (1 - FARTHEST_OFF) * len(moves)):
        raise CalibrationRefused(
            f"{'Most' if wide else len(moves) - used.sum()} of {len(moves)} moves do not fit the "
            "others: the stage loses steps, or pictures were "
            "taken before it stood still. Check the axes for play and the speed, and measure again."
        )
    sure = np.array([move.shift.uncertainty_px for move in moves])[used]
    free = int(used.sum()) - 3
    few = free / (free - 2) if free > 2 else 3.0
    noise = off.T @ off / free
    floor = float(np.mean(sure**2))
    noise = (noise + np.eye(2) * max(0.0, floor - float(np.trace(noise)) / 2)) * few
    inverse = np.linalg.inv(columns[used].T @ columns[used])
    covariance = np.kron(noise, inverse[:2, :2])
    # The ends of a chain of pictures are less well known than its links: the farthest shift may be off all along.
    spans = np.ptp(told[used], axis=0)
    covariance += np.kron(np.eye(2), np.diag((float(sure.max()) / spans) ** 2))
    forward = matrix[:2].T
    per_px = 1 / math.sqrt(abs(float(np.linalg.det(forward))))
    return StageMap(
        forward, np.asarray(covariance, dtype=np.float64),
        math.sqrt(float(np.trace(noise)) / 2 / few) * per_px, int(used.sum()),
        len(moves) - int(used.sum()),
    )  # fmt: skip


def _refuse_one_line(told: Numbers, seen: Numbers) -> None:
    for values, what in ((told, "told"), (seen, "seen")):
        centred = values - values.mean(axis=0)
        singular = np.linalg.svd(centred, compute_uv=False)
        if singular[1] < 0.02 * singular[0] or singular[0] == 0:
            if what == "told":
                raise CalibrationRefused(
                    "The moves lie along one line. Move the stage along both of its axes."
                )
            raise CalibrationRefused(
                "The pictures moved along one line only, though the stage was told to move along both axes: one axis "
                "stands still. Check its motor and its cable."
            )
    if float(np.ptp(seen, axis=0).max()) < LEAST_SPAN_PX:
        raise CalibrationRefused(
            f"The pictures moved by {float(np.ptp(seen, axis=0).max()):.1f} px in all, too little for "
            "a map. Make longer "
            "moves, or check that the stage moves at all."
        )


def _robust(columns: Numbers, seen: Numbers) -> tuple[Numbers, Numbers]:
    """The fit and which moves it believes (1 or 0): those not far beyond the usual distance from it."""
    weight = np.ones(len(seen))
    # From absolute distances towards a clean cut: one move that went wrong must not drag the others along.
    for _ in range(15):
        matrix = np.linalg.lstsq(columns * weight[:, None], seen * weight[:, None], rcond=None)[0]
        off = np.hypot(*(seen - columns @ matrix).T)
        weight = 1 / np.sqrt(np.maximum(off, 0.2 * np.median(off) + 1e-9))
    for _ in range(4):
        weight = (off < TUKEY * np.median(off) / 0.94 + 1e-6).astype(np.float64)
        matrix = np.linalg.lstsq(columns * weight[:, None], seen * weight[:, None], rcond=None)[0]
        off = np.hypot(*(seen - columns @ matrix).T)
    return np.asarray(matrix, dtype=np.float64), np.asarray(weight, dtype=np.float64)


class _Ruled(Protocol):
    @property
    def um_per_px(self) -> Measured: ...


class _Scales(Protocol):
    @property
    def um_per_px_x(self) -> Measured: ...

    @property
    def um_per_px_y(self) -> Measured: ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether ruler and stage tell the same.

    x, y: how far the stage really goes, by the ruler, for each micrometre that it is told.  ok: both within 0.5 % of 1.
    sentence: what is likely wrong, or that nothing is.
    """

    ok: bool
    x: Measured
    y: Measured
    sentence: str


def agreement(ruler: _Ruled, stage_map: _Scales) -> Agreement:
    """Compare the pixel size by a ruler or a grid with the one by the stage. Refuses nothing: `ok` says."""
    x, y = (_ratio(ruler.um_per_px, stage) for stage in (stage_map.um_per_px_x, stage_map.um_per_px_y))
    off_x, off_y = (abs(each.value - 1) > AGREES for each in (x, y))
    if off_x or off_y:
        return Agreement(False, x, y, _blame(x.value, y.value, off_x, off_y))
    unsure = max(x.uncertainty, y.uncertainty)
    if unsure > WELL_KNOWN:
        return Agreement(
            False, x, y,
            f"The stage map is known to ± {196 * unsure:.1f} % only, too little to be checked against "
            "the ruler to 0.5 %. "
            "Make more and longer moves.",
        )  # fmt: skip
    return Agreement(
        True, x, y,
        f"Stage and ruler agree: x goes {100 * x.value:.2f} %, y "
        f"{100 * y.value:.2f} % of what it is told.",
    )  # fmt: skip


def _ratio(ruler: Measured, stage: Measured) -> Measured:
    ratio = ruler.value / stage.value
    return Measured(ratio, ratio * math.hypot(ruler.relative, stage.relative), "")


def _blame(x: float, y: float, off_x: bool, off_y: bool) -> str:
    if off_x and off_y and abs(x / y - 1) < ALIKE:
        both = math.sqrt(x * y)
        return (
            f"Both axes go {both:.4g} times as far as they are told, by the ruler: the ruler's pitch is not as stated "
            f"({1 / both:.3g} times the stated pitch would agree), or another objective is in place. "
            "Check these first; "
            "steps/mm of both axes only then."
        )
    said = [
        f"{axis} goes {value:.4g} times as far as it is told{_cause(value)}"
        for axis, value, off in (("x", x, off_x), ("y", y, off_y))
        if off
    ]
    wrong = " and ".join(axis for axis, off in (("x", off_x), ("y", off_y)) if off)
    divide = ", ".join(f"{v:.4g} for {a}" for a, v, off in (("x", x, off_x), ("y", y, off_y)) if off)
    return (
        f"{'; '.join(said)}: steps/mm of {wrong} is likely wrong. Divide it by {divide}, and measure again."
    )


def _cause(value: float) -> str:
    nearest = min(GEARS, key=lambda gear: abs(math.log(value / gear)))
    if abs(value / nearest - 1) > NAMED:
        return ""
    return f" (near {nearest:.3g}, as a wrong screw lead or microstep setting gives)"
