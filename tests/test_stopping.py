"""When enough cells are counted: three looks, at 300, 400 and 500."""

from __future__ import annotations

import pytest
from builders_run import rules, tally
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from appliance.interval import clopper_pearson
from appliance.stopping import LOOK_CONFIDENCE, Verdict, looks, stopping_rule
from appliance.tally import Tally


def marrow(cells: int, blasts: int = 0) -> Tally:
    return tally(blast=blasts, lymphocyte=cells - blasts)


def verdict(before: Tally, after: Tally, min_cells: int = 300, max_cells: int = 500) -> Verdict:
    return stopping_rule(before, after, min_cells, max_cells)


def test_the_looks_are_at_the_least_half_way_and_at_the_most():
    assert looks(300, 500) == (300, 400, 500)


def test_where_least_and_most_are_the_same_there_is_one_look():
    assert looks(300, 300) == (300,)


def test_below_300_nothing_stops_the_count():
    v = verdict(marrow(280), marrow(299))
    assert (v.stop, v.aim) == (False, 300)


def test_300_are_enough_when_no_watched_percentage_is_in_doubt():
    v = verdict(marrow(290), marrow(304))
    assert v.stop
    assert v.reason == "304 cells counted; 300 are enough and no watched percentage is in doubt."


def test_a_percentage_in_doubt_sends_the_count_on_to_400_and_says_which_and_where():
    v = verdict(marrow(290, 12), marrow(304, 14))
    assert (v.stop, v.aim) == (False, 400)
    assert v.reason == (
        "Counting goes on to 400: Blast 4.6 % (99 % interval 2.1 to 8.6 %) may be on either side of 5 %."
    )


def test_every_limit_in_doubt_is_named():
    assert "either side of 5 or 10 %" in verdict(marrow(290), marrow(300, 22)).reason


def test_a_doubt_is_said_in_short_too():
    assert verdict(marrow(290), marrow(300, 22)).near == "blast is near 5 or 10 %"


def test_a_doubt_has_its_parts_for_whoever_says_it_in_another_language():
    (doubt,) = verdict(marrow(290), marrow(300, 22)).limits
    assert (doubt.label, doubt.title, doubt.limits) == ("blast", "Blast", (5.0, 10.0))
    assert (doubt.percent, doubt.low, doubt.high) == pytest.approx(
        (100 * 22 / 300, *clopper_pearson(22, 300, LOOK_CONFIDENCE))
    )


def test_plasma_cells_are_watched_in_marrow():
    before = tally("marrow-16", lymphocyte=290)
    after = tally("marrow-16", lymphocyte=270, plasma_cell=30)
    assert "Plasma cell 10.0 %" in verdict(before, after).reason


def test_between_looks_the_count_goes_on_even_when_the_doubt_has_gone():
    assert not verdict(marrow(310, 14), marrow(390, 0)).stop


def test_at_400_the_count_stops_when_the_doubt_has_gone():
    v = verdict(marrow(395, 2), marrow(405, 2))
    assert (v.stop, v.aim) == (True, 400)


def test_at_500_the_count_stops_whatever_is_in_doubt_and_says_so():
    v = verdict(marrow(495, 25), marrow(506, 25))
    assert v.stop
    assert v.reason.startswith(
        "506 cells counted; a count ends at 500, and its last field counts whole. Still in doubt: Blast 4.9 %"
    )


def test_at_exactly_500_no_field_has_to_be_explained():
    v = verdict(marrow(495, 25), marrow(500, 25))
    assert v.reason.startswith("500 cells counted; a count ends at 500. Still in doubt: Blast 5.0 %")


def test_a_field_that_passes_two_looks_is_one_look():
    v = verdict(marrow(280, 20), marrow(410, 21))
    assert (v.stop, v.aim) == (False, 500)


def test_blood_looks_at_its_own_limits():
    before = tally(specimen="blood", lymphocyte=290)
    after = tally(specimen="blood", lymphocyte=298, blast=6)
    assert "either side of 2 or 5 %" in verdict(before, after).reason
    assert verdict(marrow(290), marrow(304, 1)).stop


def test_the_laboratorys_limits_replace_the_panels():
    own = rules(watched={"blast": [], "lymphocyte": [50]})
    before, after = Tally(own, {"lymphocyte": 145}), Tally(own, {"lymphocyte": 150, "monocyte": 150})
    assert "Lymphocyte 50.0 %" in verdict(before, after).reason


def test_without_watched_limits_300_are_enough():
    none = rules(watched={"blast": []})
    v = verdict(Tally(none, {"blast": 14}), Tally(none, {"blast": 15, "lymphocyte": 285}))
    assert (v.stop, v.reason) == (True, "300 cells counted; 300 are enough.")


def test_unidentified_cells_do_not_count_towards_300():
    assert not verdict(marrow(290), marrow(299).adding(["unidentified"] * 50)).stop


fields = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=40, max_size=60)


@given(fields, st.integers(1, 50))
def test_a_count_interrupted_anywhere_takes_the_same_looks(cells, cut):
    """The rule sees two neighbouring tallies only, so it cannot tell whether there was a pause."""

    def stopped_at(start: Tally, rest: list[tuple[int, int]]) -> tuple[Tally, bool]:
        t = start
        for blasts, others in rest:
            after = t.adding(["blast"] * blasts + ["monocyte"] * others)
            if verdict(t, after).stop:
                return after, True
            t = after
        return t, False

    whole = stopped_at(marrow(0), cells)
    first, ended = stopped_at(marrow(0), cells[:cut])
    assert whole == (
        (first, True) if ended else stopped_at(Tally(first.rules, dict(first.counts)), cells[cut:])
    )


@given(fields)
def test_a_count_ends_in_the_field_that_reaches_the_most_at_the_latest(cells):
    before = marrow(0)
    for blasts, others in cells:
        after = before.adding(["blast"] * blasts + ["monocyte"] * others)
        v = verdict(before, after)
        assert v.stop or after.counted < 500
        assert v.stop or v.aim > after.counted
        if v.stop:
            break
        before = after


@pytest.mark.parametrize("limit", [5, 10, 20])
def test_a_true_percentage_at_a_limit_stops_early_in_fewer_than_three_percent_of_counts(limit):
    """At most the sum of the looks' own chances: the exact one each, from the binomial distribution."""
    chance = 0.0
    for total in (300, 400):
        doubt = [k for k in range(total + 1) if _contains(k, total, limit)]
        chance += 1 - (binom.cdf(doubt[-1], total, limit / 100) - binom.cdf(doubt[0] - 1, total, limit / 100))
    assert 0 < chance < 0.03


def _contains(count: int, total: int, limit: float) -> bool:
    low, high = clopper_pearson(count, total, 0.99)
    return low <= limit <= high
