"""What each protocol makes of its controller's words and settings."""

from __future__ import annotations

import dataclasses
import re

import pytest
from builders_stage import CENTRE, Beside, apart, board, settings, stage_on, until

from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.faults import Fault
from firmware_bridge.emulated.grbl import EmulatedGrbl
from firmware_bridge.errors import PositionLost, Recoverable, StageRefused
from firmware_bridge.grbl_sentences import alarm_sentence, error_sentence
from firmware_bridge.orders import NEVER_NS
from firmware_bridge.point import Point
from firmware_bridge.protocols.sangaboard import SangaboardStage

# GRBL and grblHAL.


def grbl(**changed: float) -> EmulatedGrbl:
    """A GRBL board with other `$` settings: grbl(n13=1)."""
    of = board("grbl")
    assert isinstance(of, EmulatedGrbl)
    of.settings.update({int(name[1:]): value for name, value in changed.items()})
    return of


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"n22": 0.0}, r"Set \$22=1"),
        ({"n1": 25.0}, r"lets go of its motors after each move \(\$1=25\)\. Set \$1=255"),
        ({"n13": 1.0}, r"Set \$13=0"),
        ({"n10": 2.0}, r"Set \$10=1"),
        ({"n100": 400.0}, "Axis x: the settings say 800 steps per mm, the controller 400"),
        (
            {"n112": 60.0},
            "Axis z: the settings ask for 2000 µm/s, and the controller allows 1000. Set speed_um_s=1000",
        ),
        ({"n131": 5.0}, "Axis y: the soft limits 0 to 8000 µm are outside the stage's travel of 0 to 5000"),
    ],
)
def test_grbl_settings_that_do_not_fit_are_refused(changed: dict[str, float], says: str) -> None:
    with grbl(**changed) as of, pytest.raises(StageRefused, match=says):
        open_stage(settings(of))


def test_a_grblhal_that_holds_its_axes_by_their_mask_is_taken() -> None:
    with stage_on(grbl(n1=25.0, n37=7.0)) as stage:
        assert stage.position_known


def test_a_grblhal_whose_zero_was_forced_to_where_homing_ends_goes_where_it_is_sent() -> None:
    of = grbl(n22=9.0)
    narrow = {name: dataclasses.replace(settings(of).axis(name), limits_um=(0.0, 900.0)) for name in "xyz"}
    with stage_on(of, **narrow) as stage:
        assert stage.position() == Point(0.0, 0.0, 0.0)
        stage.move_to(Point(500.0, 400.0, 300.0))
        assert apart(of.true_position(), Point(1_500.0, 1_400.0, 1_300.0)) < 0.01


def test_a_forced_zero_leaves_less_travel_above_it() -> None:
    with grbl(n22=9.0) as of, pytest.raises(StageRefused, match="outside the stage's travel of 0 to 11000"):
        open_stage(settings(of))


def test_an_old_grbl_is_refused() -> None:
    with board("grbl", hello="Grbl 0.9j ['$' for help]") as of, pytest.raises(StageRefused, match="too old"):
        open_stage(settings(of))


def test_a_refused_stage_lets_go_of_its_port() -> None:
    with grbl(n13=1.0) as of:
        with pytest.raises(StageRefused):
            open_stage(settings(of))
        of.settings[13] = 0.0
        open_stage(settings(of)).close()


@pytest.mark.parametrize("number", [1, 2, 3, 6, 7, 8, 9, 10, 99])
def test_every_alarm_is_a_sentence_with_what_to_do(number: int) -> None:
    assert re.fullmatch(
        rf"The controller raised alarm {number}: .+\. Home the stage.*\.", alarm_sentence(number)
    )


@pytest.mark.parametrize("number", [1, 2, 9, 15, 22, 99])
def test_every_grbl_error_is_a_sentence(number: int) -> None:
    assert re.fullmatch(rf"The controller refused the order \(error {number}\): .+\.", error_sentence(number))


def test_a_grbl_alarm_in_mid_move_loses_the_position_and_says_why() -> None:
    of = board("grbl")
    with stage_on(of) as stage:
        of.schedule(Fault("alarm", on="G1"))
        with pytest.raises(PositionLost, match="a limit switch was hit"):
            stage.move_by(dx_um=1_000.0)


