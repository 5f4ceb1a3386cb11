"""Whatever goes wrong, wherever: a known position is a true one, and homing brings the stage back."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest
from builders_stage import BOARDS, Beside, apart, board, settings, until

from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.faults import Fault, Kind
from firmware_bridge.errors import BridgeError, PositionLost, Recoverable, StageRefused
from firmware_bridge.orders import NEVER_NS
from firmware_bridge.point import Point
from firmware_bridge.stage import Stage

IMPATIENT = {
    "reply_within_s": 0.4,
    "start_within_s": 1.2,
    "move_slack_s": 0.3,
    "home_within_s": 0.9,
    "stop_within_s": 0.6,
}
A_STEP_UM = 2.6
SIDE_BY_SIDE = 24


def target_of(of: EmulatedBoard) -> Point:
    return Point(*(low + 0.6 * (high - low) for low, high in of.limits_um))


def offset_of(of: EmulatedBoard, stage: Stage) -> Point:
    """The fixed offset between the board's true coordinates and the stage's, both backlashes taken up."""
    here, true = stage.move_to(target_of(of)), of.true_position()
    return Point(true.x_um - here.x_um, true.y_um - here.y_um, true.z_um - here.z_um)


def move(of: EmulatedBoard, stage: Stage) -> None:
    stage.move_to(Point(*(low + 0.4 * (high - low) for low, high in of.limits_um)))


def stop(of: EmulatedBoard, stage: Stage) -> None:
    of.rate = 2.0
    moving = Beside(lambda: move(of, stage))
    try:
        until(lambda: stage.settled_since_ns == NEVER_NS or moving.over)
        stage.stop()
    finally:
        of.rate = 200.0
        error = moving.ended()
    if error is not None:
        raise error


HOOKS: dict[str, Callable[[EmulatedBoard, Stage], object]] = {
    "home": lambda _, stage: stage.home(),
    "move": move,
    "light": lambda _, stage: stage.set_light(0.5),
    "position": lambda _, stage: stage.position(),
    "stop": stop,
}


def opened(of: EmulatedBoard) -> Stage:
    """An impatient stage, on a machine that may be busy."""
    while True:
        with contextlib.suppress(BridgeError):
            return open_stage(settings(of, **IMPATIENT))


def one_run(name: str, hook: str, kind: Kind, after: int) -> str | None:
    """Let one thing go wrong; return what then was not as promised."""
    with board(name) as of, opened(of) as stage:
        until(lambda: recovered(of, stage))
        offset = offset_of(of, stage)
        of.schedule(Fault(kind, after=after, by_s=0.4))
        try:
            HOOKS[hook](of, stage)
        except (Recoverable, PositionLost, StageRefused):
            pass
        except BaseException as error:  # noqa: BLE001 - any other is a finding
            return f"{hook}, {kind} {after}: {type(error).__name__}: {error}"
        of.faults.clear()
        taken_anew = hook == "home" and not stage.HAS_SWITCHES  # its reference is now where it stands
        if not taken_anew and (wrong := believed_wrongly(of, stage, offset)):
            return f"{hook}, {kind} {after}: {wrong}"
        until(lambda: recovered(of, stage))
    return None


def believed_wrongly(of: EmulatedBoard, stage: Stage, offset: Point) -> str | None:
    """Return what is wrong where the stage says that it knows its position, and is elsewhere."""
    try:
        here = stage.position()
    except BridgeError:
        return None
    try:
        here = stage.move_by(dx_um=50.0, dy_um=50.0, dz_um=50.0)  # so that the backlash is taken up
    except BridgeError:
        return None
    true = of.true_position()
    believed = Point(here.x_um + offset.x_um, here.y_um + offset.y_um, here.z_um + offset.z_um)
    return f"it believes {believed} and is at {true}" if apart(true, believed) > A_STEP_UM else None


def recovered(of: EmulatedBoard, stage: Stage) -> bool:
    """Whether homing and a move succeed; if not, a person plugs the board in, or switches it off and on."""
    try:
        stage.home()
        return apart(stage.move_to(target_of(of)), target_of(of)) < A_STEP_UM
    except BridgeError:
        of.restart() if of.plugged_in else of.plug_in()
        return False


@pytest.mark.parametrize("name", [name for name in BOARDS if name != "grblhal"])
def test_after_any_fault_at_any_hook_a_known_position_is_true_and_homing_recovers(name: str) -> None:
    cases = list(itertools.product(HOOKS, get_args(Kind), (0, 1)))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = [what for what in pool.map(lambda case: one_run(name, *case), cases) if what]
    assert found == []
