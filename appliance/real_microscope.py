"""The microscope of the settings: its stage on a port, its cameras behind the freshness gate."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from appliance.cameras.camera import CameraSetting
from appliance.cameras.freshness import FreshCamera, FreshnessLimits
from appliance.cameras.open_driver import DriverOptions, open_driver, parse_sensor
from appliance.counting_scale import microscope_scale, recorded, setup_in_use, stated_calibration
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.microscope import Area, Eye, Microscope
from appliance.overview import overview_places
from appliance.picture_axes import axes_of
from appliance.safe_height import HeightLimits
from calibration import Scale
from calibration.setup import Setup
from firmware_bridge.connect import open_stage
from firmware_bridge.errors import BridgeError, StageRefused
from firmware_bridge.motion import refuse_outside
from firmware_bridge.point import Point
from firmware_bridge.settings import AxisSettings, StageSettings
from firmware_bridge.stage import Stage

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.config_microscope import AxisSection, OverviewSection, SensorSection, StageSection
    from appliance.plan import Plan

BY_HAND = (
    "has no end switches and cannot find its reference by itself. Put it there by hand, then start with "
    "hemadiff count --at-reference, or go on with hemadiff count --resume RUN --at-reference."
)
_T = TypeVar("_T")


def open_microscope(config: Config, plan: Plan) -> Microscope:
    """Open the stage and the cameras of the settings; nothing moves.

    Raises ApplianceRefused where a setting is missing or does not fit, ApplianceError where something does not answer,
    and CalibrationRefused where no calibration is in force for this setup, or the one that is named belongs to another.
    """
    stated = stated_calibration(plan, config)

    def counting(eye: Eye) -> Eye:
        if stated is not None:
            stated.check_frame(eye.setting.width_px, eye.setting.height_px)
        return replace(eye, axes=axes_of(recorded(config, eye.scale)))

    settings = stage_settings(config.stage)
    scale_of = partial(microscope_scale, plan, stated, config)
    return _opened(config, settings, scale_of, counting, None, bool(plan.at_reference))


def open_to_calibrate(
    config: Config, scale_of: Callable[[Setup], Scale], limits: FreshnessLimits, at_reference: bool
) -> Microscope:
    """Open them to be calibrated: no backlash is made up for, and no picture is turned.

    scale_of: what is believed of a setup's scale.  limits: of what its pictures must be like.
    Raises as `open_microscope` does.
    """
    settings = stage_settings(config.stage)
    x, y, z = (replace(axis, backlash_um=0.0) for axis in (settings.x, settings.y, settings.z))
    settings = replace(settings, x=x, y=y, z=z)
    return _opened(
        config,
        settings,
        lambda camera: scale_of(setup_in_use(config, camera)),
        lambda eye: eye,
        limits,
        at_reference,
    )


def _opened(
    config: Config,
    settings: StageSettings,
    scale_of: Callable[[str], Scale],
    as_used: Callable[[Eye], Eye],
    limits: FreshnessLimits | None,
    at_reference: bool,
) -> Microscope:
    scope, source = config.microscope, config.camera.source
    if source is None:
        raise ApplianceRefused("No camera is set. Give [camera] source in the settings, as in picamera2.")
    left_um, right_um = _both(scope.area_x_um, "[microscope] area_x_um")
    top_um, bottom_um = _both(scope.area_y_um, "[microscope] area_y_um")
    area = Area(left_um, top_um, right_um, bottom_um)
    heights = HeightLimits(*_both(scope.heights_um, "[microscope] heights_um"))
    expected = _said(scope.focus_um, "[microscope] focus_um")
    with contextlib.ExitStack() as stack:
        counting = _eye(source, config.camera, scale_of, "[camera]", limits=limits)
        stack.callback(counting.camera.close)
        counting = as_used(counting)
        overview = _overview(config.microscope.overview)
        if overview is not None:
            stack.callback(overview.camera.close)
        try:
            stage = open_stage(settings)
        except StageRefused as refused:
            raise ApplianceRefused(str(refused)) from refused
        except BridgeError as error:
            raise ApplianceError(f"The stage does not answer: {error}") from error
        stack.callback(stage.close)
        if not stage.HAS_SWITCHES and not at_reference:
            raise ApplianceRefused(f"The stage {stage.name} {BY_HAND}")
        if stage.HAS_SWITCHES and at_reference:
            raise ApplianceRefused(
                f"The stage {stage.name} finds its reference by itself. Leave --at-reference out."
            )
        microscope = Microscope(
            stage,
            counting,
            overview,
            area,
            heights,
            expected,
            scope.light,
            focus_within_um=scope.focus_within_um,
            strobe=scope.strobe,
        )
        _refuse_out_of_reach(stage, microscope)
        stack.pop_all()
    return microscope


def stage_settings(section: StageSection) -> StageSettings:
    """Return the stage that the settings describe. Raises ApplianceRefused where they make no sense."""
    try:
        return StageSettings(
            _said(section.port, "[stage] port"),
            x=_axis(section.x, AxisSettings()),
            y=_axis(section.y, AxisSettings()),
            z=_axis(section.z, StageSettings("none:none").z),
            baud_rate=section.baud_rate,
            settle_s=section.settle_s,
            light_settle_s=section.light_settle_s,
        )
    except StageRefused as refused:
        raise ApplianceRefused(f"[stage]: {refused}") from refused


def _refuse_out_of_reach(stage: Stage, microscope: Microscope) -> None:
    """Say before anything moves that the stage cannot go wherever smears may lie."""
    area, overview = microscope.area, microscope.overview
    places = {
        "area_x_um and area_y_um": [
            Point(area.left_um, area.top_um),
            Point(area.right_um, area.bottom_um),
        ]
    }
    if overview is not None:
        x_um, y_um = overview.aside_um
        seen = overview_places(area, overview)
        places["aside_um of the overview camera"] = [Point(p.x_um - x_um, p.y_um - y_um) for p in seen]
    anywhere = Point(math.inf, math.inf, math.inf)
    for key, ends in places.items():
        for place in ends:
            try:
                refuse_outside(
                    stage.settings,
                    stage.controller.steps_um,
                    anywhere,
                    Point(place.x_um, place.y_um, microscope.expected_um),
                )
            except StageRefused as refused:
                raise ApplianceRefused(
                    f"The stage cannot go where [microscope] {key} ask it to. {refused}"
                ) from refused


def _axis(section: AxisSection, usual: AxisSettings) -> AxisSettings:
    return AxisSettings(
        limits_um=section.limits_um,
        steps_per_mm=section.steps_per_mm,
        speed_um_s=section.speed_um_s or usual.speed_um_s,
        acceleration_um_s2=section.acceleration_um_s2 or usual.acceleration_um_s2,
        backlash_um=section.backlash_um,
        approach=section.approach,
    )


def _eye(
    source: str,
    section: SensorSection,
    scale_of: Callable[[str], Scale],
    where: str,
    aside_um: tuple[float, float] = (0.0, 0.0),
    limits: FreshnessLimits | None = None,
) -> Eye:
    setting = CameraSetting(
        _said(section.width_px, f"{where} width_px"),
        _said(section.height_px, f"{where} height_px"),
        _said(section.exposure_us, f"{where} exposure_us"),
        section.gain,
        section.colour_gains,
    )
    options = DriverOptions(section.key, section.pixel_format, section.white_balance_k, section.held_frames)
    # A slide's own edge is as sharp as a seam from far away.
    limits = FreshnessLimits(seam=None) if where == "[microscope.overview]" else limits
    camera = FreshCamera(open_driver(parse_sensor(source), options), limits)
    try:
        return Eye(camera, setting, scale_of(camera.name), aside_um)
    except BaseException:
        camera.close()
        raise


def _overview(section: OverviewSection) -> Eye | None:
    if section.source is None:
        return None
    where = "[microscope.overview]"
    scale = Scale.stated(_said(section.um_per_px, f"{where} um_per_px"), "settings, overview")
    return _eye(section.source, section, lambda _: scale, where, section.aside_um)


def _said(value: _T | None, where: str) -> _T:
    if value is None:
        raise ApplianceRefused(f"The microscope needs {where} in the settings.")
    return value


def _both(value: tuple[float, float] | None, where: str) -> tuple[float, float]:
    return _said(value, where)
