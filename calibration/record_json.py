"""A calibration's record as one JSON file, whole with its pictures; a file that was changed is found out."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.record import CalibrationRecord, Evidence, Residuals, Ruler
from calibration.setup import Setup

VERSION = 2
MAX_BYTES = 32_000_000
_FILE = {"hemadiff_calibration", "id", "digest", "record"}

_T = TypeVar("_T")


def to_json(record: CalibrationRecord) -> str:
    """Return the record as the text of a file."""
    whole = {
        "hemadiff_calibration": VERSION,
        "id": record.id,
        "digest": record.digest,
        "record": to_table(record),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str, where: str) -> CalibrationRecord:
    """Return the record of a file that `to_json` wrote. where: what to call the file.

    Raises CalibrationRefused for anything else, and where anything in it was changed.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise CalibrationRefused(
            f"{where}{line}: this is not JSON. A calibration is one JSON object."
        ) from error
    return from_file_table(whole, where)


def from_file_table(whole: object, where: str) -> CalibrationRecord:
    """As `from_json`, for a file that was decoded already."""
    if not isinstance(whole, dict) or whole.get("hemadiff_calibration") != VERSION:
        raise CalibrationRefused(
            f"{where}: this is no calibration that was exported by hemadiff calibrate export."
        )
    _refuse_unknown(whole, _FILE, where)
    record = from_table(whole.get("record"), where)
    if whole.get("digest") != record.digest or whole.get("id") != record.id:
        raise CalibrationRefused(
            f"{where} was changed after it was exported: its contents do not fit its digest. "
            "Export it again where it was made."
        )
    return record


def to_table(record: CalibrationRecord) -> dict[str, Any]:
    """Return the record as JSON's objects, with the bytes of its pictures and parts (base64)."""
    table = record.contents()
    for each, evidence in zip(table["evidence"], record.evidence, strict=True):
        each["png"] = base64.b64encode(evidence.png).decode("ascii")
    table["parts"] = {name: base64.b64encode(data).decode("ascii") for name, data in record.parts.items()}
    return table


def from_table(table: object, where: str) -> CalibrationRecord:
    """Return the record of what `to_table` gave. Raises CalibrationRefused for anything else."""
    known = {
        *("setup", "made", "expires", "by", "software", "firmware", "ruler"),
        *("values", "residuals", "evidence", "parts", "note"),
    }
    read = _Reader(table, where, known)
    try:
        return CalibrationRecord(
            setup=_setup(read.part("setup", {"objective", "camera", "binning", "region"})),
            made=read.time("made"),
            by=read.text("by"),
            values=read.each("values", _measured, {"value", "uncertainty", "unit"}),
            software=read.text("software"),
            firmware=read.text("firmware"),
            expires=None if read.get("expires", object) is None else read.time("expires"),
            ruler=_ruler(read),
            residuals=read.each("residuals", _residuals, {"at", "at_unit", "left", "unit"}),
            evidence=tuple(_evidence(_Reader(one, where, _EVIDENCE)) for one in read.get("evidence", list)),
            parts={name: read.bytes_of(text) for name, text in read.get("parts", dict).items()},
            note=read.text("note"),
        )
    except CalibrationRefused as refusal:
        said = str(refusal)
        raise CalibrationRefused(said if said.startswith(where) else f"{where}: {said}") from refusal


KNOWN_TO = "pitch_uncertainty_um"  # of a ruler, where it was stated
_EVIDENCE = {"name", "caption", "sha256", "png"}


class _Reader:
    """The keys of a JSON object, each of its kind or refused by name."""

    def __init__(self, table: object, where: str, known: set[str]) -> None:
        if not isinstance(table, dict):
            raise CalibrationRefused(f"{where}: a part of the calibration is missing. Export it again.")
        _refuse_unknown(table, known, where)
        self._table, self._where = table, where

    def get(self, key: str, kind: type[_T]) -> _T:
        value = self._table.get(key)
        if key not in self._table or not isinstance(value, kind):
            raise CalibrationRefused(
                f'{self._where}: "{key}" is missing or of another kind. Export it again.'
            )
        return value

    def has(self, key: str) -> bool:
        return key in self._table

    def text(self, key: str) -> str:
        return self.get(key, str)

    def whole(self, key: str) -> int:
        value = self.get(key, int)
        return value if not isinstance(value, bool) else self.get(f"{key} as a number", int)

    def number(self, key: str) -> float:
        return self._number(key, self._table.get(key))

    def numbers(self, key: str) -> tuple[float, ...]:
        return tuple(self._number(key, value) for value in self.get(key, list))

    def _number(self, key: str, value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):
                return float(value)
        raise CalibrationRefused(f'{self._where}: "{key}" must be a number.')

    def time(self, key: str) -> datetime:
        try:
            return datetime.fromisoformat(self.text(key))
        except ValueError as error:
            raise CalibrationRefused(f'{self._where}: "{key}" is no time (ISO 8601).') from error

    def part(self, key: str, known: set[str]) -> _Reader:
        return _Reader(self.get(key, dict), self._where, known)

    def each(self, key: str, of: Callable[[_Reader], _T], known: set[str]) -> dict[str, _T]:
        return {name: of(_Reader(one, self._where, known)) for name, one in self.get(key, dict).items()}

    def bytes_of(self, text: object) -> bytes:
        try:
            return base64.b64decode(str(text), validate=True)
        except (binascii.Error, ValueError) as error:
            raise CalibrationRefused(
                f"{self._where}: a picture or a part is damaged. Export it again."
            ) from error


def _refuse_unknown(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise CalibrationRefused(
            f'{where}: a calibration of version {VERSION} has no key "{unknown[0]}". '
            "Update this hemadiff, or export it again."
        )


def _setup(read: _Reader) -> Setup:
    region = read.part("region", {"width", "height"})
    return Setup(
        read.text("objective"),
        read.text("camera"),
        read.whole("binning"),
        (region.whole("width"), region.whole("height")),
    )


def _measured(read: _Reader) -> Measured:
    return Measured(read.number("value"), read.number("uncertainty"), read.text("unit"))


def _residuals(read: _Reader) -> Residuals:
    return Residuals(read.numbers("at"), read.text("at_unit"), read.numbers("left"), read.text("unit"))


def _ruler(read: _Reader) -> Ruler | None:
    if read.get("ruler", object) is None:
        return None
    said = read.part("ruler", {"kind", "pitch_um", "serial", "certificate", KNOWN_TO})
    known = said.number(KNOWN_TO) if said.has(KNOWN_TO) else None
    return Ruler(
        said.text("kind"), said.number("pitch_um"), said.text("serial"), said.text("certificate"), known
    )


def _evidence(read: _Reader) -> Evidence:
    evidence = Evidence(read.text("name"), read.text("caption"), read.bytes_of(read.text("png")))
    if evidence.sha256 != read.text("sha256"):
        raise CalibrationRefused(f'The picture "{evidence.name}" does not fit its digest. Export it again.')
    return evidence
