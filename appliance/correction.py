"""Frames made even before anything looks at them, where the calibration of a run holds a flat field."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

from appliance.frame import Analyser, Frame
from calibration import CalibrationRefused, Scale
from calibration.flat_field import FlatField, read_flat_field
from calibration.record import CalibrationRecord
from models import Cell

FLAT_FIELD = "flat_field"
"""Under which name a record's parts hold it."""


@runtime_checkable
class EvensItself(Protocol):
    """An analyser that makes frames even where it has them, as on a GPU."""

    def evened_by(self, flat_field: FlatField) -> Analyser:
        """Return the same analyser, but one that sees every frame as an even lamp would have given it."""


class CorrectingAnalyser:
    """An analyser that sees every frame as an even lamp would have given it. The frame itself stays as it was taken."""

    def __init__(self, analyser: Analyser, flat_field: FlatField) -> None:
        """Correct for this analyser."""
        self._analyser = analyser
        self._flat_field = flat_field

    @property
    def engine(self) -> str:
        """The analyser's."""
        return self._analyser.engine

    @property
    def weights(self) -> str:
        """The analyser's."""
        return self._analyser.weights

    @property
    def outputs(self) -> tuple[str, ...]:
        """The analyser's."""
        return self._analyser.outputs

    def check(self, scale: Scale) -> None:
        """As the analyser does."""
        self._analyser.check(scale)

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """Every white cell of the frame, corrected. Raises CalibrationRefused for a frame of another size too."""
        return self._analyser.analyse(replace(frame, pixels=self._flat_field.apply(frame.pixels)), scale)


def flat_field_of(record: CalibrationRecord) -> FlatField | None:
    """Return the flat field that a calibration holds; None where it holds none.

    Raises CalibrationRefused where it is damaged, or is for frames of another size than the calibration.
    """
    data = record.parts.get(FLAT_FIELD)
    if data is None:
        return None
    found = read_flat_field(data)
    if (found.width_px, found.height_px) != record.setup.region:
        width, height = record.setup.region
        raise CalibrationRefused(
            f"The flat field of {record.id} is for frames of {found.width_px} × {found.height_px} px, the calibration "
            f"for {width} × {height}. Calibrate anew."
        )
    return found


def corrected(analyser: Analyser, record: CalibrationRecord | None) -> Analyser:
    """Return what analyses frames of a calibration: the analyser itself where there is nothing to correct."""
    flat_field = None if record is None else flat_field_of(record)
    return analyser if flat_field is None else evened(analyser, flat_field)


def evened(analyser: Analyser, flat_field: FlatField) -> Analyser:
    """Return the analyser that sees every frame made even, once: by itself where it can do that."""
    if isinstance(analyser, EvensItself):
        return analyser.evened_by(flat_field)
    return CorrectingAnalyser(analyser, flat_field)