def test_a_grbl_that_did_not_find_a_switch_says_so() -> None:
    of = board("grbl")
    of.break_switch("y")
    with stage_on(of, home=False) as stage, pytest.raises(PositionLost, match="did not find a limit switch"):
        stage.home()


def test_a_move_that_grbl_refuses_moves_nothing_and_may_be_tried_again() -> None:
    of = grbl()
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        of._code = lambda order: 33  # type: ignore[method-assign]
        with pytest.raises(Recoverable, match="error 33"):
            stage.move_by(dx_um=100.0)
        assert apart(of.true_position(), CENTRE) < 0.01
        del of._code  # type: ignore[attr-defined]
        assert stage.move_by(dx_um=100.0).x_um == CENTRE.x_um + 100.0


def test_a_grbl_move_that_is_reported_idle_before_it_begins_is_waited_for() -> None:
    of = board("grbl")
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        assert apart(of.true_position(), CENTRE) < 0.01


@pytest.mark.parametrize("hello", ["GrblHAL 1.1f ['$' or '$HELP' for help]", "Grbl 1.1f ['$' for help]"])
def test_a_stage_says_which_grbl_it_is(hello: str) -> None:
    with stage_on(board("grbl", hello=hello), home=False) as stage:
        assert stage.name.startswith(" ".join(hello.split()[:2]))


# Marlin.


@pytest.mark.parametrize("order", ["G1", "M400", "M114", "G28", "M355"])
def test_a_line_that_marlin_misheard_is_sent_again_and_obeyed_once(order: str) -> None:
    of = board("marlin")
    with stage_on(of, home=False) as stage:
        before = len(of.heard)
        of.schedule(Fault("mishear", on=f"N\\d+ {order}"))
        stage.home()
        stage.move_to(CENTRE)
        stage.set_light(0.5)
        assert apart(of.true_position(), CENTRE) < 0.01
        numbers = [line.split()[0] for line in of.heard[before:] if re.match(rf"N\d+ {order}\b", line)]
        assert len(numbers) == len(set(numbers)) + 1


def test_marlin_lines_are_counted_and_summed() -> None:
    of = board("marlin")
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
    numbered = [line for line in of.heard if line.startswith("N") and "M110" not in line]
    assert all(re.fullmatch(r"N\d+ .+\*\d+", line) for line in numbered)


def test_a_marlin_never_lets_go_of_idle_motors() -> None:
    of = board("marlin")
    with stage_on(of):
        assert any("M84 S0*" in line for line in of.heard)


def test_a_marlin_that_takes_its_time_for_its_settings_is_asked_once() -> None:
    of = board("marlin")
    oks_before = 7  # M115 twice, M110, G90, G21, M84, M114
    of.schedule(Fault("delay", on="^ok", after=oks_before, by_s=0.3))
    with stage_on(of, home=False, start_within_s=30.0):
        assert sum("M503" in line for line in of.heard) == 1


def test_a_marlin_that_lost_count_was_restarted() -> None:
    of = board("marlin")
    with stage_on(of) as stage:
        of.schedule(Fault("drop", on="^start"))
        of.restart()
        with pytest.raises(PositionLost, match="restarted"):
            stage.move_by(dx_um=100.0)


@pytest.mark.parametrize("after", range(6))
def test_an_ok_of_marlin_that_comes_late_is_not_taken_for_another(after: int) -> None:
    of = board("marlin")
    of.schedule(Fault("delay", on="^ok", after=after, by_s=0.1))
    with stage_on(of) as stage:
        stage.move_to(CENTRE)
        assert apart(of.true_position(), CENTRE) < 0.01


def test_a_marlin_that_is_busy_for_long_is_waited_for() -> None:
    of = board("marlin")
    slow = dataclasses.replace(settings(of).x, speed_um_s=200.0)
    with stage_on(of, x=slow) as stage:
        stage.move_to(CENTRE)
        assert apart(of.true_position(), CENTRE) < 0.01


