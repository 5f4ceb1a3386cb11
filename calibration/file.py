"""A calibration on disk: one JSON object, made by calibrating a microscope, read by every run."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.errors import CalibrationRefused
from calibration.scale import Scale

VERSION = 1
MAX_BYTES = 1_000_000
KNOWN = (
    "hemadiff_calibration",
    "id",
    "um_per_px",
    "objective",
    "camera",
    "binning",
    "region",
    "made",
    "note",
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A scale and the setup that it belongs to.

    region: width and height of its frames, px; None where the file does not say.
    """

    scale: Scale
    objective: str | None = None
    camera: str | None = None
    binning: int | None = None
    region: tuple[int, int] | None = None

    def check_frame(self, width: int, height: int) -> None:
        """Raise CalibrationRefused for a frame (width, height in px) of another setup."""
        if self.region is not None and self.region != (width, height):
            raise CalibrationRefused(
                f'The calibration "{self.scale.id}" belongs to frames of {self.region[0]} × {self.region[1]} '
                f"px, not {width} × {height}. Use the calibration of this camera setting, or calibrate it."
            )


def read_calibration(path: Path) -> Calibration:
    """Read a calibration file.

    Raises CalibrationRefused: it cannot be read, is no calibration, or has a key that nobody knows.
    """
    record = _read_object(path)
    unknown = sorted(set(record) - set(KNOWN))
    if unknown:
        raise CalibrationRefused(
            f'{path}: a calibration has no key "{unknown[0]}". It has: {", ".join(KNOWN)}.'
        )
    version = record.get("hemadiff_calibration")
    if version != VERSION or isinstance(version, bool):
        raise CalibrationRefused(
            f'{path} is no calibration that this version reads: it needs "hemadiff_calibration": {VERSION}.'
        )
    name = record.get("id")
    if not isinstance(name, str) or not name.strip():
        raise CalibrationRefused(f'{path}: "id" is missing. It is the name that results carry; give it one.')
    return Calibration(
        scale=Scale(_pixel_size(record, path), _source(path), name),
        objective=_text(record, "objective", path),
        camera=_text(record, "camera", path),
        binning=_binning(record, path),
        region=_region(record, path),
    )


def _source(path: Path) -> str:
    # A name that is not UTF-8 could not be put on record.
    return f"calibration file {os.fsencode(path.name).decode('utf-8', 'backslashreplace')}"


def _read_object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CalibrationRefused(
            f"The calibration file {path} cannot be read: {error.strerror or error}. Check its path."
        ) from error
    if len(data) > MAX_BYTES:
        raise CalibrationRefused(f"{path} is too large for a calibration (over {MAX_BYTES // 1000} kB).")
    try:
        record = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise CalibrationRefused(
            f"{path}{line}: this is not JSON. A calibration is one JSON object."
        ) from error
    if not isinstance(record, dict):
        raise CalibrationRefused(f"{path}: this is not a calibration, which is one JSON object.")
    return record


def _pixel_size(record: dict[str, Any], path: Path) -> float:
    value = record.get("um_per_px")
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise CalibrationRefused(f'{path}: "um_per_px" must be a number, in micrometres per pixel.')
    return float(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _text(record: dict[str, Any], key: str, path: Path) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise CalibrationRefused(f'{path}: "{key}" must be a text.')
    return value


def _binning(record: dict[str, Any], path: Path) -> int | None:
    value = record.get("binning")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise CalibrationRefused(f'{path}: "binning" must be a whole number from 1.')
    return value


def _region(record: dict[str, Any], path: Path) -> tuple[int, int] | None:
    value = record.get("region")
    if value is None:
        return None
    sides = [value.get("width"), value.get("height")] if isinstance(value, dict) else value
    if (
        not isinstance(sides, list)
        or len(sides) != 2
        or any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in sides)
    ):
        raise CalibrationRefused(f'{path}: "region" must be {{"width": px, "height": px}}.')
    return sides[0], sides[1]
