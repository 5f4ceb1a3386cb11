"""Looking at the red cells of a run's first fields, until they say whether its calibration fits."""

from __future__ import annotations

import logging

from appliance.frame import Frame
from appliance.red_cell_check import RedCellCheck, Verdict
from appliance.wording import number_of
from calibration import CalibrationRefused, Scale
from calibration.red_cells import DIAMETER_UM, RedCellRuler, red_cell_ruler
from calibration.single_cells import SingleCell, find_single_cells

log = logging.getLogger(__name__)

CONFIRM_BEYOND = 0.10
STOP_BEYOND = 0.25
ENOUGH_CELLS = 40  # their mean is known to about 1.5 %
FIELDS_TRIED = 20


class RedCellWatch:
    """Looks at a run's first fields until it can say something. For one thread."""

    def __init__(self, scale: Scale) -> None:
        """Watch fields of this scale."""
        self._scale = scale
        self._cells: list[list[SingleCell]] = []

    def look(self, frame: Frame) -> RedCellCheck | None:
        """Look at the next field; return the check once it is decided, and never ask again."""
        self._cells.append(_single_cells(frame))
        last = len(self._cells) >= FIELDS_TRIED
        try:
            ruler = red_cell_ruler(self._cells)
        except CalibrationRefused as refusal:
            return _not_measured(refusal, len(self._cells)) if last else None
        check = judge(ruler, self._scale)
        return check if last or ruler.cells >= ENOUGH_CELLS or _beyond_doubt(check, ruler) else None

    def close(self) -> RedCellCheck:
        """Return what the fields so far say: no more of them come."""
        try:
            return judge(red_cell_ruler(self._cells), self._scale)
        except CalibrationRefused as refusal:
            return _not_measured(refusal, len(self._cells))


def judge(ruler: RedCellRuler, scale: Scale) -> RedCellCheck:
    """Return what red cells say of a scale."""
    width = ruler.diameter_px.value * scale.um_per_px
    off = width / DIAMETER_UM - 1
    found = f"{number_of(ruler.cells, 'cell')} of {number_of(ruler.images, 'field')}"
    verdict = Verdict.WRONG if abs(off) > STOP_BEYOND else Verdict.DIFFERS
    if abs(off) <= CONFIRM_BEYOND:
        verdict = Verdict.FITS
        said = f"Red cells measure {width:.1f} µm ({found}; {DIAMETER_UM:g} expected)."
    else:
        said = (
            f"Red cells measure {width:.1f} µm at {scale.um_per_px:.4g} µm/px, {abs(off):.0%} "
            f"{'more' if off > 0 else 'less'} than the {DIAMETER_UM:g} expected ({found})."
        )
    numbers = ruler.um_per_px.value, ruler.um_per_px.uncertainty, off
    return RedCellCheck(verdict, said, ruler.cells, ruler.images, *numbers)


def _beyond_doubt(check: RedCellCheck, ruler: RedCellRuler) -> bool:
    """Return whether a few cells are enough, because the scale is so wrong: no rubbish shall be counted meanwhile."""
    return check.off is not None and abs(check.off) > STOP_BEYOND + 3 * ruler.diameter_px.relative


def _not_measured(refusal: CalibrationRefused, fields: int) -> RedCellCheck:
    return RedCellCheck(Verdict.NOT_MEASURED, f"Red cells could not be measured. {refusal}", 0, fields)


def _single_cells(frame: Frame) -> list[SingleCell]:
    try:
        return find_single_cells(frame.pixels)
    except Exception:  # a check that fails must not take the count with it
        log.exception("the red cells of field %d", frame.index)
        return []
