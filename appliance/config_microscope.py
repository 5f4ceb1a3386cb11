"""The settings of a real microscope: its stage, what stands where on it, and its overview camera."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from appliance.cameras.open_driver import parse_sensor
from appliance.config_section import Section, WholePath


def _sensor(text: str) -> str:
    parse_sensor(text)
    return text


def _ascending(values: tuple[float, float]) -> tuple[float, float]:
    if not (values[0] < values[1] and all(map(math.isfinite, values))):
        raise ValueError("limits are [low, high]")
    return values


SensorText = Annotated[str, AfterValidator(_sensor)]
Limits = Annotated[tuple[float, float], AfterValidator(_ascending)]
Gains = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class SensorSection(Section):
    """How a sensor is locked. None where a sensor has to be told, and is not yet.

    binning: sensor pixels to a side of one pixel of a frame.  colour_gains: red and blue.  key: of a remote camera.
    pixel_format, white_balance_k, held_frames: of a USB camera.
    """

    width_px: int | None = Field(default=None, ge=16)
    height_px: int | None = Field(default=None, ge=16)
    binning: int = Field(default=1, ge=1, le=16)
    exposure_us: int | None = Field(default=None, ge=1)
    gain: float = Field(default=1.0, gt=0)
    colour_gains: Gains | None = None
    key: WholePath | None = None
    pixel_format: Literal["YUYV", "MJPG"] = "YUYV"
    white_balance_k: int | None = Field(default=None, ge=1000, le=20000)
    held_frames: int = Field(default=2, ge=0, le=20)


class OverviewSection(SensorSection):
    """A camera that sees much of the slide at once. aside_um: where it looks, from the objective's axis, x and y."""

    source: SensorText | None = None
    um_per_px: float | None = Field(default=None, ge=0.5, le=20.0)
    aside_um: tuple[float, float] = (0.0, 0.0)


class AxisSection(Section):
    """An axis of the stage; as in `firmware_bridge.settings.AxisSettings`."""

    limits_um: Limits | None = None
    steps_per_mm: float | None = Field(default=None, gt=0)
    speed_um_s: float | None = Field(default=None, gt=0)
    acceleration_um_s2: float | None = Field(default=None, gt=0)
    backlash_um: float = Field(default=0.0, ge=0)
    approach: Literal[1, -1] = 1


class StageSection(Section):
    """The stage. port: "grbl:/dev/ttyUSB0".  Times in seconds; as in `firmware_bridge.settings.StageSettings`."""

    port: str | None = None
    x: AxisSection = AxisSection()
    y: AxisSection = AxisSection()
    z: AxisSection = AxisSection()
    baud_rate: int | None = Field(default=None, ge=300)
    settle_s: float = Field(default=0.12, ge=0, le=10)
    light_settle_s: float = Field(default=0.05, ge=0, le=10)


class MicroscopeSection(Section):
    """What stands where on the stage, in its coordinates (µm).

    objective: the one that counts, as its calibrations name it.
    area_x_um, area_y_um: where smears may lie, low and high.  heights_um: the lowest and the highest at which neither
    slide nor objective comes to harm.  focus_um: about where focus is; focus_within_um: how far from there it may be,
    at the first place (slides differ in thickness).  light: the lamp, 0 to 1; none leaves it.
    strobe: whether it is lit for pictures only.
    """

    objective: Annotated[str, Field(min_length=1)] | None = None
    area_x_um: Limits | None = None
    area_y_um: Limits | None = None
    heights_um: Limits | None = None
    focus_um: float | None = None
    focus_within_um: float = Field(default=16.0, ge=4, le=200)
    light: float | None = Field(default=None, ge=0, le=1)
    strobe: bool = False
    overview: OverviewSection = OverviewSection()
