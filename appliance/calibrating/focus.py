"""Focus, guided: how deep the objective is in focus, and how the slide lies; on a smear."""

from __future__ import annotations

import numpy as np

from appliance.calibrating.looking import focused
from appliance.calibrating.stage import SMEAR, on_detail
from appliance.calibrating.steps import Finding, GoTo, Known, Lay, Routine, Take, Tell
from calibration.contrast import contrast
from calibration.errors import CalibrationRefused
from calibration.focus_checks import FocusHeight, measure_focus_depth, measure_tilt
from calibration.focus_curve import Sample
from calibration.measured import Measured
from calibration.record import Evidence
from firmware_bridge.point import Point

REACH_UM, STEP_UM, TAKE_UP_UM = 7.0, 0.5, 5.0
TILT_UM = (1200.0, 900.0)  # how far apart the places of the tilt are
MOST_DEFOCUS_UM = 2.0  # over a field map of some millimetres a plane still predicts focus


def focus(known: Known, tilt: bool = True) -> Routine[Finding]:
    """Measure depth of focus and tilt of the slide. tilt: whether to focus at nine places for that."""
    yield Lay("smear", SMEAR)
    known, place = yield from on_detail(known)
    yield Tell("Stepping through focus.")
    samples, picture = [], None
    low = place.z_um - REACH_UM
    yield GoTo(Point(place.x_um, place.y_um, known.heights.nearest(low - TAKE_UP_UM).z_um))
    for z_um in np.arange(low, place.z_um + REACH_UM + STEP_UM / 2, STEP_UM):
        at: Point = yield GoTo(Point(place.x_um, place.y_um, known.heights.nearest(float(z_um)).z_um))
        picture = (yield Take()).pixels
        samples.append(Sample(at.z_um, contrast(picture, known.um_per_px)))
    depth = measure_focus_depth(samples)
    values: dict[str, Measured] = {"focus_depth_um": depth.depth, "focus_um": depth.peak}
    said = [f"Focus is {depth.depth} deep, and lies at {depth.peak}."]
    if tilt:
        lies = yield from _tilt(known, place)
        values |= {"slide_tilt_x": lies[0], "slide_tilt_y": lies[1]}
        said.append(lies[2])
    yield GoTo(place)
    sharp = (yield Take()).pixels
    return Finding(
        (*said, "Passed."),
        values,
        evidence=[Evidence.of("focus", "Where the focus was stepped through, in focus.", sharp)],
        settings={"[microscope] focus_um": f"{depth.peak.value:.0f}"},
    )


def _tilt(known: Known, place: Point) -> Routine[tuple[Measured, Measured, str]]:
    heights: list[FocusHeight] = []
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            at = Point(place.x_um + column * TILT_UM[0], place.y_um + row * TILT_UM[1], place.z_um)
            yield Tell(f"Focusing at place {len(heights) + 1} of 9.")
            try:
                found = yield from focused(known, at)
            except CalibrationRefused as refusal:
                yield Tell(f"Not here: {refusal}")
                continue
            heights.append(FocusHeight(found.x_um, found.y_um, found.z_um))
    lies = measure_tilt(heights)
    return lies.x, lies.y, lies.sentence
