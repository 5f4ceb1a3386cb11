"""What a stage does on an emulated board, seen from outside: backlash, speeds, settling, light, refusals."""

from __future__ import annotations

import dataclasses
import re
import time

import pytest
from builders_stage import (
    BOARDS,
    CENTRE,
    NO_SWITCHES,
    PLAY_UM,
    SWITCHES,
    Beside,
    apart,
    board,
    settings,
    stage_on,
    until,
)

from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.faults import Fault
from firmware_bridge.errors import PositionLost, Recoverable, StageRefused
from firmware_bridge.point import Point


def test_a_place_approached_from_above_is_the_place_approached_from_below() -> None:
    of = board()
    with stage_on(of) as stage:
        places = []
        for dx_um in (-900.0, 900.0):
            stage.move_to(CENTRE)
            stage.move_by(dx_um=dx_um, dy_um=dx_um)
            stage.move_to(CENTRE)
            places.append(of.true_position())
        assert apart(*places) < 0.01


def test_an_axis_approached_downwards_is_the_same_from_both_sides() -> None:
    of = board()
    down = dataclasses.replace(settings(of).x, approach=-1)
    with stage_on(of, x=down) as stage:
        places = []
        for dx_um in (-900.0, 900.0):
            stage.move_to(CENTRE)
            stage.move_by(dx_um=dx_um)
            stage.move_to(CENTRE)
            places.append(of.true_position())
        assert apart(*places) < 0.01
        assert places[0].x_um == pytest.approx(CENTRE.x_um + PLAY_UM[0])


