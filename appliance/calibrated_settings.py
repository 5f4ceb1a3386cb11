"""Whether a count uses the light and the backlash that its calibration was measured with, and the calibration at all.

A calibration's flat field and white balance hold for one exposure and one pair of gains, and only the settings say how
much backlash is made up for: nothing else of a count would show that they are not those of the calibration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.camera_source import MICROSCOPE, SimulatedSource, parse_camera
from appliance.counting_scale import measured_in_force
from calibration.record import CalibrationRecord

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.plan import Plan

LIGHT_OFF = 0.02  # as a share
BACKLASH_SHORT_UM = 0.5


def marks_of_settings(config: Config, plan: Plan, record: CalibrationRecord | None) -> tuple[str, ...]:
    """Return a sentence for every setting that is not the calibration's, with the line to write.

    record: of the scale that is counted under; None where that is stated, which is itself worth a sentence where a
    calibration is in force. Images have no settings that were in use when they were taken.
    """
    if plan.camera != MICROSCOPE and not isinstance(parse_camera(plan.camera), SimulatedSource):
        return ()
    if record is not None:
        return (*_of_light(config, plan, record), *_of_backlash(config, record))
    found = measured_in_force(config) if plan.camera == MICROSCOPE else None
    if found is None:
        return ()
    where = (
        "[camera] um_per_px and calibration out of the settings"
        if plan.um_per_px_source != "command line"
        else "--um-per-px out"
    )
    return (f"The scale is stated, although the calibration {found} is in force: leave {where}.",)


def _of_light(config: Config, plan: Plan, record: CalibrationRecord) -> Iterator[str]:
    exposure = record.values.get("exposure_us")
    used_us = _exposure_us(config, plan)
    if exposure is not None and used_us is not None and _far(used_us, exposure.value):
        yield (
            f"The camera exposes for {used_us} µs, and {record.id} was measured with {exposure.value:.0f}: write "
            f"[camera] exposure_us = {exposure.value:.0f}, or calibrate anew."
        )
    red, blue = record.values.get("red_gain"), record.values.get("blue_gain")
    if red is None or blue is None:
        return
    used = config.camera.colour_gains or (1.0, 1.0)
    if _far(used[0], red.value) or _far(used[1], blue.value):
        yield (
            f"The colour gains are {used[0]:g} and {used[1]:g}, and {record.id} was measured with {red.value:.3f} and "
            f"{blue.value:.3f}: write [camera] colour_gains = [{red.value:.3f}, {blue.value:.3f}], or calibrate anew."
        )


def _of_backlash(config: Config, record: CalibrationRecord) -> Iterator[str]:
    for name, axis in (("x", config.stage.x), ("y", config.stage.y)):
        measured = record.values.get(f"backlash_{name}_um")
        if measured is not None and measured.value - axis.backlash_um > BACKLASH_SHORT_UM:
            yield (
                f"Of {name}'s backlash {axis.backlash_um:g} µm are made up for, and {record.id} measured {measured}: "
                f"write [stage.{name}] backlash_um = {math.ceil(measured.interval[1])}."
            )


def _exposure_us(config: Config, plan: Plan) -> int | None:
    if config.camera.exposure_us is not None or plan.camera == MICROSCOPE:
        return config.camera.exposure_us
    from appliance.simulator.instrument import SETTING

    return SETTING.exposure_us


def _far(used: float, measured: float) -> bool:
    return abs(used - measured) > LIGHT_OFF * abs(measured)
