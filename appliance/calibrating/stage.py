"""The stage, guided: its map to the picture, its backlash, how well it returns, how it drifts; all on a smear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from appliance.calibrating.looking import focused, lit
from appliance.calibrating.steps import Finding, GoTo, Known, Lay, Routine, Take, Tell, Wait, seen_at
from appliance.cameras.camera import Exposure
from appliance.picture_axes import STAGE_MAP, Axes
from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.record import Evidence, Residuals
from calibration.registration import Shift, shift_between
from calibration.stage_checks import (
    Reversal,
    measure_backlash,
    measure_drift,
    measure_repeatability,
)
from calibration.stage_map import Move, StageMap, agreement, fit_stage_map
from firmware_bridge.point import Point

Picture = NDArray[np.uint8]

STEPS = 16  # along each axis
STEP_SHARE = 0.35  # of the picture's shorter side: neighbours share enough however the camera is turned
BELOW_UM = 30.0  # from where a place is approached: more than any play
LONGEST_STEP_UM = 60.0
REVERSALS = 12  # each way, along each axis
LONGEST_WAY_UM, WAY_SHARE = 24.0, 0.5
RETURNS, AWAY_UM = 30, 25.0
LOOKS, WATCHED_S = 21, 600.0
PLACES = ((0.0, 0.0), (2500.0, 0.0), (-2500.0, 0.0))
SPREAD_UM = 0.5  # of returns, that is usual for a good stage
SMEAR = "Put a smear on the stage, and oil it."


def stage_map(known: Known, steps: int = STEPS) -> Routine[tuple[Finding, StageMap]]:
    """Measure how the picture lies on the stage, and hold it against the ruler. steps: along each axis.

    Raises CalibrationRefused where they contradict each other, and ApplianceRefused where the camera is turned too far.
    """
    yield Lay("smear", SMEAR)
    known, place = yield from on_detail(known)
    yield Tell("Moving along both axes.")
    moves, picture = yield from _walked(known, place, steps)
    found = fit_stage_map(moves)
    values: dict[str, Measured] = dict(
        zip(
            STAGE_MAP,
            (found.um_per_px_x, found.um_per_px_y, found.rotation_deg, found.shear_deg),
            strict=True,
        )
    )
    ruler = known.ruler or found.um_per_px
    Axes.of_stage_map(ruler.value, *(values[name].value for name in STAGE_MAP))
    said = [
        f"Stage map: {found.um_per_px_x} along x, {found.um_per_px_y} along y; the stage's x runs at "
        f"{found.rotation_deg} in the picture; places scatter by {found.scatter_um:.2f} µm."
    ]
    if known.ruler is not None:
        agrees = agreement(_Ruled(known.ruler), found)
        if not agrees.ok:
            raise CalibrationRefused(agrees.sentence)
        said.append(agrees.sentence)
        said.append("Passed.")
    else:
        said.append(
            "It was held against no ruler: whether the stage goes as far as it is told shows only beside one "
            "(hemadiff calibrate all)."
        )
    left = [
        np.hypot(*np.subtract((-m.shift.dx_px, -m.shift.dy_px), found.to_px(m.dx_um, m.dy_um))) for m in moves
    ]
    # The error of the first place is common to all: what it is beside the others says nothing.
    off = (np.array(left) - np.median(left)) * found.um_per_px.value
    residuals = Residuals(
        tuple(float(n) for n in range(1, len(moves) + 1)), "move", tuple(map(float, off)), "µm"
    )
    evidence = [Evidence.of("stage_map", "Where the stage was told to go from.", picture)]
    return Finding(tuple(said), values, {"stage_map": residuals}, evidence, place=place), found


class _Ruled:
    def __init__(self, um_per_px: Measured) -> None:
        self.um_per_px = um_per_px


def on_detail(known: Known) -> Routine[tuple[Known, Point]]:
    """Find a place of the smear in focus with detail enough to tell pictures apart."""
    known = yield from lit(known)
    refusal: CalibrationRefused | None = None
    for dx, dy in PLACES:
        at = known.at(dx, dy)
        area = known.area
        if not (area.left_um < at.x_um < area.right_um and area.top_um < at.y_um < area.bottom_um):
            continue
        try:
            yield Tell("Focusing.")
            place = yield from focused(known, at)
            first: Exposure = yield Take()
            aside = yield from seen_at(replace(place, x_um=place.x_um + 0.3 * known.field_um))
            shift_between(first.pixels, aside.pixels)
        except CalibrationRefused as error:
            refusal = error
            yield Tell(f"Not here: {error}")
        else:
            return known, place
    raise refusal or CalibrationRefused("The start lies outside the area of smears. Give another: --at X,Y.")


def _walked(known: Known, place: Point, steps: int) -> Routine[tuple[list[Move], Picture]]:
    """Walk along x, then along y, always upward, and add the shifts of neighbouring pictures."""
    step = min(LONGEST_STEP_UM, STEP_SHARE * known.field_um)
    ways = [(step * n, 0.0) for n in range(steps + 1)]
    ways += [(step * steps, step * n) for n in range(1, steps + 1)]
    yield GoTo(_from(place, -BELOW_UM, -BELOW_UM))
    start: Point | None = None
    before: Picture | None = None
    first: Picture | None = None
    found, whole = [], Shift(0.0, 0.0, 0.0)
    for way in ways:
        at: Point = yield GoTo(_from(place, *way))
        picture = (yield Take()).pixels
        if start is None or before is None:
            start, first = at, picture
        else:
            whole = whole + shift_between(before, picture)
            found.append(Move(at.x_um - start.x_um, at.y_um - start.y_um, whole))
        before = picture
    assert first is not None
    return found, first


def backlash(
    known: Known,
    found: StageMap,
    returns: int = RETURNS,
    drift: bool = False,
    reversals: int = REVERSALS,
) -> Routine[Finding]:
    """Measure backlash and repeatability, and drift where it is wished; on the smear that lies there.

    reversals: each way, along each axis.
    """
    yield Lay("smear", SMEAR)
    known, place = yield from on_detail(known)
    yield Tell("Moving to and fro.")
    values: dict[str, Measured] = {}
    said, settings = [], {}
    for each in measure_backlash((yield from _reversed(known, place, reversals)), found):
        values[f"backlash_{each.axis}_um"] = each.um
        said.append(f"Backlash of {each.axis}: {each.um}.")
        settings[f"[stage.{each.axis}] backlash_um"] = f"{max(0.0, np.ceil(each.um.interval[1])):.0f}"
    yield Tell(f"Leaving and returning {returns} times.")
    again = measure_repeatability((yield from _returned(place, returns)), found)
    values |= {"repeatability_x_um": again.x_um, "repeatability_y_um": again.y_um}
    worst = max(again.x_um.value, again.y_um.value)
    said.append(
        f"Returns scatter by {again.x_um} along x and {again.y_um} along y, {again.farthest_um:.2f} µm at most."
    )
    if drift:
        yield Tell(f"Watching it stand still for {WATCHED_S / 60:.0f} minutes.")
        creeps = measure_drift(*(yield from _stood(place)), found)
        values |= {"drift_x_um": creeps.x_um, "drift_y_um": creeps.y_um}
        said.append(f"It creeps by {creeps.x_um} along x and {creeps.y_um} along y in ten minutes.")
    said.append(
        "Passed."
        if worst <= SPREAD_UM
        else f"Passed, but returns scatter by more than {SPREAD_UM:g} µm: look for play in the carriage and loose "
        "screws."
    )
    return Finding(tuple(said), values, settings=settings)


def _reversed(known: Known, place: Point, times: int) -> Routine[list[Reversal]]:
    """Go to and fro along each axis: every move reverses the one before."""
    way = min(LONGEST_WAY_UM, WAY_SHARE * known.field_um)
    found = []
    for axis in ("x", "y"):
        yield GoTo(_from(place, -BELOW_UM, -BELOW_UM))
        at: Point = yield GoTo(place)
        before = (yield Take()).pixels
        up = True
        for _ in range(2 * times):
            up = not up
            aside = 0.0 if up else -way
            then: Point = yield GoTo(_from(place, aside, 0.0) if axis == "x" else _from(place, 0.0, aside))
            after = (yield Take()).pixels
            told = then.x_um - at.x_um if axis == "x" else then.y_um - at.y_um
            found.append(Reversal("x" if axis == "x" else "y", told, shift_between(before, after)))
            before, at = after, then
    return found


def _returned(place: Point, times: int) -> Routine[list[Shift]]:
    """Leave one place and come back to it from the same side."""
    shifts = []
    first: Picture | None = None
    for _ in range(times + 1):
        yield GoTo(_from(place, -AWAY_UM, -AWAY_UM))
        picture = (yield from seen_at(place)).pixels
        if first is None:
            first = picture
        else:
            shifts.append(shift_between(first, picture))
    return shifts


def _stood(place: Point) -> Routine[tuple[list[float], list[Shift]]]:
    """Stand still and look now and then."""
    yield GoTo(_from(place, -AWAY_UM, -AWAY_UM))
    first = (yield from seen_at(place)).pixels
    seconds, shifts = [0.0], [shift_between(first, first)]
    for n in range(1, LOOKS):
        yield Wait(WATCHED_S / (LOOKS - 1))
        seconds.append(WATCHED_S * n / (LOOKS - 1))
        shifts.append(shift_between(first, (yield Take()).pixels))
    return seconds, shifts


def _from(place: Point, x_um: float, y_um: float) -> Point:
    return Point(place.x_um + x_um, place.y_um + y_um, place.z_um)


__all__ = ["backlash", "on_detail", "stage_map"]
