"""The daily quality control: of the cells that a person sees, how many did the instrument locate?

A person goes over fields of a normal slide or the QC slide, marks the cells that were missed and the finds that are no
cells. Source of the limits: Wilson 1927, J. Am. Stat. Assoc. 22:209 (score interval of a proportion).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from calibration.errors import CalibrationRefused
from calibration.measured import COVERAGE
from calibration.record import is_record_id

AHEAD = timedelta(hours=1)  # as far as two clocks may differ


@dataclass(frozen=True, slots=True)
class QcLimits:
    """What passes. cells: fewest that a person must have looked for.  Percentages of those cells, and of all finds."""

    cells: int = 200
    least_located_percent: float = 95.0
    most_false_percent: float = 5.0


@dataclass(frozen=True, slots=True)
class QcResult:
    """One control. located, missed: of the cells that are there.  false_finds: located where no cell is."""

    located: int
    missed: int
    false_finds: int
    limits: QcLimits

    @property
    def located_percent(self) -> float:
        """Percentage of the cells that were located."""
        return 100 * self.located / (self.located + self.missed)

    @property
    def located_interval(self) -> tuple[float, float]:
        """Its 95 % limits, in percent."""
        return wilson(self.located, self.located + self.missed)

    @property
    def false_percent(self) -> float:
        """Percentage of the finds that are no cells."""
        finds = self.located + self.false_finds
        return 100 * self.false_finds / finds if finds else 0.0

    @property
    def passed(self) -> bool:
        """Whether both percentages are within their limits."""
        return (
            self.located_percent >= self.limits.least_located_percent
            and self.false_percent <= self.limits.most_false_percent
        )

    def __str__(self) -> str:
        """The verdict, in a sentence."""
        low, high = self.located_interval
        said = (
            f"{self.located} of {self.located + self.missed} cells located: {self.located_percent:.1f} % "
            f"(95 % limits {low:.1f}–{high:.1f}); {self.false_percent:.1f} % of the finds are no cells"
        )
        if self.passed:
            return f"Passed. {said}."
        wanted = f"at least {self.limits.least_located_percent:g} % and at most {self.limits.most_false_percent:g} %"
        return f"Failed: {wanted} are asked. {said}. Check focus, lamp and calibration, then repeat it."


@dataclass(frozen=True, slots=True)
class LastQc:
    """What of the last control decides about the next results. calibration: its scale's id; None where not known."""

    at: datetime
    passed: bool
    calibration: str | None = None


def judge_qc(located: int, missed: int, false_finds: int, limits: QcLimits | None = None) -> QcResult:
    """Return the result of a control. Raises CalibrationRefused for too few cells, or numbers that none can be."""
    limits = limits or QcLimits()
    if min(located, missed, false_finds) < 0:
        raise CalibrationRefused("Located, missed and false cells are counted from 0.")
    if located + missed < limits.cells:
        raise CalibrationRefused(
            f"A control needs {limits.cells} cells, and these are {located + missed}. Go over more fields."
        )
    return QcResult(located, missed, false_finds, limits)


def qc_mark(last: LastQc | None, now: datetime, every_h: float, calibration: str | None = None) -> str | None:
    """Return what results must say from now on; None while the last control passed and is not overdue.

    every_h: how long one holds, hours.  calibration: the id of the scale in use: a control under another one says
    nothing of it.
    """
    if last is None:
        return "No quality control is on record. Do it: hemadiff qc record."
    if not last.passed:
        return f"The last quality control failed ({last.at:%Y-%m-%d %H:%M} UTC). Repeat it until it passes."
    if now - last.at > timedelta(hours=every_h):
        return (
            f"The quality control is overdue: the last was {last.at:%Y-%m-%d %H:%M} UTC, "
            f"and one holds {every_h:g} h. Do it now."
        )
    if last.at - now > AHEAD:
        return (
            f"The last quality control is of {last.at:%Y-%m-%d %H:%M} UTC, which is yet to come. Set this machine's "
            "clock, and repeat it."
        )
    if last.calibration is None and calibration is not None and is_record_id(calibration):
        return (
            "The last quality control does not say under which calibration it was done. "
            f"Repeat it under {calibration}: hemadiff count --qc."
        )
    if None not in (calibration, last.calibration) and calibration != last.calibration:
        return (
            f"The last quality control was done under the calibration {last.calibration}, not {calibration}. "
            "Repeat it under this one."
        )
    return None


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % score limits of a proportion, in percent. Of nothing, nothing is known: 0 to 100."""
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is no proportion.")
    if total == 0:
        return 0.0, 100.0
    z2, share = COVERAGE * COVERAGE, count / total
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = COVERAGE * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return max(0.0, 100 * (middle - half)), min(100.0, 100 * (middle + half))
