"""Stopping and closing a stage: what moves comes to a stand, what waits never begins, what is known stays true."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from builders_stage import CENTRE, SWITCHES, WITHIN_S, Beside, apart, board, stage_on, until

from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.errors import PositionLost, Stopped
from firmware_bridge.orders import NEVER_NS
from firmware_bridge.point import Point
from firmware_bridge.stage import Stage


def stop_a_move(of: EmulatedBoard, stage: Stage) -> BaseException | None:
    """Start a long move, stop it under way, return how its call ended."""
    stage.move_to(CENTRE)
    of.rate = 0.5
    move = Beside(lambda: stage.move_to(Point(11_000.0, CENTRE.y_um, CENTRE.z_um)))
    until(lambda: stage.settled_since_ns == NEVER_NS)
    threading.Event().wait(0.05)
    stage.stop()
    error = move.ended()
    of.rate = 200.0
    return error


def test_settling_is_waited_for_after_a_stop_too() -> None:
    of = board()
    with stage_on(of, settle_s=0.05) as stage:
        stop_a_move(of, stage)
        assert of.true_position(stage.settled_since_ns - 50_000_000) == of.true_position()


def test_light_that_a_stop_switched_off_is_steady_before_anything_counts_as_settled() -> None:
    of = board()
    with stage_on(of, light_settle_s=0.05) as stage:
        stage.set_light(0.7)
        stop_a_move(of, stage)
        assert of.light_at(stage.settled_since_ns - 50_000_000) == pytest.approx(0.7)


def test_the_light_is_as_before_after_a_stop_and_after_homing() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.set_light(0.7)
        stop_a_move(of, stage)
        assert of.light_at() == pytest.approx(0.7)
        stage.home()
        assert of.light_at() == pytest.approx(0.7)


@pytest.mark.parametrize("name", ["grbl", "grblhal"])
def test_a_stopped_stage_knows_where_it_truly_is(name: str) -> None:
    of = board(name)
    with stage_on(of) as stage:
        assert isinstance(stop_a_move(of, stage), Stopped)
        assert apart(stage.position(), of.true_position()) < 2.5
        assert CENTRE.x_um < stage.position().x_um < 11_000.0


def test_a_stop_is_waited_for_only_once_its_halt_was_sent() -> None:
    of = board()
    with stage_on(of) as stage:
        asked_before_the_halt: list[str] = []
        halt = stage._halt

        def slow_halt() -> None:
            before = len(of.heard)
            threading.Event().wait(0.1)
            asked_before_the_halt.extend(of.heard[before:])
            halt()

        stage._halt = slow_halt  # type: ignore[method-assign]
        assert isinstance(stop_a_move(of, stage), Stopped)
        assert len(asked_before_the_halt) <= 1  # a question that was under way


def test_a_marlin_that_was_stopped_has_lost_its_position() -> None:
    of = board("marlin")
    with stage_on(of) as stage:
        assert isinstance(stop_a_move(of, stage), PositionLost)
        assert not stage.position_known
        stage.home()
        assert stage.move_to(CENTRE) == CENTRE


@pytest.mark.parametrize("name", SWITCHES)
def test_homing_can_be_stopped_and_done_again(name: str) -> None:
    of = board(name)
    with stage_on(of, home=False, home_within_s=60.0) as stage:
        of.rate = 0.2
        homing = Beside(stage.home)
        until(lambda: any(order in ("$H",) or "G28" in order for order in of.heard))
        stage.stop()
        assert isinstance(homing.ended(), PositionLost)
        of.rate = 200.0
        if name == "marlin":  # the motors were halted while it looked for a switch
            of.restart()
        stage.home()
        assert stage.position_known


def test_an_interrupted_program_leaves_nothing_moving(monkeypatch: pytest.MonkeyPatch) -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        of.rate = 0.5
        monkeypatch.setattr(stage, "_look", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            stage.move_by(dx_um=4_000.0)
        monkeypatch.undo()
        assert not stage.position_known
        until(lambda: of.heard[-1] == "\x18")


def test_closing_a_stage_ends_its_move() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        of.rate = 0.5
        move = Beside(lambda: stage.move_by(dx_um=4_000.0))
        until(lambda: stage.settled_since_ns == NEVER_NS)
        stage.close()
        assert move.ended() is not None


def test_orders_that_wait_when_a_stage_is_closed_never_begin() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        of.rate = 0.5
        first = Beside(lambda: stage.move_by(dx_um=4_000.0))
        until(lambda: stage.settled_since_ns == NEVER_NS)
        waiting = [Beside(stage.home), Beside(lambda: stage.move_to(CENTRE))]
        stage.close()
        heard = list(of.heard)
        assert first.ended() is not None
        assert all(isinstance(one.ended(), PositionLost) for one in waiting)
        assert of.heard == heard


def test_a_closed_stage_is_not_opened_again_by_homing() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.close()
        with pytest.raises(PositionLost, match=r"was closed\. Open it again"):
            stage.home()


def test_a_stop_that_nothing_confirms_is_no_stop() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.settings = dataclasses.replace(stage.settings, stop_within_s=0.0, start_within_s=0.05)
        looked, go_on = threading.Event(), threading.Event()
        look = stage._look

        def hanging_look() -> tuple[bool, Point | None]:
            looked.set()
            go_on.wait(WITHIN_S)
            return look()

        stage._look = hanging_look  # type: ignore[method-assign]
        move = Beside(lambda: stage.move_to(CENTRE))
        looked.wait(WITHIN_S)
        with pytest.raises(PositionLost, match="did not stop"):
            stage.stop()
        go_on.set()
        assert move.ended() is not None
        assert not stage.position_known
