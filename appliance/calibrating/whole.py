"""A whole calibration: the routines in their order, and the one record that they make together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from appliance.calibrating.focus import focus
from appliance.calibrating.lamp import flat_field
from appliance.calibrating.pixel_size import RulerOnStage, pixel_size
from appliance.calibrating.stage import backlash, stage_map
from appliance.calibrating.steps import Expose, Finding, Known, Routine, Tell
from calibration.record import PIXEL_SIZE, CalibrationRecord, Evidence
from calibration.setup import Setup


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a whole calibration is done. returns: for the repeatability.  tilt, drift: whether they "
    "are measured."""

    returns: int = 30
    tilt: bool = True
    drift: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """Who calibrates, when, with what. valid_days: until it expires.  note: of the engineer."""

    by: str
    made: datetime
    software: str = ""
    firmware: str = ""
    valid_days: int = 365
    note: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What routines found together."""

    findings: Mapping[str, Finding] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """What to write into the settings."""
        return {key: value for each in self.findings.values() for key, value in each.settings.items()}

    def record(self, setup: Setup, author: Author) -> CalibrationRecord:
        """Return the calibration that they make. Raises CalibrationRefused without a pixel size."""
        whole = list(self.findings.values())
        return CalibrationRecord(
            setup,
            author.made,
            author.by,
            _merged(each.values for each in whole),
            author.software,
            author.firmware,
            author.made + timedelta(days=author.valid_days),
            next((each.ruler for each in whole if each.ruler is not None), None),
            _merged(each.residuals for each in whole),
            _evidence(whole),
            _merged(each.parts for each in whole),
            author.note,
        )


def whole_calibration(known: Known, ruler: RulerOnStage, extent: Extent | None = None) -> Routine[Found]:
    """Guide through everything: lamp, pixel size, stage, focus. Raises where a routine refuses: nothing is
    then on record.

    The lamp comes first, so that all that follows is seen in its light.
    """
    extent = extent or Extent()
    found: dict[str, Finding] = {}
    yield from _begun("flat field", 1)
    found["flat_field"] = yield from flat_field(known)
    yield from _said(found["flat_field"])
    known = replace(known, setting=found["flat_field"].setting or known.setting)
    yield Expose(known.setting)
    yield from _begun("pixel size", 2)
    found["pixel_size"] = yield from pixel_size(known, ruler)
    yield from _said(found["pixel_size"])
    known = known.with_pixel(found["pixel_size"].values[PIXEL_SIZE])
    yield Expose(known.setting)
    yield from _begun("stage map", 3)
    found["stage_map"], measured = yield from stage_map(known)
    yield from _said(found["stage_map"])
    place = found["stage_map"].place
    if place is not None:
        known = replace(known, start=place, in_focus=True)
    yield from _begun("backlash", 4)
    found["backlash"] = yield from backlash(known, measured, extent.returns, extent.drift)
    yield from _said(found["backlash"])
    yield from _begun("focus", 5)
    found["focus"] = yield from focus(known, extent.tilt)
    yield from _said(found["focus"])
    return Found(found)


def _begun(what: str, number: int) -> Routine[None]:
    yield Tell(f"{number} of 5: {what}.")


def _said(finding: Finding) -> Routine[None]:
    for sentence in finding.said:
        yield Tell(sentence)


def _merged(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for table in tables for name, value in table.items()}


def _evidence(findings: Sequence[Finding]) -> list[Evidence]:
    return [each for finding in findings for each in finding.evidence]
