"""Exact limits of a proportion."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from appliance.interval import clopper_pearson


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(5, 100, 1.6, 11.3), (25, 500, 3.3, 7.3), (100, 500, 16.6, 23.8), (0, 300, 0.0, 1.2)],
)
def test_known_answers_to_a_tenth_of_a_percent(count, total, low, high):
    assert tuple(round(limit, 1) for limit in clopper_pearson(count, total)) == (low, high)


# Rümke's table rounds outward to whole percentages. These entries were not compared with the print of 1979.
RUMKE = {
    100: {0: (0, 4), 1: (0, 6), 2: (0, 8), 5: (1, 12), 10: (4, 18), 20: (12, 30), 50: (39, 61)},
    500: {0: (0, 1), 1: (0, 3), 2: (0, 4), 5: (3, 8), 10: (7, 13), 20: (16, 24), 50: (45, 55)},
}


@pytest.mark.parametrize("total", RUMKE)
def test_rumkes_table_rounded_outward(total):
    for percent, printed in RUMKE[total].items():
        low, high = clopper_pearson(percent * total // 100, total)
        assert (math.floor(low), math.ceil(high)) == printed, f"{percent} % of {total}"


counts = st.integers(1, 2000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(counts)
def test_the_limits_contain_the_percentage_and_stay_between_0_and_100(case):
    count, total = case
    low, high = clopper_pearson(count, total)
    assert 0 <= low <= 100 * count / total <= high <= 100


@given(counts)
def test_at_each_limit_the_observed_count_has_a_tail_of_two_and_a_half_percent(case):
    count, total = case
    low, high = clopper_pearson(count, total)
    if count > 0:
        assert binom.sf(count - 1, total, low / 100) == pytest.approx(0.025, rel=1e-6)
    if count < total:
        assert binom.cdf(count, total, high / 100) == pytest.approx(0.025, rel=1e-6)


@given(counts)
def test_more_confidence_is_never_a_narrower_interval(case):
    low95, high95 = clopper_pearson(*case)
    low99, high99 = clopper_pearson(*case, 0.99)
    assert low99 <= low95 <= high95 <= high99


def test_of_no_cells_nothing_is_known():
    assert clopper_pearson(0, 0) == (0.0, 100.0)


@pytest.mark.parametrize(("count", "total"), [(-1, 10), (11, 10), (0, -1)])
def test_what_is_no_proportion_is_refused(count, total):
    with pytest.raises(ValueError, match="no proportion"):
        clopper_pearson(count, total)