def test_the_focus_axis_is_not_touched_by_a_move_across_the_slide() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        before = of.true_position().z_um
        begun = time.monotonic_ns()
        stage.move_by(dx_um=-500.0, dy_um=-300.0)
        ended = time.monotonic_ns()
        assert {of.true_position(begun + (ended - begun) * i // 50).z_um for i in range(51)} == {before}


def test_no_axis_moves_faster_than_its_setting() -> None:
    of = board()
    slow = dataclasses.replace(settings(of).z, speed_um_s=100.0)
    with stage_on(of, z=slow) as stage:
        stage.move_to(CENTRE)
        stage.move_by(dx_um=300.0, dz_um=300.0)
        feed_mm_min = float(re.findall(r"F([\d.]+)", next(o for o in reversed(of.heard) if "G1" in o))[0])
        assert feed_mm_min / 60 * 1000 / 2**0.5 <= 100.1


def test_settling_is_waited_for_before_anything_counts_as_settled() -> None:
    of = board()
    with stage_on(of, settle_s=0.05) as stage:
        stage.move_to(CENTRE)
        assert of.true_position(stage.settled_since_ns - 50_000_000) == of.true_position()


def test_a_light_change_is_waited_for_before_anything_counts_as_settled() -> None:
    of = board()
    with stage_on(of, light_settle_s=0.05) as stage:
        stage.set_light(1.0)
        assert of.light_at(stage.settled_since_ns - 50_000_000) == 1.0


def test_a_refused_move_unsettles_nothing() -> None:
    with stage_on(board()) as stage:
        before = stage.settled_since_ns
        with pytest.raises(StageRefused):
            stage.move_by(dx_um=1e6)
        assert stage.settled_since_ns == before


@pytest.mark.parametrize("name", [name for name in BOARDS if name != "sangaboard-0.5"])
def test_the_lamp_shines_as_much_as_asked(name: str) -> None:
    of = board(name)
    with stage_on(of) as stage:
        stage.set_light(0.5)
        assert of.light_at() == pytest.approx(0.5, abs=0.01)
        stage.set_light(0.0)
        assert of.light_at() == 0.0


def test_a_board_without_a_lamp_says_so() -> None:
    with stage_on(board("sangaboard-0.5")) as stage, pytest.raises(StageRefused, match="has no lamp"):
        stage.set_light(0.5)


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_that_never_closes_ends_homing_with_the_position_lost(name: str) -> None:
    of = board(name)
    of.break_switch("x")
    with stage_on(of, home=False) as stage, pytest.raises(PositionLost):
        stage.home()


@pytest.mark.parametrize("name", SWITCHES)
def test_a_stuck_axis_is_found_by_homing(name: str) -> None:
    of = board(name)
    with stage_on(of) as stage:
        of.stick("z")
        with pytest.raises(PositionLost):
            stage.home()


@pytest.mark.parametrize("name", BOARDS)
def test_a_restart_in_mid_move_loses_the_position(name: str) -> None:
    of = board(name)
    with stage_on(of) as stage:
        of.schedule(Fault("reset", on="G1|^mr"))
        with pytest.raises(PositionLost):
            stage.move_by(dx_um=1_000.0)


@pytest.mark.parametrize("name", BOARDS)
def test_a_restart_between_moves_is_noticed_before_the_next_one(name: str) -> None:
    of = board(name)
    with stage_on(of) as stage:
        of.restart()
        before = of.true_position()
        with pytest.raises(PositionLost, match="restarted"):
            stage.move_by(dx_um=1_000.0)
        assert of.true_position() == before


@pytest.mark.parametrize("name", BOARDS)
def test_an_order_that_was_never_answered_is_not_given_again(name: str) -> None:
    of = board(name)
    with stage_on(of, reply_within_s=0.2) as stage:
        of.schedule(Fault("silence", on="G1|^mr", share=0.0))
        with pytest.raises(PositionLost):
            stage.move_by(dx_um=100.0)
        assert sum(bool(re.search("G1|^mr", order)) for order in of.heard) == 1


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("kind", ["drop", "garble"])
def test_one_lost_answer_to_a_question_is_asked_for_again(name: str, kind: str) -> None:
    of = board(name)
    answer = {"grbl": "^<", "grblhal": "^<", "marlin": "Count"}.get(name, r"^-?\d+ ")
    with stage_on(of, reply_within_s=1.2) as stage:
        of.schedule(Fault(kind, on=answer))  # type: ignore[arg-type]
        assert stage.position() is not None


def test_a_silent_stage_that_stands_may_be_asked_again() -> None:
    of = board()
    with stage_on(of, reply_within_s=0.1) as stage:
        of.schedule(Fault("drop", on="^<", times=100))
        with pytest.raises(Recoverable, match="Nothing moved"):
            stage.position()
        of.faults.clear()
        assert stage.position_known


def test_a_controller_that_moves_for_ever_is_given_up() -> None:
    of = board()
    with stage_on(of, move_slack_s=0.2) as stage:
        stage.move_to(CENTRE)
        of.rate = 0.001
        with pytest.raises(PositionLost, match=r"still moves after .* blocked"):
            stage.move_by(dx_um=300.0)
        assert not stage.position_known


def test_one_order_waits_for_the_other() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        both = [Beside(lambda: stage.move_by(dx_um=10.0)) for _ in range(4)]
        assert [one.ended() for one in both] == [None] * 4
        assert stage.position().x_um == pytest.approx(CENTRE.x_um + 40.0)


@pytest.mark.parametrize("name", NO_SWITCHES)
def test_a_stage_without_switches_is_nudged_to_its_reference(name: str) -> None:
    of = board(name)
    with stage_on(of, home=False) as stage:
        stage.nudge(dx_um=250.0)
        assert stage.home() == Point(0.0, 0.0, 0.0)
        assert of.true_position().x_um == pytest.approx(5_250.0)


@pytest.mark.parametrize("name", NO_SWITCHES)
def test_a_reference_that_is_known_is_kept_by_homing_again(name: str) -> None:
    of = board(name)
    with stage_on(of) as stage:
        stage.move_to(Point(100.0, 50.0, 200.0))
        assert stage.home() == stage.position() == Point(100.0, 50.0, 200.0)
        with pytest.raises(StageRefused, match="above the soft limit"):
            stage.move_by(dz_um=of.limits_um[2][1] - 100.0)


def test_only_small_nudges_are_taken() -> None:
    with stage_on(board("sangaboard"), home=False) as stage, pytest.raises(StageRefused, match="at most"):
        stage.nudge(dz_um=501.0)


def test_a_stage_that_can_home_is_not_nudged() -> None:
    with stage_on(board(), home=False) as stage, pytest.raises(StageRefused, match="without end switches"):
        stage.nudge(dx_um=1.0)


def test_a_stage_that_somebody_else_moved_has_lost_its_position() -> None:
    of = board("sangaboard")
    with stage_on(of) as stage:
        stage._wire.ask(b"mr 400 0 0\n", "done")
        until(lambda: stage._wire.ask(b"moving?\n", "true|false")[0] == "false")
        with pytest.raises(PositionLost, match="somebody else"):
            stage.position()


def test_a_stage_that_was_opened_again_does_not_know_where_it_is() -> None:
    of = board()
    with of:
        with open_stage(settings(of)) as stage:
            stage.home()
        with open_stage(settings(of)) as stage:
            assert not stage.position_known
