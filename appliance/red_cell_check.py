"""The cross-check of the scale in every run: the red cells of its first fields, measured under its calibration.

A calibration may be wrong, or belong to another objective, and nothing in a count would show it. Red cells do: over
10 % off a person confirms, because patients differ too; over 25 % no patient explains it, and the run stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from typing_extensions import TypedDict

NOT_CHECKED = "Red cells could not be measured: nothing cross-checked the scale."
"""The mark of a result whose run came to its end without."""


class Verdict(StrEnum):
    """What the red cells say of a run's calibration."""

    FITS = "fits"
    DIFFERS = "differs"
    WRONG = "wrong"
    NOT_MEASURED = "not measured"


class RedCellsView(TypedDict):
    """The check as others see it.

    um_per_px: as the red cells have it, with its standard uncertainty (the patient's share in it); off_percent: how
    much wider than expected they are under the run's calibration; null where too few were found.  said: one line.
    """

    verdict: str
    said: str
    um_per_px: float | None
    uncertainty: float | None
    off_percent: float | None
    cells: int
    fields: int


@dataclass(frozen=True, slots=True)
class RedCellCheck:
    """What was found. um_per_px, uncertainty and off (a share) are None where it was not measured."""

    verdict: Verdict
    said: str
    cells: int
    fields: int
    um_per_px: float | None = None
    uncertainty: float | None = None
    off: float | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> RedCellCheck:
        """Return the check of a row of the table `red_cell_checks`."""
        numbers = row["um_per_px"], row["uncertainty"], row["off"]
        return cls(Verdict(row["verdict"]), row["said"], row["cells"], row["fields"], *numbers)

    @property
    def confirmed(self) -> str:
        """The mark of a result that a person let go on although its red cells differ."""
        return f"{self.said} A person let the run go on."

    def view(self) -> RedCellsView:
        """Return it as others see it."""
        return RedCellsView(
            verdict=str(self.verdict),
            said=self.said,
            um_per_px=self.um_per_px,
            uncertainty=self.uncertainty,
            off_percent=None if self.off is None else 100 * self.off,
            cells=self.cells,
            fields=self.fields,
        )
