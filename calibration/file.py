"""A calibration on disk: a record that was exported (version 2), or what somebody wrote into a file (version 1).

A record says who measured it, when and how well; a file of version 1 is only what it states.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.errors import CalibrationRefused
from calibration.record import CalibrationRecord, is_record_id
from calibration.record_json import MAX_BYTES, from_file_table
from calibration.record_json import VERSION as RECORDED
from calibration.scale import Scale
from calibration.setup import PartialSetup, Setup

STATED = 1
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

    objective, camera, binning, region (width and height of its frames, px): None where nobody said.
    record: None where a person or a file only states the scale.
    """

    scale: Scale
    objective: str | None = None
    camera: str | None = None
    binning: int | None = None
    region: tuple[int, int] | None = None
    record: CalibrationRecord | None = None

    @classmethod
    def of(cls, record: CalibrationRecord) -> Calibration:
        """Return what a record says."""
        setup = record.setup
        return cls(record.scale, setup.objective, setup.camera, setup.binning, setup.region, record)

    def check_setup(self, setup: Setup | PartialSetup) -> None:
        """Raise CalibrationRefused for another setup, and say in what it differs."""
        ours = PartialSetup(self.objective, self.camera, self.binning, self.region)
        ours.refuse_another(self.scale.id, setup)

    def check_frame(self, width: int, height: int) -> None:
        """Raise CalibrationRefused for a frame (width, height in px) of another setup."""
        self.check_setup(PartialSetup(region=(width, height)))


def read_calibration(path: Path) -> Calibration:
    """Read a calibration file.

    Raises CalibrationRefused: it cannot be read, is no calibration, has a key that nobody knows, or is a record
    that was changed after it was exported.
    """
    record = _read_object(path)
    if record.get("hemadiff_calibration") == RECORDED:
        return Calibration.of(from_file_table(record, str(path)))
    if "routines" in record or ("passed" in record and "settings" in record):
        raise CalibrationRefused(
            f"{path} is the result of calibrating (--json), and no calibration. Export that from where it is on "
            "record: hemadiff calibrate export ID -o FILE."
        )
    unknown = sorted(set(record) - set(KNOWN))
    if unknown:
        raise CalibrationRefused(
            f'{path}: a calibration has no key "{unknown[0]}". It has: {", ".join(KNOWN)}.'
        )
    version = record.get("hemadiff_calibration")
    if version != STATED or isinstance(version, bool):
        raise CalibrationRefused(
            f"{path} is no calibration that this version reads: it needs "
            f'"hemadiff_calibration": {STATED} or {RECORDED}.'
        )
    name = record.get("id")
    if not isinstance(name, str) or not name.strip():
        raise CalibrationRefused(f'{path}: "id" is missing. It is the name that results carry; give it one.')
    if is_record_id(name):
        raise CalibrationRefused(
            f'{path}: "id" is written as a measured record\'s, which this is not. Give it another.'
        )
    return Calibration(
        scale=Scale(_pixel_size(record, path), _source(path), name),
        objective=_text(record, "objective", path),
        camera=_text(record, "camera", path),
        binning=_binning(record, path),
        region=_region(record, path),
    )


def _source(path: Path) -> str:
    # A name that is not UTF-8 could not be put on record.
    return f"stated by the calibration file {os.fsencode(path.name).decode('utf-8', 'backslashreplace')}"


def _read_object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CalibrationRefused(
            f"The calibration file {path} cannot be read: {error.strerror or error}. Check its path."
        ) from error
    if len(data) > MAX_BYTES:
        raise CalibrationRefused(f"{path} is too large for a calibration (over {MAX_BYTES // 1_000_000} MB).")
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
