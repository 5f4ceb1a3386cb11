"""White balance, exposure and linearity: measured on bare glass, locked, and refused where the lamp will not do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders_light import Bench, honesty

from calibration import CalibrationRefused
from calibration.light import AIM, advise_exposure, measure_white_balance
from calibration.linearity import Linearity, measure_linearity

EXPOSURES_US = tuple(float(each) for each in np.linspace(80, 1000, 10))


def drawn(seed: int) -> Bench:
    rng = np.random.default_rng([seed, 4])
    red, blue = rng.uniform(0.7, 1.05, 2)
    return Bench(
        seed, 128, 96, rng.uniform(0.6, 1), rng.uniform(180, 215), rng.uniform(6000, 25000), (red, 1.0, blue)
    )


def test_white_balance_makes_bare_glass_grey() -> None:
    balance = measure_white_balance([Bench(colour=(0.8, 1.0, 0.5)).look()])
    assert balance.colour_gains == pytest.approx((1.25, 2.0), rel=2e-3)
    assert (balance.lamp_red.value, balance.lamp_blue.value) == pytest.approx((0.8, 0.5), rel=2e-3)


def test_gains_in_use_are_counted_in() -> None:
    balance = measure_white_balance([Bench(colour=(0.8, 1.0, 0.9)).look()], gains=(1.6, 1.3))
    assert balance.colour_gains == pytest.approx((2.0, 1.3 / 0.9), rel=2e-3)


def test_levels_in_the_dark_do_not_colour_the_balance() -> None:
    bench = Bench(colour=(0.5, 1.0, 1.0), dark=15)
    assert measure_white_balance([bench.look()], dark=(15, 15, 15)).red.value == pytest.approx(2.0, rel=2e-3)


def test_balance_and_exposure_are_as_uncertain_as_claimed() -> None:
    red, blue, exposure = [], [], []
    for seed in range(200):
        bench = drawn(seed)
        balance = measure_white_balance([bench.look(n) for n in range(1 + seed % 3)])
        red.append((1 / bench.colour[0], balance.red))
        blue.append((1 / bench.colour[2], balance.blue))
        tried = float(np.random.default_rng([seed, 5]).uniform(250, 1000))
        true = advise_exposure(replace(bench, full_well_e=1e9, read=0.5).look(), 1000.0)
        exposure.append((true.exposure_us.value, advise_exposure(bench.look(9, tried), tried).exposure_us))
    for cases in (red, blue, exposure):
        within, squared = honesty(cases)
        assert within >= 0.9
        assert 0.65 <= squared <= 1.5


def test_a_lamp_whose_colour_no_gain_makes_up_for_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match=r"too little red: its gain would be 2.0"):
        measure_white_balance([Bench(colour=(0.5, 1.0, 1.0)).look()], gain_limits=(0.5, 1.8))
    with pytest.raises(CalibrationRefused, match="too much blue"):
        measure_white_balance([Bench(level=100, colour=(1.0, 1.0, 2.0)).look()], gain_limits=(0.8, 4))


def test_white_balance_refuses_saturated_and_dark_pictures_and_none() -> None:
    with pytest.raises(CalibrationRefused, match=r"Blank field 1 is saturated: .* green"):
        measure_white_balance([Bench(level=265, colour=(0.8, 1, 0.8)).look()])
    with pytest.raises(CalibrationRefused, match="too dark: its red reaches"):
        measure_white_balance([Bench(level=30).look()])
    with pytest.raises(CalibrationRefused, match="no picture of bare glass"):
        measure_white_balance([])


def test_the_advised_exposure_brings_the_brightest_colour_to_its_level() -> None:
    bench = Bench(level=80, colour=(1.2, 1.0, 0.9))
    advice = advise_exposure(bench.look(), 1000.0)
    assert not advice.good
    assert "red reaches 9" in advice.sentence
    again = advise_exposure(bench.look(1, advice.exposure_us.value), advice.exposure_us.value)
    assert again.good
    assert again.level is not None
    assert again.level.value == pytest.approx(AIM, rel=0.01)


def test_a_saturated_picture_is_taken_again_with_less() -> None:
    advice = advise_exposure(Bench(level=400).look(), 1000.0)
    assert advice.level is None
    assert not advice.good
    assert advice.exposure_us.value == pytest.approx(1000 / 3)
    assert "saturated" in advice.sentence


def test_a_lamp_that_no_exposure_fits_is_refused() -> None:
    with pytest.raises(
        CalibrationRefused, match=r"too dark: in the longest exposure, 2000 µs, .* would reach \d+ of 255"
    ):
        advise_exposure(Bench(level=50, corner=0.99).look(), 1000.0, (20, 2000))
    with pytest.raises(CalibrationRefused, match=r"too bright: .* at the shortest exposure"):
        advise_exposure(Bench(level=400).look(), 20.0, (20, 2000))
    with pytest.raises(CalibrationRefused, match="too bright for the shortest exposure"):
        advise_exposure(Bench(level=246, full_well_e=1e6, read=0.1).look(), 1000.0, (1000, 2000))
    with pytest.raises(CalibrationRefused, match="is dark"):
        advise_exposure(Bench().dark_frame(), 1000.0)


def series(bench: Bench, flicker: float = 0.0, bent: float = 0.0) -> Linearity:
    """Expose for longer and longer. bent: by how much of the highest level the middle is too bright."""
    rng = np.random.default_rng([bench.seed, 6])
    looks = []
    for number, exposure_us in enumerate(EXPOSURES_US):
        along = (exposure_us - EXPOSURES_US[0]) / (EXPOSURES_US[-1] - EXPOSURES_US[0])
        more = 1 + 4 * bent * along * (1 - along) * EXPOSURES_US[-1] / exposure_us
        looks.append(bench.look(number, exposure_us, more * (1 + rng.normal(0, flicker))))
    return measure_linearity(EXPOSURES_US, looks)


def test_a_linear_sensor_is_said_to_be_linear() -> None:
    found = series(Bench())
    assert found.linear
    assert found.worst < 0.2
    assert "is linear to 1 %" in found.sentence


def test_a_bent_answer_is_measured_with_its_sign() -> None:
    found = series(Bench(level=200), bent=0.03)
    assert found.deviation.value == pytest.approx(3.0, abs=0.2)
    assert not found.linear
    assert "Switch curves off" in found.sentence


def test_a_gamma_is_named() -> None:
    bench = Bench(level=200)
    looks = [bench.look(n, 1000 * (t / 1000) ** 0.45) for n, t in enumerate(EXPOSURES_US)]
    found = measure_linearity(EXPOSURES_US, looks)
    assert found.exponent == pytest.approx(0.45, abs=0.02)
    assert "power 0.45, as with a gamma" in found.sentence


def test_linearity_is_as_uncertain_as_claimed() -> None:
    cases = []
    for seed in range(200):
        bench = Bench(seed, 80, 64, full_well_e=6000 + 80 * seed, level=210)
        bent = 0.02 * (seed % 5 - 2)
        found = series(bench, flicker=0.001 + 0.00001 * seed, bent=bent)
        cases.append((100 * bent, found.deviation))
    within, squared = honesty(cases)
    assert within >= 0.9
    assert 0.65 <= squared <= 1.5


def test_a_lamp_that_flickers_leaves_linearity_open() -> None:
    found = series(Bench(seed=3), flicker=0.015)
    assert not found.linear
    assert "cannot be told" in found.sentence


def test_linearity_refuses_what_cannot_tell_it() -> None:
    bench = Bench()

    def refused(exposures: list[float], pictures: list[np.ndarray]) -> str:
        with pytest.raises(CalibrationRefused) as caught:
            measure_linearity(exposures, pictures)
        return str(caught.value)

    many = [float(each) for each in np.linspace(100, 1000, 9)]
    looks = [bench.look(n, t) for n, t in enumerate(many)]
    assert "do not belong to" in refused(many, looks[:-1])
    assert "6 of 6 exposures are neither saturated nor dark" in refused(many[:6], looks[:6])
    bright = [Bench(level=800).look(n, t) for n, t in enumerate(many)]
    assert "of 9 exposures are neither" in refused(many, bright)
    close = [float(each) for each in np.linspace(800, 1000, 9)]
    assert "span a factor of 1.2 only" in refused(close, [bench.look(n, t) for n, t in enumerate(close)])
    assert "Switch automatic exposure" in refused(many, [bench.look(n) for n in range(9)])
    assert "one exposure time" in refused([*many[:8], many[7]], looks)
    assert "Exposure 9 has 128 × 96 px" in refused(many, [*looks[:8], Bench(width=128, height=96).look()])
