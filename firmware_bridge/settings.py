"""What a stage is told about itself: its port, its axes, its limits and how it is approached."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_bridge.errors import StageRefused

AXES = ("x", "y", "z")


@dataclass(frozen=True, slots=True)
class AxisSettings:
    """One axis of a stage.

    limits_um: the soft limits, low and high, in stage coordinates (0 is the low end of the travel of a stage that
        homes; the reference that a person set of one that does not). None: the axis is never moved.
    steps_per_mm: what the controller must have; None takes the controller's word.
    speed_um_s, acceleration_um_s2: of moves. The controller's own limits must allow the speed.
    backlash_um: what is taken up before a position counts as reached; 0 for none.
    approach: the side from which positions are approached: +1 upwards, -1 downwards.
    Raises StageRefused for values that make no sense.
    """

    limits_um: tuple[float, float] | None = None
    steps_per_mm: float | None = None
    speed_um_s: float = 20_000.0
    acceleration_um_s2: float = 500_000.0
    backlash_um: float = 0.0
    approach: int = 1

    def __post_init__(self) -> None:
        limits = self.limits_um
        if limits is not None and not (all(map(math.isfinite, limits)) and limits[0] < limits[1]):
            raise StageRefused(f"Soft limits are low and high, in µm; {limits} are not. Correct them.")
        for name in ("steps_per_mm", "speed_um_s", "acceleration_um_s2"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise StageRefused(f"{name} is {value}; it must be more than 0. Correct it.")
        if not (math.isfinite(self.backlash_um) and self.backlash_um >= 0):
            raise StageRefused(f"backlash_um is {self.backlash_um}; it must be 0 or more. Correct it.")
        if self.approach not in (-1, 1):
            raise StageRefused(f"approach is {self.approach}; it must be 1 (upwards) or -1. Correct it.")


def parse_axis(text: str, usual: AxisSettings | None = None) -> AxisSettings:
    """Return the settings of an axis from "LOW:HIGH", in µm, and what else differs from the usual.

    As in "0:60000,steps_per_mm=800,backlash_um=8,approach=-1". Raises StageRefused.
    """
    limits, *others = text.split(",")
    try:
        low, high = (float(end) for end in limits.split(":"))
        changes: dict[str, Any] = {"limits_um": (low, high)}
        for other in others:
            name, value = other.split("=")
            _refuse_unknown(name.strip())
            changes[name.strip()] = int(value) if name.strip() == "approach" else float(value)
        return dataclasses.replace(usual or AxisSettings(), **changes)
    except StageRefused:
        raise
    except (ValueError, TypeError) as error:
        raise StageRefused(
            f'An axis is LOW:HIGH in µm, then name=value, as in 0:60000,backlash_um=8; "{text}" is not. Correct it.'
        ) from error


def _refuse_unknown(name: str) -> None:
    known = [field.name for field in dataclasses.fields(AxisSettings) if field.name != "limits_um"]
    if name not in known:
        raise StageRefused(f'An axis has no "{name}". There are: {", ".join(known)}.')


def _baud_rate(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= 300):
        raise StageRefused(f'A baud rate is a number from 300 on, as in 250000; "{text}" is not. Correct it.')
    return int(text)


@dataclass(frozen=True, slots=True)
class StageSettings:
    """A stage and the line to it.

    port: "PROTOCOL:PORT", where PORT is anything that pyserial's `serial_for_url` opens: "grbl:/dev/ttyUSB0",
        "marlin:/dev/serial/by-id/…", "sangaboard:socket://scope:7777".
    baud_rate: None takes the protocol's usual one.
    settle_s: how long the stage shakes after a move.  light_settle_s: how long the light takes to be steady.
    start_within_s: how long a controller may take to greet, that was restarted by opening its port.
    reply_within_s: how long it may take to answer.
    quiet_s: how long nothing may come, after a reset, until everything has been said.
    move_slack_s: how much longer than computed a move may take.  home_within_s: how long homing may take.
    stop_within_s: how long a stop may take.
    Raises StageRefused for values that make no sense.
    """

    port: str
    x: AxisSettings = AxisSettings()
    y: AxisSettings = AxisSettings()
    z: AxisSettings = AxisSettings(speed_um_s=2_000.0, acceleration_um_s2=50_000.0)
    baud_rate: int | None = None
    settle_s: float = 0.12
    light_settle_s: float = 0.05
    start_within_s: float = 8.0
    reply_within_s: float = 1.0
    quiet_s: float = 0.05
    move_slack_s: float = 5.0
    home_within_s: float = 120.0
    stop_within_s: float = 5.0

    def __post_init__(self) -> None:
        protocol, _, url = self.port.partition(":")
        if not protocol.isidentifier() or not url:
            raise StageRefused(
                f'The stage\'s port is "PROTOCOL:PORT", as in grbl:/dev/ttyUSB0; "{self.port}" is not. Correct it.'
            )
        for name in (field.name for field in dataclasses.fields(self) if field.name.endswith("_s")):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise StageRefused(f"{name} is {value}; it must be 0 or more. Correct it.")

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> StageSettings:
        """Return the settings that HEMADIFF_STAGE (the port), HEMADIFF_STAGE_X, _Y, _Z (axes) and _BAUD give.

        Raises StageRefused for a port, a baud rate or an axis that cannot be read (`parse_axis`).
        """
        usual = cls(env.get("HEMADIFF_STAGE", ""), baud_rate=_baud_rate(env.get("HEMADIFF_STAGE_BAUD")))
        said = {name: env.get(f"HEMADIFF_STAGE_{name.upper()}") for name in AXES}
        x, y, z = (
            parse_axis(text, usual.axis(name)) if text else usual.axis(name) for name, text in said.items()
        )
        return dataclasses.replace(usual, x=x, y=y, z=z)

    @property
    def protocol(self) -> str:
        """The protocol's name: "grbl"."""
        return self.port.partition(":")[0]

    @property
    def url(self) -> str:
        """The port without the protocol: "/dev/ttyUSB0"."""
        return self.port.partition(":")[2]

    def axis(self, name: str) -> AxisSettings:
        """The settings of axis "x", "y" or "z"."""
        return {"x": self.x, "y": self.y, "z": self.z}[name]
