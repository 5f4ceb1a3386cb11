"""Stages on emulated boards: small ones, in accelerated time."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.mechanics import Mechanics
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES, AxisSettings, StageSettings
from firmware_bridge.stage import Stage

BOARDS: dict[str, tuple[str, dict[str, Any]]] = {
    "grbl": ("grbl", {}),
    "grblhal": ("grbl", {"hello": "GrblHAL 1.1f ['$' or '$HELP' for help]"}),
    "marlin": ("marlin", {}),
    "sangaboard": ("sangaboard", {}),
    "sangaboard-0.5": ("sangaboard", {"firmware": "0.5.1"}),
}
NO_SWITCHES = [name for name in BOARDS if name.startswith("sangaboard")]
SWITCHES = [name for name in BOARDS if name not in NO_SWITCHES]
PLAY_UM = (8.0, 6.0, 2.0)
MECHANICS = Mechanics(
    travel_um=(12_000.0, 8_000.0, 2_000.0),
    steps_per_mm=(800.0, 800.0, 4_000.0),
    speed_um_s=(20_000.0, 20_000.0, 2_000.0),
    backlash_um=PLAY_UM,
    power_on_um=(5_000.0, 3_000.0, 1_200.0),
)
FAST, CENTRE = 200.0, Point(6_000.0, 4_000.0, 1_000.0)
WITHIN_S = 10.0


def board(
    protocol: str = "grbl", *, rate: float = FAST, mechanics: Mechanics = MECHANICS, **how: Any
) -> EmulatedBoard:
    name, usual = BOARDS[protocol]
    module = importlib.import_module(f"firmware_bridge.emulated.{name}")
    made: EmulatedBoard = module.BOARD(mechanics, rate, **{**usual, **how})
    return made


def settings(of: EmulatedBoard, **changes: Any) -> StageSettings:
    """Settings that fit a board: its whole travel, its backlash, a little patience, no settling."""
    axes = {
        name: AxisSettings(
            limits_um=of.limits_um[i],
            steps_per_mm=of.mechanics.steps_per_mm[i],
            speed_um_s=of.speeds_um_s[i],
            acceleration_um_s2=of.mechanics.acceleration_um_s2[i],
            backlash_um=of.mechanics.backlash_um[i],
        )
        for i, name in enumerate("xyz")
    }
    usual = StageSettings(
        of.address,
        **axes,
        settle_s=0.0,
        light_settle_s=0.0,
        quiet_s=0.02,
        reply_within_s=0.6,
        move_slack_s=1.0,
        home_within_s=5.0,
    )
    for name in AXES:  # None: an axis whose backlash is not taken up
        if name in changes and changes[name] is None:
            changes[name] = dataclasses.replace(axes[name], backlash_um=0.0)
    return dataclasses.replace(usual, **changes)


@contextlib.contextmanager
def stage_on(of: EmulatedBoard, *, home: bool = True, **changes: Any) -> Iterator[Stage]:
    """A stage on a board; both are closed at the end."""
    with of, open_stage(settings(of, **changes)) as stage:
        if home:
            stage.home()
        yield stage


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


class Beside:
    """A call in a thread of its own, and how it ended."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - kept for whoever asks how it ended
            self.error = error

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def ended(self) -> BaseException | None:
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive(), "the call never ended"
        return self.error


def apart(a: Point, b: Point) -> float:
    """The largest distance along an axis."""
    return max(abs(a[name] - b[name]) for name in "xyz")
