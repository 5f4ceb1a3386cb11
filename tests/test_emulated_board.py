"""The emulated boards' mechanics: where the carriage really is, and was."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time

import pytest
from builders_stage import CENTRE, MECHANICS, PLAY_UM, apart, board, stage_on, until

from firmware_bridge.emulated.mechanics import OVERTRAVEL_UM, Carriage, Mechanics
from firmware_bridge.emulated.ramp import Ramp
from firmware_bridge.point import Point
from firmware_bridge.settings import StageSettings

BUILT = Mechanics(
    travel_um=(1_000.0, 1_000.0, 1_000.0),
    speed_um_s=(100.0, 100.0, 100.0),
    acceleration_um_s2=(100.0, 100.0, 100.0),
    backlash_um=(10.0, 0.0, 0.0),
    power_on_um=(500.0, 500.0, 500.0),
)


def moved(*places: float, built: Mechanics = BUILT) -> Carriage:
    """A carriage whose motor went to these places along x, one after the other."""
    carriage = Carriage.built(built)
    for place in places:
        carriage.start(0.0, (place, 500.0, 500.0), 100.0)
    return carriage


def test_a_ramp_rises_stays_even_and_falls() -> None:
    ramp = Ramp.trapezoid(10.0, 400.0, 100.0, 100.0)
    speeds = [ramp.at(time_s)[1] for time_s in (10.0, 10.5, 12.0, 14.5, 15.0)]
    assert speeds == pytest.approx([0.0, 50.0, 100.0, 50.0, 0.0])
    assert (ramp.end_s, ramp.at(99.0)[0]) == pytest.approx((15.0, 400.0))


def test_a_short_ramp_never_reaches_its_speed() -> None:
    ramp = Ramp.trapezoid(0.0, 100.0, 1_000.0, 100.0)
    assert max(ramp.at(t / 100)[1] for t in range(200)) == pytest.approx(100.0)


def test_a_braked_ramp_ends_after_its_braking_way() -> None:
    ramp = Ramp.trapezoid(0.0, 400.0, 100.0, 100.0).halted(2.0, 100.0)
    assert (ramp.end_s, ramp.at(9.0)[0]) == pytest.approx((3.0, 200.0))


def test_an_abrupt_halt_needs_no_way() -> None:
    ramp = Ramp.trapezoid(0.0, 400.0, 100.0, 100.0).halted(2.0, math.inf)
    assert ramp.at(9.0) == pytest.approx((150.0, 0.0))


def test_the_carriage_rests_while_the_motor_crosses_the_play() -> None:
    carriage = moved(600.0, 595.0)
    assert carriage.carried(99.0)[0] == pytest.approx(600.0)


def test_the_carriage_follows_once_the_play_is_crossed() -> None:
    assert moved(600.0, 560.0).carried(99.0)[0] == pytest.approx(570.0)


def test_a_place_approached_upwards_is_exact() -> None:
    assert moved(600.0, 490.0, 500.0).carried(99.0)[0] == pytest.approx(500.0)


def test_a_carriage_stops_at_the_end_of_its_travel_while_pulses_go_on() -> None:
    carriage = moved(5_000.0)
    assert carriage.sent(999.0)[0] == pytest.approx(5_000.0)
    assert carriage.carried(999.0)[0] == pytest.approx(1_000.0 + OVERTRAVEL_UM)


def test_a_stuck_axis_counts_pulses_and_does_not_move() -> None:
    carriage = Carriage.built(BUILT)
    carriage.stuck[0] = True
    carriage.start(0.0, (700.0, 600.0, 500.0), 100.0)
    assert (carriage.sent(99.0)[0], carriage.carried(99.0)[:2]) == (
        pytest.approx(700.0),
        pytest.approx((500.0, 600.0)),
    )


def test_lost_steps_are_lost_once() -> None:
    carriage = Carriage.built(BUILT)
    carriage.lost_um[1] = 30.0
    for place in (600.0, 700.0):
        carriage.start(0.0, (500.0, place, 500.0), 100.0)
    assert carriage.carried(99.0)[1] == pytest.approx(670.0)


def test_a_halt_forgets_what_was_to_follow() -> None:
    carriage = moved(600.0, 700.0, 800.0)
    carriage.halt(0.5)
    assert carriage.end_s == pytest.approx(1.0)
    assert carriage.sent(99.0)[0] == pytest.approx(525.0)


def test_a_board_remembers_where_it_was() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        then = time.monotonic_ns()
        stage.move_by(dx_um=100.0)
        assert apart(of.true_position(then), CENTRE) < 0.01
        assert of.true_position().x_um == pytest.approx(CENTRE.x_um + 100.0)


def test_a_board_shows_motion_between_start_and_end() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        begun = time.monotonic_ns()
        stage.move_by(dx_um=4_000.0)
        ended = time.monotonic_ns()
        ways = {round(of.true_position(begun + (ended - begun) * i // 400).x_um) for i in range(401)}
        assert any(CENTRE.x_um < x < CENTRE.x_um + 4_000.0 for x in ways)


def test_a_board_remembers_its_light() -> None:
    of = board()
    with stage_on(of) as stage:
        before = time.monotonic_ns()
        stage.set_light(0.25)
        assert (of.light_at(before), of.light_at()) == (0.0, 0.25)


def test_real_time_is_the_usual_pace() -> None:
    with board(rate=1.0) as of:
        assert of.rate == 1.0


def test_a_faster_clock_does_not_move_what_was() -> None:
    with board(rate=1.0) as of:
        then, place = time.monotonic_ns(), of.true_position()
        of.rate = 1_000.0
        assert of.true_position(then) == place


def test_lost_steps_are_seen_in_the_true_position_alone() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        of.lose_steps("y", 40.0)
        stage.move_by(dy_um=500.0)
        assert stage.position().y_um - of.true_position().y_um == pytest.approx(40.0)


def test_without_take_up_backlash_shows() -> None:
    of = board()
    with stage_on(of, x=None) as stage:
        stage.move_to(CENTRE)
        stage.move_by(dx_um=-500.0)
        assert of.true_position().x_um - stage.position().x_um == pytest.approx(PLAY_UM[0])


def test_a_restarted_board_keeps_its_carriage_where_it_was() -> None:
    of = board()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        of.restart()
        until(lambda: of.true_position() is not None)
        assert apart(of.true_position(), CENTRE) < 0.01


def test_a_board_can_be_switched_on_from_the_command_line() -> None:
    command = [sys.executable, "-m", "firmware_bridge.emulated", "sangaboard"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    settings = StageSettings.from_environment(dict(line.strip().split("=", 1) for line in said))
    assert settings.protocol == "sangaboard"


def test_a_board_starts_where_the_power_finds_it() -> None:
    with board() as of:
        assert of.true_position() == Point(*MECHANICS.power_on_um)
