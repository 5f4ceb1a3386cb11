"""A whole calibration: the routines in their order, and the one record that they make together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from appliance.calibrating.again import until_mended
from appliance.calibrating.focus import PAIRS, focus
from appliance.calibrating.lamp import flat_field
from appliance.calibrating.lenses import lenses
from appliance.calibrating.pixel_size import RulerOnStage, pixel_size
from appliance.calibrating.stage import RETURNS, REVERSALS, STEPS, backlash, stage_map
from appliance.calibrating.steps import Expose, Finding, Known, Routine, Tell
from calibration.record import PIXEL_SIZE, CalibrationRecord, Evidence
from calibration.renewal import Anew, renewed
from calibration.setup import Setup
from calibration.stage_map import StageMap


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a whole calibration is done. tilt, drift: whether they are measured.  overview: whether the camera
    that sees the whole slide is, where there is one.

    steps, reversals, returns: of the stage, as `stage_map` and `backlash` have them.  stacks: as `focus` has pairs.
    """

    returns: int = RETURNS
    tilt: bool = True
    drift: bool = False
    steps: int = STEPS
    reversals: int = REVERSALS
    stacks: int = PAIRS
    overview: bool = True


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

    def record(
        self, setup: Setup, author: Author, last: CalibrationRecord | None = None
    ) -> CalibrationRecord:
        """Return the calibration that they make.

        last: from which all is taken over that was not measured; None for a calibration of what was found alone.
        Raises CalibrationRefused without a pixel size, and as `renewed` does.
        """
        whole = list(self.findings.values())
        anew = Anew(
            author.made,
            author.by,
            author.made + timedelta(days=author.valid_days),
            _merged(each.values for each in whole),
            _merged(each.residuals for each in whole),
            _evidence(whole),
            _merged(each.parts for each in whole),
            next((each.ruler for each in whole if each.ruler is not None), None),
            author.software,
            author.firmware,
            author.note,
        )
        return anew.alone(setup) if last is None else renewed(last, anew)


def whole_calibration(known: Known, ruler: RulerOnStage, extent: Extent | None = None) -> Routine[Found]:
    """Guide through everything: lamp, pixel size, stage, focus.

    The lamp comes first, so that all that follows is seen in its light. Where a routine refuses, the engineer is asked
    to put it right, and it begins again. Raises what it refused with where nobody does: nothing is then on record.
    """
    extent = extent or Extent()
    above = known.overview if extent.overview else None
    steps = _Steps(5 if above is None else 6)
    found: dict[str, Finding] = {}
    light = yield from steps.passed("flat field", known, lambda: flat_field(known))
    found["flat_field"] = light
    lit = replace(known, setting=light.setting or known.setting)
    size = yield from steps.passed("pixel size", lit, lambda: pixel_size(lit, ruler))
    found["pixel_size"] = size
    sized = lit.with_pixel(size.values[PIXEL_SIZE])
    measured: list[StageMap] = []

    def mapping() -> Routine[Finding]:
        finding, stage = yield from stage_map(sized, extent.steps)
        measured.append(stage)
        return finding

    mapped = yield from steps.passed("stage map", sized, mapping)
    found["stage_map"] = mapped
    placed = sized if mapped.place is None else replace(sized, start=mapped.place, in_focus=True)
    stage = measured[-1]
    found["backlash"] = yield from steps.passed(
        "backlash", placed, lambda: backlash(placed, stage, extent.returns, extent.drift, extent.reversals)
    )
    found["focus"] = yield from steps.passed(
        "focus", placed, lambda: focus(placed, extent.tilt, extent.stacks)
    )
    if above is not None:
        found["overview"] = yield from steps.passed("overview", placed, lambda: lenses(placed, stage, above))
    return Found(found)


@dataclass(slots=True)
class _Steps:
    """Counts routines for the engineer."""

    of: int
    begun: int = 0

    def passed(self, what: str, known: Known, begin: Callable[[], Routine[Finding]]) -> Routine[Finding]:
        """Run one until it passes, and say what it found."""
        self.begun += 1
        yield Tell(f"{self.begun} of {self.of}: {what}.")
        yield Expose(known.setting)
        finding = yield from until_mended(known, begin)
        for sentence in finding.said:
            yield Tell(sentence)
        return finding


def _merged(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for table in tables for name, value in table.items()}


def _evidence(findings: Sequence[Finding]) -> list[Evidence]:
    return [each for finding in findings for each in finding.evidence]
