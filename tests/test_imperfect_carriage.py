"""The stage of an imperfect simulated instrument scatters at every arrival and drifts, the same in every run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from appliance.simulator.imperfect import DRIFT_S, MOTION_S, AskewCarriage, Imperfect
from firmware_bridge.emulated.mechanics import Carriage, Counts, Mechanics
from firmware_bridge.point import Point

TRUE = replace(Imperfect.drawn(7), stage=((1.0, 0.0), (0.0, 1.0)), backlash_um=(0.0, 0.0))
STILL = replace(TRUE, drift_um=(0.0, 0.0))
EXACT = replace(TRUE, scatter_um=0.0)


class Stood:
    """A carriage at one place, after so many motions of each axis."""

    rate = 1.0

    def __init__(self, counts: Counts = (0, 0, 0), before: Counts | None = None, share: float = 1.0) -> None:
        self.now = (before or counts, counts, share)

    def true_position(self, at_ns: int) -> Point:
        return Point(100.0, 200.0, 300.0)

    def moves(self, at_ns: int) -> tuple[Counts, Counts, float]:
        return self.now

    def light_at(self, at_ns: int) -> float:
        return 1.0


def off(imperfect: Imperfect, stood: Stood, rested_s: float = 0.0) -> tuple[float, float]:
    carriage = AskewCarriage(stood, imperfect)
    carriage.rest(rested_s)
    place = carriage.true_position(0)
    assert place.z_um == 300.0
    return place.x_um - 100.0, place.y_um - 200.0


def test_returns_scatter_as_the_instrument_has_it() -> None:
    returns = np.array([off(STILL, Stood((n, n, 0))) for n in range(1, 401)])
    assert returns.std(axis=0) == pytest.approx([TRUE.scatter_um] * 2, rel=0.12)
    assert abs(np.corrcoef(returns.T)[0, 1]) < 0.15


def test_the_same_orders_find_the_same_places() -> None:
    assert off(TRUE, Stood((5, 4, 3))) == off(TRUE, Stood((5, 4, 3)))
    assert off(TRUE, Stood((5, 4, 3))) != off(replace(TRUE, number=8), Stood((5, 4, 3)))


def test_an_axis_that_does_not_move_stays_where_it_is() -> None:
    before, after = off(STILL, Stood((5, 4, 3))), off(STILL, Stood((6, 4, 9)))
    assert (before[0] != after[0], before[1]) == (True, after[1])


def test_an_arrival_comes_about_on_the_way() -> None:
    start, half, end = (off(STILL, Stood((6, 4, 0), (5, 4, 0), share))[0] for share in (0.0, 0.5, 1.0))
    assert start == pytest.approx(off(STILL, Stood((5, 4, 0)))[0])
    assert half == pytest.approx((start + end) / 2)


def test_it_drifts_by_what_it_does_in_ten_minutes() -> None:
    assert off(EXACT, Stood(), DRIFT_S) == pytest.approx(TRUE.drift_um)


def test_it_drifts_while_it_works() -> None:
    moved = round(DRIFT_S / MOTION_S)
    assert off(EXACT, Stood((moved // 2, moved // 2, 0))) == pytest.approx(TRUE.drift_um)


def test_an_emulated_board_counts_the_motions_of_each_axis() -> None:
    carriage = Carriage.built(Mechanics(power_on_um=(0.0, 0.0, 0.0)))
    assert carriage.moves(0.0) == ((0, 0, 0), (0, 0, 0), 1.0)
    carriage.start(0.0, (100.0, 0.0, 0.0), 1_000.0)
    carriage.start(0.0, (100.0, 50.0, 20.0), 1_000.0)
    first_s = 0.05
    before, after, share = carriage.moves(first_s)
    assert (before, after, 0.0 < share < 1.0) == ((0, 0, 0), (1, 0, 0), True)
    assert carriage.moves(9.0) == ((1, 0, 0), (1, 1, 1), 1.0)
