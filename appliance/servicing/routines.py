"""The routines by the names that a page and a command have for them, each as one routine of findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.calibrating import focus, lamp, lenses, pixel_size, stage
from appliance.calibrating.again import until_mended
from appliance.calibrating.pixel_size import RulerOnStage
from appliance.calibrating.steps import Finding, Known, Routine
from appliance.calibrating.whole import Extent, Found, whole_calibration
from appliance.errors import ApplianceRefused
from calibration.stage_map import StageMap

WHOLE = "all"
Single = Callable[[Known, RulerOnStage, Extent], Routine[Finding]]


def _stage(known: Known) -> Routine[tuple[Finding, StageMap]]:
    return (yield from until_mended(known, lambda: stage.stage_map(known)))


def _flat_field(known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Finding]:
    return (yield from until_mended(known, lambda: lamp.flat_field(known)))


def _pixel_size(known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Finding]:
    return (yield from until_mended(known, lambda: pixel_size.pixel_size(known, ruler)))


def _stage_map(known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Finding]:
    return (yield from _stage(known))[0]


def _backlash(known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Finding]:
    _, mapped = yield from _stage(known)
    return (
        yield from until_mended(known, lambda: stage.backlash(known, mapped, extent.returns, extent.drift))
    )


def _focus(known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Finding]:
    return (yield from until_mended(known, lambda: focus.focus(known, extent.tilt)))


def _overview(known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Finding]:
    above = known.overview
    if above is None:
        raise ApplianceRefused(
            "No overview camera is set. Give [microscope.overview] source in the settings, as in v4l2:/dev/video2."
        )
    _, mapped = yield from _stage(known)
    return (yield from until_mended(known, lambda: lenses.lenses(known, mapped, above)))


SINGLE: Mapping[str, Single] = {
    "flat_field": _flat_field,
    "pixel_size": _pixel_size,
    "stage_map": _stage_map,
    "backlash": _backlash,
    "focus": _focus,
    "overview": _overview,
}
NAMES = (WHOLE, *SINGLE)


def findings(name: str, known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Found]:
    """Return the routine of that name (`NAMES`). Raises ApplianceRefused for one that there is not."""
    if name == WHOLE:
        return whole_calibration(known, ruler, extent)
    if name not in SINGLE:
        raise ApplianceRefused(f'There is no routine "{name}". There are: {", ".join(NAMES)}.')
    return _found(name, known, ruler, extent)


def _found(name: str, known: Known, ruler: RulerOnStage, extent: Extent) -> Routine[Found]:
    return Found({name: (yield from SINGLE[name](known, ruler, extent))})