def test_a_killed_marlin_says_what_it_died_of() -> None:
    of = board("marlin")
    with stage_on(of) as stage:
        of.schedule(Fault("alarm", on="G1"))
        with pytest.raises(PositionLost, match=r"Driver error.*Restart it"):
            stage.move_by(dx_um=1_000.0)


def test_a_marlin_that_does_not_stop_is_halted_for_good() -> None:
    of = board("marlin")
    with stage_on(of, stop_within_s=0.3) as stage:
        stage.move_to(CENTRE)
        of.rate = 0.05
        of.schedule(Fault("mishear", on="^M410", times=9))
        move = Beside(lambda: stage.move_by(dx_um=4_000.0))
        until(lambda: any("M400" in line for line in of.heard))
        stage.stop()
        assert isinstance(move.ended(), PositionLost)
        until(lambda: "M112" in of.heard)


# Sangaboard.


def test_an_old_sangaboard_is_refused() -> None:
    with board("sangaboard", firmware="0.4.0") as of, pytest.raises(StageRefused, match="too old"):
        open_stage(settings(of))


def test_a_sangaboard_needs_its_steps_per_mm() -> None:
    with board("sangaboard") as of, pytest.raises(StageRefused, match="Set steps_per_mm"):
        open_stage(settings(of, x=dataclasses.replace(settings(of).x, steps_per_mm=None)))


def test_a_sangaboard_cannot_be_asked_for_more_than_its_step_delay() -> None:
    with board("sangaboard") as of, pytest.raises(StageRefused, match="Axis x: the settings ask for"):
        open_stage(settings(of, x=dataclasses.replace(settings(of).x, speed_um_s=20_000.0)))


def test_a_sangaboard_that_says_done_at_once_is_waited_for() -> None:
    of = board("sangaboard")
    with stage_on(of) as stage:
        reached = stage.move_by(dx_um=3_000.0)
        assert of.true_position().x_um == pytest.approx(5_000.0 + reached.x_um)


@pytest.mark.parametrize("name", ["sangaboard", "sangaboard-0.5"])
def test_a_stopped_sangaboard_knows_where_it_truly_is(name: str) -> None:
    of = board(name)
    with stage_on(of) as stage:
        stage.move_to(Point(0.0, 0.0, 0.0))
        of.rate = 2.0
        move = Beside(lambda: stage.move_by(dx_um=6_000.0))
        until(lambda: stage.settled_since_ns == NEVER_NS)
        stage.stop()
        move.ended()
        of.rate = 200.0
        assert stage.position_known
        assert of.true_position().x_um - 5_000.0 == pytest.approx(stage.position().x_um, abs=8.1)


def test_an_old_sangaboard_goes_long_ways_in_pieces() -> None:
    of = board("sangaboard-0.5")
    with stage_on(of) as stage:
        reached = stage.move_by(dx_um=6_000.0)
        pieces = [[int(n) for n in line.split()[1:]] for line in of.heard if line.startswith("mr")]
        assert len(pieces) > 1
        assert sum(x for x, _, _ in pieces) == round(reached.x_um * 0.8)


def test_an_old_sangaboard_that_is_stopped_just_before_its_next_piece_stays_there() -> None:
    of = board("sangaboard-0.5")
    with stage_on(of) as stage:
        assert isinstance(stage, SangaboardStage)

        class StoppedHere(list[tuple[int, ...]]):
            def __bool__(self) -> bool:
                stage._halt()
                return len(self) > 0

        stage._pieces = StoppedHere([(8, 0, 0), (8, 0, 0)])
        assert stage._look()[0]
        until(lambda: not stage._look()[0])
        assert of.true_position().x_um == pytest.approx(5_010.0)


def test_the_word_done_alone_is_not_believed() -> None:
    of = board("sangaboard")
    with stage_on(of, move_slack_s=0.2) as stage:
        of.schedule(Fault("drop", on="^true"), Fault("garble", on="^true"))
        stage.move_by(dx_um=2_000.0)
        assert stage.position().x_um == pytest.approx(2_000.0)
        assert sum(line.startswith("mr") for line in of.heard) == 1
