"""A calibration of which a part is measured anew: what is new, what it takes over, and from when that is.

Expiry stays: a new lamp does not make an old pixel size younger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from calibration.change import title_of
from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.record import PIXEL_SIZE, CalibrationRecord, Evidence, Residuals, Ruler
from calibration.setup import Setup
from calibration.stage_map import agreement

TOGETHER: Mapping[str, tuple[str, ...]] = {
    "flat field": (
        "exposure_us", "red_gain", "blue_gain", "corner_light", "sensor_linearity", "dark_level",
    ),
    "pixel size": (PIXEL_SIZE, "um_per_px_x", "um_per_px_y", "shear_deg", "ruler_rotation_deg"),
    "stage map": ("stage_um_per_px_x", "stage_um_per_px_y", "stage_rotation_deg", "stage_shear_deg"),
    "backlash": ("backlash_x_um", "backlash_y_um", "repeatability_x_um", "repeatability_y_um"),
    "drift": ("drift_x_um", "drift_y_um"),
    "focus": ("focus_depth_um", "focus_um", "backlash_z_um"),
    "tilt of the slide": ("slide_tilt_x", "slide_tilt_y"),
    "overview": ("overview_aside_x_um", "overview_aside_y_um", "overview_parfocal_um"),
}  # fmt: skip
"""Values that one measurement gives: with any of them measured anew, none of the others is taken over."""

_NOW = "Measured now: "
_BEGINS = re.compile(r"Measured now: [^.]*\.(?: From cal-[0-9a-f]{12} of \d{4}-\d\d-\d\d: [^.]*\.)*")
_FROM = re.compile(r"From (cal-[0-9a-f]{12} of \d{4}-\d\d-\d\d): ([^.]*)\.")


@dataclass(frozen=True, slots=True)
class Anew:
    """What was measured anew, in the form in which a calibration keeps it. made: when.  by: who.

    expires: when it would, were all of it new.  note: of the engineer.
    """

    made: datetime
    by: str
    expires: datetime | None
    values: Mapping[str, Measured]
    residuals: Mapping[str, Residuals] = field(default_factory=dict)
    evidence: Sequence[Evidence] = ()
    parts: Mapping[str, bytes] = field(default_factory=dict)
    ruler: Ruler | None = None
    software: str = ""
    firmware: str = ""
    note: str = ""

    def alone(self, setup: Setup) -> CalibrationRecord:
        """Return a calibration of nothing else. Raises CalibrationRefused without a pixel size."""
        return CalibrationRecord(
            setup,
            self.made,
            self.by,
            self.values,
            self.software,
            self.firmware,
            self.expires,
            self.ruler,
            self.residuals,
            self.evidence,
            self.parts,
            self.note,
        )


def refuse_to_lend(last: CalibrationRecord, now: datetime) -> None:
    """Raise CalibrationRefused where a calibration is too old for anything to be taken over from it."""
    if last.expired(now):
        assert last.expires is not None
        raise CalibrationRefused(
            f"The calibration {last.id} in force expired on {last.expires:%Y-%m-%d}, and nothing is taken "
            "over from it. Calibrate everything: hemadiff calibrate all."
        )


def renewed(last: CalibrationRecord, anew: Anew) -> CalibrationRecord:
    """Return a calibration with what was measured anew and all else of the last; its note says which is which.

    It expires when the older of both does.
    Raises CalibrationRefused where the last has expired, or its stage map and a pixel size no longer agree.
    """
    refuse_to_lend(last, anew.made)
    groups = {_group(name) for name in anew.values}
    kept = {name: value for name, value in last.values.items() if _group(name) not in groups}
    values = {**kept, **anew.values}
    if groups & {"pixel size", "stage map"}:
        _refuse_disagreement(last, values)
    shown = {each.name for each in anew.evidence}
    ends = [each for each in (last.expires, anew.expires) if each is not None]
    return CalibrationRecord(
        last.setup,
        anew.made,
        anew.by,
        values,
        anew.software,
        anew.firmware,
        min(ends) if ends else None,
        anew.ruler or last.ruler,
        {**last.residuals, **anew.residuals},
        [*(each for each in last.evidence if each.name not in shown), *anew.evidence],
        {**last.parts, **anew.parts},
        " ".join(part for part in (_origins(last, anew.values, kept), anew.note.strip()) if part),
    )


def _group(name: str) -> str:
    return next((group for group, names in TOGETHER.items() if name in names), title_of(name))


@dataclass(frozen=True, slots=True)
class _Scales:
    """Of a stage map on record, what `agreement` asks for."""

    um_per_px_x: Measured
    um_per_px_y: Measured


@dataclass(frozen=True, slots=True)
class _Ruled:
    um_per_px: Measured


def _refuse_disagreement(last: CalibrationRecord, values: Mapping[str, Measured]) -> None:
    x, y = (values.get(f"stage_um_per_px_{axis}") for axis in "xy")
    if x is None or y is None:
        return
    agrees = agreement(_Ruled(values[PIXEL_SIZE]), _Scales(x, y))
    if not agrees.ok:
        raise CalibrationRefused(
            f"What was measured does not fit the calibration in force, {last.id} of {last.made:%Y-%m-%d} "
            f"({agrees.sentence.rstrip('.')}). Measure both pixel size and stage map anew: hemadiff calibrate all."
        )


def _origins(last: CalibrationRecord, new: Mapping[str, Measured], kept: Mapping[str, Measured]) -> str:
    """Which values are new, and which are of which calibration; what was taken over twice is of the first."""
    begins = _BEGINS.match(last.note)
    first = {
        what: where
        for where, table in _FROM.findall(begins.group() if begins else "")
        for what in table.split(", ")
    }
    taken: dict[str, list[str]] = {}
    for group in dict.fromkeys(map(_group, kept)):
        taken.setdefault(first.get(group, f"{last.id} of {last.made:%Y-%m-%d}"), []).append(group)
    said = [f"{_NOW}{', '.join(dict.fromkeys(map(_group, new)))}."]
    return " ".join([*said, *(f"From {where}: {', '.join(what)}." for where, what in taken.items())])
