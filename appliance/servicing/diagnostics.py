"""A bundle for whoever helps from afar: what this instrument is and how it stands, and nothing about a patient.

It is written from what is listed here and from nothing else: no picture, no cell, no table of record numbers. What
people typed freely is left out; and should a record number stand in what is left, it is struck out.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.audit import AuditTrail, Entry
from appliance.calibrations import Calibrations, Held
from appliance.doctor import Finding
from appliance.qc_history import QcHistory
from appliance.servicing.journal import Log
from appliance.store import Store
from appliance.view import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from appliance.config import Config

AUDITED = 300
SECRETS = frozenset({"key", "token", "secret", "password", "pin"})
WORDS = frozenset(
    {"added", "role", "how", "for", "kind", "identity", "step", "disabled", "calibration", "routine"}
)
"""Details of the trail whose words the software chose; any other text in them was somebody's own."""

STRUCK = "[struck out]"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the zip format's own; the bundle says itself when it was made
READ_ME = f"""Diagnostics of a Hemadiff. {RESEARCH_USE_ONLY}

versions.json      what runs here
settings.json      the settings in force, without keys
self-test.json     what `hemadiff doctor` found
calibrations.json  what was measured, without pictures
quality.json       the daily controls
audit.json         who did what, without anything that was typed freely
journal.txt        what the services said last

There is no patient's number, no picture and no cell in it.
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What is bundled beside the records. versions: by name.  findings: of the self-test."""

    versions: Mapping[str, Any]
    findings: Sequence[Finding]
    log: Log
    at: datetime


def bundle(config: Config, store: Store | None, told: Told) -> bytes:
    """Return the bundle, a zip file. store: opened read-only; None where there is none yet."""
    hide = _Hiding(() if store is None else _record_numbers(store))
    said: dict[str, Any] = {
        "versions": {**told.versions, "made": told.at.astimezone(UTC).isoformat()},
        "settings": _settings(config),
        "self-test": [asdict(each) for each in told.findings],
    }
    if store is not None:
        said |= {
            "calibrations": [_calibration(each) for each in Calibrations(store).all()],
            "quality": [_control(each) for each in QcHistory(store).all()],
            "audit": [_line(each) for each in AuditTrail(store).entries(AUDITED)],
        }
    pages = {f"{name}.json": _json(hide.within(value)) for name, value in said.items()}
    pages["journal.txt"] = "\n".join(map(hide, told.log.lines)) or told.log.why_none
    pages["README.txt"] = READ_ME
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in pages.items():
            whole = zipfile.ZipInfo(f"hemadiff-diagnostics/{name}", FIRST_DAY)
            archive.writestr(whole, text.encode(), zipfile.ZIP_DEFLATED)
    return written.getvalue()


class _Hiding:
    """Strikes record numbers out of texts, wherever they stand as words of their own."""

    def __init__(self, numbers: Iterable[str]) -> None:
        longest_first = sorted({number for number in numbers if number}, key=len, reverse=True)
        any_of_them = "|".join(map(re.escape, longest_first))
        self._found = re.compile(rf"(?<!\w)(?:{any_of_them})(?!\w)") if longest_first else None

    def __call__(self, text: str) -> str:
        return text if self._found is None else self._found.sub(STRUCK, text)

    def within(self, value: Any) -> Any:
        """Return a value of JSON whose texts went through it."""
        match value:
            case str():
                return self(value)
            case Mapping():
                return {self(str(name)): self.within(each) for name, each in value.items()}
            case list() | tuple():
                return [self.within(each) for each in value]
        return value


def _record_numbers(store: Store) -> list[str]:
    return [str(row["record_number"]) for row in store.rows("SELECT record_number FROM records")]


def _settings(config: Config) -> dict[str, Any]:
    from appliance.config import flat

    said = {}
    for key, value in flat(config):
        secret = key[-1] in SECRETS and value is not None
        said[".".join(key)] = "(set; not shown)" if secret else value
    return said


def _calibration(held: Held) -> dict[str, Any]:
    """What was measured; a note, which was typed freely, is left out, and pictures are their digests."""
    contents = {name: value for name, value in held.record.contents().items() if name != "note"}
    return {"id": held.record.id, "origin": held.origin, "in_force": held.in_force, **contents}


def _control(control: Any) -> dict[str, Any]:
    return {
        "at": control.at.isoformat(),
        "passed": control.passed,
        "result": str(control.result),
        "run": control.run,
        "calibration": control.calibration,
    }


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "who": entry.who,
        "what": entry.what,
        "subject": entry.subject,
        "details": {name: _safe(name, value) for name, value in entry.details.items()},
    }


def _safe(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float) or (name in WORDS and isinstance(value, str)):
        return value
    return "(left out)"


def _json(said: Any) -> str:
    return json.dumps(said, ensure_ascii=False, indent=1, default=str)
