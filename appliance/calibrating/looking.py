"""Light, focus, and something to look at: what comes before every measurement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from appliance.autofocus import Focus, Search, refine_focus, search_focus
from appliance.calibrating.steps import Expose, GoTo, Known, Routine, Take, Tell, seen_at
from appliance.cameras.camera import Exposure
from appliance.errors import ApplianceRefused
from calibration.contrast import contrast
from calibration.errors import CalibrationRefused
from calibration.grid import shows_grid
from firmware_bridge.point import Point

TOO_BRIGHT, SATURATED_SHARE = 254, 0.01
TOO_DARK = 110  # of 255, of the brightest: darker, and noise is a large part of what is seen
TRIES = 9
SHORTEST_US, LONGEST_US = 20, 2_000_000
SOUGHT_WITHIN_UM = 300.0
DARKER = 0.93  # of the brightest place's light: something lies here


def lit(known: Known) -> Routine[Known]:
    """Expose so that nothing is cut off and little is lost in noise; return what is known with that exposure."""
    yield Expose(known.setting)
    yield GoTo(known.start)
    for _ in range(TRIES):
        exposure: Exposure = yield Take()
        now = known.setting.exposure_us
        if _saturated(exposure.pixels):
            after, said = now / 2, "Too bright: halve the exposure"
        elif (bright := float(np.percentile(exposure.pixels[::4, ::4], 99))) < TOO_DARK:
            after, said = now * min(4.0, 200 / max(bright, 1.0)), "Too dark: expose for longer"
        else:
            return known
        if not SHORTEST_US <= after <= LONGEST_US:
            break
        longer_or_shorter = replace(known.setting, exposure_us=round(after))
        try:
            yield Expose(longer_or_shorter)
        except ApplianceRefused as refusal:
            yield Tell(str(refusal))
            break
        known = replace(known, setting=longer_or_shorter)
        yield Tell(f"{said}. It is set to {round(after)} µs.")
    raise CalibrationRefused(
        "No exposure gives a usable picture: it stays too bright or too dark. See to the lamp, the "
        "diaphragm and the shutter."
    )


def focused(known: Known, place: Point) -> Routine[Point]:
    """Find focus at a place; return it at that height, where the stage then stands.

    Raises CalibrationRefused where there is none.
    """
    search = Search(reach_um=max(Search().reach_um, known.focus_within_um), take_up_um=known.take_up_um)
    looks = (refine_focus if known.in_focus else search_focus)(place.z_um, known.heights, search)
    look = next(looks)
    while True:
        for height in (look.via, look.height):
            if height is not None:
                yield GoTo(Point(place.x_um, place.y_um, height.z_um))
        exposure: Exposure = yield Take()
        try:
            look = looks.send(contrast_of(exposure, known.um_per_px))
        except StopIteration as end:
            outcome = end.value
            break
    if not isinstance(outcome, Focus):
        raise CalibrationRefused(
            f"{outcome.detail} Is the slide that was asked for on the stage, and not the ruler or the blank one? Else "
            "bring it into focus by hand (hemadiff stage jog) and give its height as [microscope] focus_um."
        )
    return Point(place.x_um, place.y_um, outcome.z_um)


def contrast_of(exposure: Exposure, um_per_px: float) -> float:
    """Return the contrast of a picture. Raises CalibrationRefused for one without any light."""
    if not exposure.pixels.any():
        raise CalibrationRefused("The picture is black. See to the lamp, the diaphragm and the shutter.")
    return contrast(exposure.pixels, um_per_px)


def sought(known: Known, what: str) -> Routine[Point]:
    """Find where something dark lies on clear glass, up and down and then to both sides of the start.

    what: as a sentence names it.  Raises CalibrationRefused where all is alike: glass, or a grid.
    """
    yield Tell(f"Looking for {what}.")
    step = 0.7 * known.field_um
    light: dict[Point, float] = {}
    grids = 0
    for place in _cross(known, step):
        pixels = (yield from seen_at(place)).pixels
        grids += shows_grid(pixels)
        light[place] = float(pixels[::4, ::4, 1].mean())
        darkest = min(light, key=light.__getitem__)
        if light[darkest] < DARKER * max(light.values()):
            break
    else:
        if 2 * grids > len(light):
            raise CalibrationRefused(
                "Lines in two directions are everywhere, as a grid has: measure it as one, --grid with its pitch "
                "(--ruler-pitch-um), or put the ruler on."
            )
        raise CalibrationRefused(
            f"There is no {what.removeprefix('the ')} within {SOUGHT_WITHIN_UM:.0f} µm of x {known.start.x_um:.0f}, y "
            f"{known.start.y_um:.0f} µm. Bring it into view (hemadiff stage jog) and say where the stage "
            f"stands then: --at X,Y."
        )
    for dx, dy in ((0, 0.5), (0, -0.5), (0.5, 0), (-0.5, 0)):
        near = Point(darkest.x_um + dx * step, darkest.y_um + dy * step, darkest.z_um)
        light[near] = float((yield from seen_at(near)).pixels[::4, ::4, 1].mean())
    return min(light, key=light.__getitem__)


def _cross(known: Known, step: float) -> Iterator[Point]:
    yield known.start
    for n in range(1, int(SOUGHT_WITHIN_UM / step) + 2):
        yield from (known.at(0, n * step), known.at(0, -n * step))
    for n in range(1, int(SOUGHT_WITHIN_UM / step) + 2):
        yield from (known.at(n * step, 0), known.at(-n * step, 0))


def _saturated(pixels: NDArray[np.uint8]) -> bool:
    few = pixels[::4, ::4].reshape(-1, 3)
    return bool((np.mean(few >= TOO_BRIGHT, axis=0) > SATURATED_SHARE).any())
