"""A routine that a page asked for: what its form says, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.calibrating.bench import Bench
from appliance.calibrating.pixel_size import RulerOnStage
from appliance.calibrating.steps import Routine
from appliance.calibrating.whole import Extent, Found
from appliance.channel_client import InstrumentClient
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.servicing.measurement import NOT_YET, Measurement, put_on_record
from appliance.servicing.session import Verdict, from_here
from calibration.errors import CalibrationRefused
from firmware_bridge.point import Point

RETURNS = (10, 500)


def measure(
    wanted: Measurement, here: bool, bench: Bench, place: Point, run: Callable[[Routine[Found]], Found]
) -> Verdict:
    """Carry a routine out and put what it found on record; it is in force only once a person says so.

    here: whether to begin at the place, where the stage stands. What was found is said even where it cannot be put on
    record. Raises what the routine refused with, and as `Measurement.check` does.
    """
    wanted.check(bench.setup)
    known = from_here(bench.known, place) if here else bench.known
    found = wanted.found(bench, known, run)
    said = [sentence for each in found.findings.values() for sentence in each.said]
    if any(each.setting not in (None, known.setting) for each in found.findings.values()):
        said.append(NOT_YET)
    try:
        record = wanted.record(bench, found)
        put_on_record(wanted.config, record, InstrumentClient(wanted.config.socket_path).ask)
    except (ApplianceError, ApplianceRefused, CalibrationRefused) as refusal:
        return Verdict(wanted.name, False, (*said, str(refusal)), found.settings)
    return Verdict(wanted.name, True, tuple(said), found.settings, record.id)


def ruler_of(said: object) -> RulerOnStage:
    """Return the ruler that a form describes. Raises ApplianceRefused for what is none; the pitch is judged later."""
    form = _form(said)
    pitch, uncertainty = form.get("pitch_um", 10.0), form.get("pitch_uncertainty_um", 0.0)
    if not (_is_number(pitch) and _is_number(uncertainty)):
        raise ApplianceRefused("A ruler's pitch and its uncertainty are numbers, µm. Correct them.")
    texts = {name: str(form.get(name, ""))[:200] for name in ("serial", "certificate")}
    return RulerOnStage(
        float(pitch), form.get("grid") is True, **texts, pitch_uncertainty_um=float(uncertainty)
    )


def extent_of(said: object) -> Extent:
    """Return how thoroughly a form has it measured. Raises ApplianceRefused for a number of returns that is none."""
    form, usual = _form(said), Extent()
    returns = form.get("returns", usual.returns)
    if type(returns) is not int or not RETURNS[0] <= returns <= RETURNS[1]:
        raise ApplianceRefused(f"The stage returns {RETURNS[0]} to {RETURNS[1]} times. Correct the number.")
    return Extent(
        returns,
        form.get("tilt", usual.tilt) is not False,
        form.get("drift", usual.drift) is True,
        overview=form.get("overview", usual.overview) is not False,
    )


def _form(said: object) -> Mapping[str, Any]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise ApplianceRefused("What a routine is told is an object with names.")
    return said


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
