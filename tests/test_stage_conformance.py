"""What every stage promises, whatever its controller: run on every emulated board, or on a real one.

HEMADIFF_STAGE=grbl:/dev/ttyUSB0 with HEMADIFF_STAGE_X=low:high (and _Y, _Z, in µm) runs it on hardware instead; see
docs/stages.md. The stage then moves anywhere within these limits: take the slide and the objective away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from builders_stage import BOARDS, Beside, apart, board, settings, until

from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.errors import BridgeError, PositionLost, StageRefused, Stopped
from firmware_bridge.orders import NEVER_NS
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES, StageSettings
from firmware_bridge.stage import Stage

pytestmark = pytest.mark.stage_conformance
REAL = os.environ.get("HEMADIFF_STAGE")


@dataclass
class Bench:
    """A stage under test; `board` only where it is emulated."""

    settings: StageSettings
    stage: Stage
    board: EmulatedBoard | None

    def at(self, x: float, y: float, z: float) -> Point:
        """A place by its shares of the limits."""
        low_high = [self.settings.axis(name).limits_um or (0.0, 0.0) for name in AXES]
        return Point(
            *(low + share * (high - low) for (low, high), share in zip(low_high, (x, y, z), strict=True))
        )

    def within(self, here: Point, there: Point, times: float = 1.0) -> bool:
        """Whether two places are the same, as finely as the controller knows."""
        return all(
            abs(here[name] - there[name]) <= times * self.stage.controller.tolerance_um(name) for name in AXES
        )


@pytest.fixture(scope="module", params=[REAL] if REAL else list(BOARDS))
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with contextlib.ExitStack() as stack:
        emulated = None if REAL else stack.enter_context(board(request.param))
        how = settings(emulated) if emulated else StageSettings.from_environment(os.environ)
        try:
            opened = stack.enter_context(open_stage(how))
        except (BridgeError, StageRefused) as error:
            if emulated:
                raise
            pytest.exit(f"{error}", returncode=2)  # no test of it can say anything else
        yield Bench(how, opened, emulated)


@pytest.fixture
def known(bench: Bench) -> Bench:
    """The stage, homed, anywhere."""
    if not bench.stage.position_known:
        bench.stage.home()
    return bench


@pytest.fixture
def homed(known: Bench) -> Bench:
    """The stage in the middle of its limits."""
    known.stage.move_to(known.at(0.5, 0.5, 0.5))
    return known


def test_a_stage_names_its_firmware_and_its_port(bench: Bench) -> None:
    assert bench.stage.controller.title in bench.stage.name
    assert bench.settings.url in bench.stage.name


def test_a_stage_that_was_not_homed_refuses_to_move(bench: Bench) -> None:
    if bench.stage.position_known:
        pytest.skip("an earlier test has homed it")
    with pytest.raises(PositionLost, match="Home it"):
        bench.stage.move_by(dx_um=10.0)


def test_homing_makes_the_position_known(bench: Bench) -> None:
    here = bench.stage.home()
    assert bench.stage.position_known
    assert bench.within(bench.stage.position(), here)


@pytest.mark.parametrize("shares", [(0.4, 0.5, 0.5), (0.5, 0.6, 0.5), (0.5, 0.5, 0.45), (0.6, 0.4, 0.55)])
def test_a_stage_goes_where_it_is_sent(homed: Bench, shares: tuple[float, float, float]) -> None:
    target = homed.at(*shares)
    reached = homed.stage.move_to(target)
    assert homed.within(reached, target)
    assert homed.within(homed.stage.position(), target)


def test_a_relative_move_adds_to_the_position(known: Bench) -> None:
    before = known.stage.position()
    after = known.stage.move_by(dx_um=50.0, dy_um=-40.0, dz_um=10.0)
    assert known.within(after, Point(before.x_um + 50.0, before.y_um - 40.0, before.z_um + 10.0))


def test_many_small_moves_do_not_drift(known: Bench) -> None:
    before = known.stage.position()
    for _ in range(5):
        known.stage.move_by(dx_um=3.3, dz_um=0.7)
    for _ in range(5):
        known.stage.move_by(dx_um=-3.3, dz_um=-0.7)
    step = known.stage.controller.steps_um
    # Each move goes to the nearest step, so ten of them may add up to ten half steps.
    after = known.stage.position()
    assert all(abs(after[name] - before[name]) <= 5 * step[name] + 1e-6 for name in AXES)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("beyond_um", [1.0, math.nan, math.inf])
def test_a_move_outside_the_soft_limits_is_refused_and_nothing_is_sent(
    known: Bench, axis: str, beyond_um: float
) -> None:
    limits = known.settings.axis(axis).limits_um
    assert limits
    there = known.stage.position()
    heard = list(known.board.heard) if known.board else []
    with pytest.raises(StageRefused, match=f"Axis {axis}"):
        known.stage.move_to(dataclasses.replace(there, **{f"{axis}_um": limits[1] + beyond_um}))
    assert known.board is None or known.board.heard == heard


def test_a_refused_move_leaves_the_position_known(known: Bench) -> None:
    before = known.stage.position()
    with pytest.raises(StageRefused):
        known.stage.move_by(dx_um=1e9)
    assert known.stage.position() == before


def test_a_place_is_the_same_from_both_sides(homed: Bench) -> None:
    target, places = homed.at(0.5, 0.5, 0.5), []
    for side in (0.45, 0.55):
        homed.stage.move_to(homed.at(side, side, side))
        homed.stage.move_to(target)
        places.append(homed.board.true_position() if homed.board else homed.stage.position())
    assert apart(*places) < 0.01 if homed.board else homed.within(*places)


def test_everything_has_settled_when_a_move_returns(known: Bench) -> None:
    before = known.stage.settled_since_ns
    known.stage.move_by(dx_um=20.0)
    assert before < known.stage.settled_since_ns < NEVER_NS


def test_nothing_has_settled_while_the_stage_moves(homed: Bench) -> None:
    with slowly(homed):
        move = Beside(lambda: homed.stage.move_to(homed.at(0.9, 0.5, 0.5)))
        until(lambda: homed.stage.settled_since_ns == NEVER_NS)
        homed.stage.stop()
        move.ended()
    assert homed.stage.settled_since_ns < NEVER_NS


def test_a_move_is_stopped_from_another_thread(homed: Bench) -> None:
    target = homed.at(0.9, 0.5, 0.5)
    with slowly(homed):
        move = Beside(lambda: homed.stage.move_to(target))
        until(lambda: homed.stage.settled_since_ns == NEVER_NS)
        threading.Event().wait(0.05)  # let it get under way; it needs much longer
        homed.stage.stop()
        assert isinstance(move.ended(), Stopped | PositionLost)
    if homed.stage.position_known:
        assert homed.stage.position().x_um < target.x_um - 1.0


def test_a_stopped_stage_can_be_used_again(homed: Bench) -> None:
    with slowly(homed):
        move = Beside(lambda: homed.stage.move_to(homed.at(0.9, 0.5, 0.5)))
        until(lambda: homed.stage.settled_since_ns == NEVER_NS)
        homed.stage.stop()
        move.ended()
    if not homed.stage.position_known:
        homed.stage.home()
    assert homed.within(homed.stage.move_to(homed.at(0.5, 0.5, 0.5)), homed.at(0.5, 0.5, 0.5))


def test_stopping_a_stage_that_stands_does_nothing(homed: Bench) -> None:
    homed.stage.stop()
    assert homed.within(homed.stage.move_by(dx_um=5.0), Point(*homed_x(homed, 5.0)), times=2.0)


def test_the_position_may_be_asked_during_a_move(homed: Bench) -> None:
    target = homed.at(0.6, 0.5, 0.5)
    move = Beside(lambda: homed.stage.move_to(target))
    for _ in range(20):
        homed.stage.position()
    assert move.ended() is None
    assert homed.within(homed.stage.position(), target)


def test_the_lamp_is_set_or_refused_plainly(known: Bench) -> None:
    lit = Beside(lambda: known.stage.set_light(0.5)).ended()
    assert lit is None or (isinstance(lit, StageRefused) and "lamp" in str(lit))
    if lit is None:
        known.stage.set_light(0.0)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_light_outside_0_to_1_is_refused(known: Bench, share: float) -> None:
    with pytest.raises(StageRefused, match="0 to 1"):
        known.stage.set_light(share)


def test_a_second_program_is_refused_the_port(bench: Bench) -> None:
    with pytest.raises(StageRefused, match="in use"):
        open_stage(bench.settings)


@contextlib.contextmanager
def slowly(bench: Bench) -> Iterator[None]:
    """Let an emulated board's clock run as a real one's."""
    if bench.board is None:
        yield
        return
    rate, bench.board.rate = bench.board.rate, 0.5
    try:
        yield
    finally:
        bench.board.rate = rate


def homed_x(bench: Bench, dx_um: float) -> tuple[float, float, float]:
    middle = bench.at(0.5, 0.5, 0.5)
    return middle.x_um + dx_um, middle.y_um, middle.z_um
