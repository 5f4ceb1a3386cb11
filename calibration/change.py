"""What is different between two calibrations of one setup, and what of it a person has to confirm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.record import PIXEL_SIZE, CalibrationRecord


@dataclass(frozen=True, slots=True)
class ChangeLimit:
    """How far a value may change unasked. relative: of the last one, as a share; otherwise in its unit."""

    most: float
    relative: bool


RELATIVE = ChangeLimit(0.05, relative=True)
BY_UNIT: Mapping[str, ChangeLimit] = {
    "µm/px": ChangeLimit(0.01, relative=True),
    "µm": ChangeLimit(1.0, relative=False),
    "°": ChangeLimit(0.5, relative=False),
}
BY_NAME: Mapping[str, ChangeLimit] = {
    "corner_light": ChangeLimit(0.1, relative=True),
    "sensor_linearity": ChangeLimit(1.0, relative=False),  # what a sensor may be off by at all
    "dark_level": ChangeLimit(5.0, relative=False),
    "overview_aside_x_um": ChangeLimit(50.0, relative=False),  # a few pixels of what looks at a whole slide
    "overview_aside_y_um": ChangeLimit(50.0, relative=False),
    "repeatability_x_um": ChangeLimit(0.5, relative=False),  # what is usual of a good stage
    "repeatability_y_um": ChangeLimit(0.5, relative=False),
}
TOLD = frozenset(
    {
        *("ruler_rotation_deg", "focus_um", "focus_depth_um", "slide_tilt_x", "slide_tilt_y", "exposure_us"),
        *("drift_x_um", "drift_y_um", "overview_parfocal_um"),
    }
)
"""What belongs to the slides of that day and how they lay, or is set anew each time: it is told, and never asked about.
Why: docs/decisions/only-what-results-depend-on-is-confirmed.md."""
TITLES: Mapping[str, str] = {
    "um_per_px": "pixel size",
    "um_per_px_x": "pixel size along x",
    "um_per_px_y": "pixel size along y",
    "rotation_deg": "rotation",
    "shear_deg": "shear",
}
UNITS = ("um", "deg", "s", "us", "px", "percent")  # as names end


@dataclass(frozen=True, slots=True)
class Change:
    """One value, before and now; None where it was not measured."""

    name: str
    last: Measured | None
    new: Measured | None

    @property
    def limit(self) -> ChangeLimit:
        """How far it may change unasked."""
        return BY_NAME.get(self.name) or BY_UNIT.get((self.new or self.last or _NOTHING).unit, RELATIVE)

    @property
    def told(self) -> bool:
        """Whether it is only told, however far it changed."""
        return self.name in TOLD

    @property
    def size(self) -> float | None:
        """How far it changed, with its sign: a share of the last, or in its unit; None where it cannot be said."""
        if self.last is None or self.new is None or self.last.unit != self.new.unit:
            return None
        step = self.new.value - self.last.value
        if not self.limit.relative:
            return step
        return step / abs(self.last.value) if self.last.value else (0.0 if step == 0 else None)

    @property
    def beyond(self) -> bool:
        """Whether a person has to confirm it. What is measured for the first time needs no word."""
        if self.last is None or self.told:
            return False
        return self.size is None or abs(self.size) > self.limit.most

    def __str__(self) -> str:
        """A sentence."""
        what = title_of(self.name)
        if self.last is None:
            return f"The {what} is measured for the first time."
        if self.told:
            now = "is no longer measured" if self.new is None else f"is {self.new}"
            return f"The {what} {now} (it was {self.last})."
        if self.new is None:
            return f"The {what} is no longer measured (it was {self.last}): confirm."
        span = f"from {self.last} to {self.new}"
        if self.size is None:
            return f"The {what} changed {span}: confirm."
        unit, factor = ("%", 100.0) if self.limit.relative else (self.new.unit, 1.0)
        most = f"{self.limit.most * factor:g} {unit}"
        by = f"The {what} changed by {abs(self.size) * factor:.{1 if factor > 1 else 2}f} {unit}"
        return f"{by}: beyond {most}, confirm ({span})." if self.beyond else f"{by}, within {most} ({span})."


_NOTHING = Measured(0.0, 0.0, "")


def compare(last: CalibrationRecord, new: CalibrationRecord) -> tuple[Change, ...]:
    """Return every value of two calibrations: the pixel size first, then in the order of the new one.

    Raises CalibrationRefused for calibrations of two setups, which have nothing to compare.
    """
    if last.setup != new.setup:
        raise CalibrationRefused(
            f"The calibrations {last.id} ({last.setup}) and {new.id} ({new.setup}) belong to two setups. "
            "Compare those of one."
        )
    names = [*new.values, *(name for name in last.values if name not in new.values)]
    before, now = last.claimed, new.claimed
    return tuple(Change(name, before.get(name), now.get(name)) for name in in_order(names))


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of values with those of the pixel size and the stage map first."""
    return sorted(names, key=lambda name: (name != PIXEL_SIZE, "um_per_px" not in name))


def changed(last: CalibrationRecord, new: CalibrationRecord) -> tuple[str, ...]:
    """Return a sentence for every value that changed so far that a person has to confirm it; none where none did.

    Raises CalibrationRefused as `compare` does.
    """
    return tuple(str(change) for change in compare(last, new) if change.beyond)


def title_of(name: str) -> str:
    """Return a value's name as a person says it."""
    if name in TITLES:
        return TITLES[name]
    words, _, last = name.replace("um_per_px", "pixel_size").rpartition("_")
    return (words if words and last in UNITS else f"{words}_{last}".strip("_")).replace("_", " ")
