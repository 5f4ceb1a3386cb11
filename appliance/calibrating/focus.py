"""Focus, guided: how deep the objective is in focus, the play of z, and how the slide lies; on a smear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from appliance.calibrating.looking import contrast_of, focused
from appliance.calibrating.stage import SMEAR, on_detail
from appliance.calibrating.steps import Finding, GoTo, Known, Lay, Routine, Take, Tell
from calibration.errors import CalibrationRefused
from calibration.focus_checks import (
    FocusDepth,
    FocusHeight,
    measure_focus_depth,
    measure_tilt,
    measure_z_backlash,
)
from calibration.focus_curve import Sample
from calibration.measured import Measured
from calibration.record import Evidence
from firmware_bridge.point import Point

REACH_UM, STEP_UM = 7.0, 0.5
PAIRS = 4  # of stacks, from below and from above
NEAR_DEPTHS = 2.0  # depths of focus: how far the stacks after the first reach
TILT_UM = (1200.0, 900.0)  # how far apart the places of the tilt are
TILT_PLACES = 9
TILT_AT = (
    *((column, row) for row in (-1.0, 0.0, 1.0) for column in (-1.0, 0.0, 1.0)),
    *((column, row) for row in (-0.5, 0.5) for column in (-0.5, 0.5)),
)
"""Where they are, in such steps; the last stand in for those without focus."""


def focus(known: Known, tilt: bool = True, pairs: int = PAIRS) -> Routine[Finding]:
    """Measure depth of focus, the play of z, and the tilt of the slide.

    tilt: whether to focus at nine places for that.  pairs: of stacks, from below and from above, for the play.
    """
    yield Lay("smear", SMEAR)
    known, place = yield from on_detail(known)
    yield Tell("Stepping through focus.")
    depth = yield from _stack(known, place, Stack(place.z_um - REACH_UM, place.z_um + REACH_UM))
    play = yield from _play(known, place, depth, pairs)
    values: dict[str, Measured] = {
        "focus_depth_um": depth.depth,
        "focus_um": depth.peak,
        "backlash_z_um": play,
    }
    said = [f"Focus is {depth.depth} deep, and lies at {depth.peak}.", f"Backlash of z: {play}."]
    if play.value > known.take_up_um:
        raise CalibrationRefused(
            f"{said[1]} That is more than the {known.take_up_um:g} µm that a search for focus takes up. Write it into "
            "[stage.z] backlash_um, rounded up, and begin again."
        )
    if tilt:
        lies = yield from _tilt(known, place)
        values |= {"slide_tilt_x": lies[0], "slide_tilt_y": lies[1]}
        said.append(lies[2])
    yield GoTo(_lower(known, place))
    yield GoTo(place)
    sharp = (yield Take()).pixels
    return Finding(
        (*said, "Passed."),
        values,
        evidence=[Evidence.of("focus", "Where the focus was stepped through, in focus.", sharp)],
        settings={
            "[microscope] focus_um": f"{depth.peak.value:.0f}",
            "[stage.z] backlash_um": f"{max(0.0, np.ceil(play.interval[1])):.0f}",
        },
        place=place,
    )


@dataclass(frozen=True, slots=True)
class Stack:
    """Heights to look at, µm. down: from the highest."""

    low_um: float
    high_um: float
    down: bool = False


def _stack(known: Known, place: Point, stack: Stack) -> Routine[FocusDepth]:
    """Step through focus in one direction, with the play taken up before, as far as heights are safe."""
    heights = np.arange(stack.low_um, stack.high_um + STEP_UM / 2, STEP_UM)
    heights = heights[[known.heights.contains(float(each)) for each in heights]]
    if stack.down:
        heights = heights[::-1]
    if len(heights):
        before = float(heights[0]) + (known.take_up_um if stack.down else -known.take_up_um)
        yield GoTo(Point(place.x_um, place.y_um, known.heights.nearest(before).z_um))
    samples = []
    for z_um in heights:
        at: Point = yield GoTo(Point(place.x_um, place.y_um, float(z_um)))
        samples.append(Sample(at.z_um, contrast_of((yield Take()), known.um_per_px)))
    return measure_focus_depth(samples[::-1] if stack.down else samples)


def _play(known: Known, place: Point, first: FocusDepth, pairs: int) -> Routine[Measured]:
    """Step through focus from below and from above in turn."""
    yield Tell("Stepping through it from above, and from below again.")
    lower = place.z_um - REACH_UM - known.take_up_um
    from_above = [(yield from _stack(known, place, Stack(lower, place.z_um + REACH_UM, down=True))).peak]
    from_below = [first.peak]
    near = min(REACH_UM, max(NEAR_DEPTHS * first.depth.value, 6 * STEP_UM))
    for _ in range(pairs - 1):
        for down, found in ((False, from_below), (True, from_above)):
            middle = found[0].value
            stack = Stack(middle - near, middle + near, down)
            found.append((yield from _stack(known, place, stack)).peak)
    return measure_z_backlash(from_below, from_above).um


def _tilt(known: Known, place: Point) -> Routine[tuple[Measured, Measured, str]]:
    heights: list[FocusHeight] = []
    for column, row in TILT_AT:
        if len(heights) == TILT_PLACES:
            break
        at = Point(place.x_um + column * TILT_UM[0], place.y_um + row * TILT_UM[1], place.z_um)
        yield Tell(f"Focusing at place {len(heights) + 1} of {TILT_PLACES}.")
        try:
            found = yield from focused(known, at)
        except CalibrationRefused as refusal:
            yield Tell(f"Not here: {refusal}")
            continue
        heights.append(FocusHeight(found.x_um, found.y_um, found.z_um))
    lies = measure_tilt(heights)
    return lies.x, lies.y, lies.sentence


def _lower(known: Known, place: Point) -> Point:
    return Point(place.x_um, place.y_um, known.heights.nearest(place.z_um - known.take_up_um).z_um)
