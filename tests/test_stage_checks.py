"""Backlash by axis and direction, scatter of returns, and drift, from shifts."""

from __future__ import annotations

import numpy as np
import pytest
from builders_rulers import straight_map

from benchmarks.calibration_geometry import StageSession
from benchmarks.random_instrument import Instrument
from calibration.errors import CalibrationRefused
from calibration.registration import Shift
from calibration.stage_checks import Reversal, measure_backlash, measure_drift, measure_repeatability
from calibration.stage_map import fit_stage_map

UM_PER_PX = 0.1
MAP = straight_map(UM_PER_PX)


def seen(x_um: float, y_um: float) -> Shift:
    """What pictures show of a stage that went so far."""
    return Shift(-x_um / UM_PER_PX, -y_um / UM_PER_PX, 0.01)


def reversals(
    up: float,
    down: float,
    scatter_um: float = 0.0,
    times: int = 6,
    seed: int = 0,
    way: float = 20.0,
    axis: str = "x",
) -> list[Reversal]:
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(times):
        for told, lost in ((-way, down), (way, up)):
            went = np.sign(told) * (way - lost) + float(rng.normal(0, scatter_um))
            result.append(
                Reversal("x", told, seen(went, 0)) if axis == "x" else Reversal("y", told, seen(0, went))
            )
    return result


def test_backlash_is_told_by_axis_and_direction() -> None:
    x, y = measure_backlash(reversals(6.0, 4.0) + reversals(9.0, 8.0, axis="y"), MAP)

    assert (x.onto_positive_um.value, x.onto_negative_um.value) == pytest.approx((6.0, 4.0), abs=1e-3)
    assert (y.onto_positive_um.value, y.onto_negative_um.value) == pytest.approx((9.0, 8.0), abs=1e-3)
    assert x.um.value == pytest.approx(5.0, abs=1e-3)


def test_no_backlash_is_none() -> None:
    (x,) = measure_backlash(reversals(0.0, 0.0, 0.05), MAP)
    assert abs(x.um.value) < 4 * x.um.uncertainty


def test_the_claimed_uncertainty_of_backlash_is_honest() -> None:
    in_units = []
    for seed in range(200):
        (x,) = measure_backlash(reversals(5.0, 7.0, 0.2, seed=seed), MAP)
        in_units.append((x.onto_positive_um.value - 5.0) / x.onto_positive_um.uncertainty)
        in_units.append((x.onto_negative_um.value - 7.0) / x.onto_negative_um.uncertainty)
    assert np.mean(np.abs(in_units) < 1.96) >= 0.9
    assert 0.7 < np.mean(np.square(in_units)) < 1.4


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "no reversal"),
        (reversals(5, 5, times=3), "3 times"),
        (reversals(17, 17), "longer than the move"),
        (reversals(-3, -3, 0.01), "farther than told"),
    ],
)
def test_reversals_that_tell_no_backlash_are_refused(given: list[Reversal], says: str) -> None:
    with pytest.raises(CalibrationRefused, match=says):
        measure_backlash(given, MAP)


def test_repeatability_is_the_scatter_of_returns_and_honestly_known() -> None:
    in_units = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = measure_repeatability([seen(*rng.normal(0, (0.3, 0.1))) for _ in range(30)], MAP)
        in_units += [
            (found.x_um.value - 0.3) / found.x_um.uncertainty,
            (found.y_um.value - 0.1) / found.y_um.uncertainty,
        ]
    assert np.mean(np.abs(in_units) < 1.96) >= 0.9
    assert 0.7 < np.mean(np.square(in_units)) < 1.4


def test_few_returns_are_refused() -> None:
    with pytest.raises(CalibrationRefused, match="9 returns"):
        measure_repeatability([seen(0, 0)] * 9, MAP)


def test_drift_is_told_for_ten_minutes_and_honestly_known() -> None:
    seconds = np.linspace(0, 600, 21)
    in_units = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        places = np.outer(seconds / 600, (1.5, -0.4)) + rng.normal(0, 0.05, (21, 2))
        found = measure_drift(seconds.tolist(), [seen(*at) for at in places - places[0]], MAP)
        in_units += [
            (found.x_um.value - 1.5) / found.x_um.uncertainty,
            (found.y_um.value + 0.4) / found.y_um.uncertainty,
        ]
    assert np.mean(np.abs(in_units) < 1.96) >= 0.9
    assert 0.7 < np.mean(np.square(in_units)) < 1.4


@pytest.mark.parametrize(
    ("seconds", "looks", "says"),
    [(600, 7, "too few"), (300, 10, "5.0 minutes")],
)
def test_a_stage_watched_too_little_tells_no_drift(seconds: float, looks: int, says: str) -> None:
    with pytest.raises(CalibrationRefused, match=says):
        measure_drift(np.linspace(0, seconds, looks).tolist(), [seen(0, 0)] * looks, MAP)


def test_times_and_shifts_must_belong_together() -> None:
    with pytest.raises(CalibrationRefused, match="do not belong"):
        measure_drift([0, 600], [seen(0, 0)] * 3, MAP)


def test_a_simulated_stage_is_measured_from_its_pictures() -> None:
    session = StageSession(Instrument.drawn(7), smear=False, side_px=260)
    stage_map = fit_stage_map(session.moves(steps=4))
    found = measure_backlash(session.reversals(times=4), stage_map)

    assert stage_map.um_per_px.value == pytest.approx(session.instrument.um_per_px, rel=0.02)
    for axis, play in zip(found, session.instrument.backlash_um, strict=True):
        assert axis.um.value == pytest.approx(play, abs=0.3)
