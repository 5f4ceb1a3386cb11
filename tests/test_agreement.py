"""Cohen's κ against published examples, and said in words where it cannot be known."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.review.agreement import agreement, kappa

# Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, diagnoses of 100 patients by two raters
# (psychotic, neurotic, organic).
DIAGNOSES = ((75, 1, 4), (5, 4, 1), (0, 0, 10))
# SAS/STAT User's Guide, PROC FREQ, "Agreement Study": a skin condition judged by two dermatologists.
SKIN = ((10, 4, 1, 0), (5, 10, 12, 2), (2, 4, 12, 5), (0, 2, 6, 13))
# Cohen 1960, 200 patients.
PATIENTS = ((88, 14, 18), (10, 40, 10), (2, 6, 12))

tables = st.integers(1, 4).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(0, 30), min_size=n, max_size=n).map(tuple), min_size=n, max_size=n
    ).map(tuple)
)


def readings(table):
    """The two readings that a table sums up, over labels a, b, c …"""
    pairs = [
        ("abcd"[row], "abcd"[column])
        for row, counts in enumerate(table)
        for column, n in enumerate(counts)
        for _ in range(n)
    ]
    return {at: one for at, (one, _) in enumerate(pairs)}, {at: other for at, (_, other) in enumerate(pairs)}


def test_kappa_of_the_diagnoses_is_as_fleiss_gives_it():
    found = kappa(DIAGNOSES)
    assert (round(found.observed, 2), round(found.by_chance, 2)) == (0.89, 0.66)
    assert round(found.kappa, 2) == 0.68


def test_kappa_of_each_diagnosis_is_that_of_it_against_all_others():
    found = agreement(*readings(DIAGNOSES), "abcd").by_label
    assert {label: round(one.kappa, 2) for label, one in found.items()} == {"a": 0.69, "b": 0.50, "c": 0.77}


def test_kappa_error_and_limits_of_the_dermatologists_are_as_sas_gives_them():
    found = kappa(SKIN)
    assert [round(x, 4) for x in (found.kappa, found.standard_error, found.low, found.high)] == [
        0.3449, 0.0724, 0.2030, 0.4868,
    ]  # fmt: skip


def test_kappa_of_cohens_own_example_is_0_492():
    assert round(kappa(PATIENTS).kappa, 3) == 0.492


def by_delta_method(table) -> float:
    """The standard error of κ from its slope in every share of the table: another way to the same number."""
    shares = np.array(table, float) / np.sum(table)

    def of(p):
        by_chance = p.sum(1) @ p.sum(0)
        return (np.trace(p) - by_chance) / (1 - by_chance)

    step = 1e-6
    slopes = np.zeros_like(shares)
    for place in np.ndindex(shares.shape):
        nudge = np.zeros_like(shares)
        nudge[place] = step
        slopes[place] = (of(shares + nudge) - of(shares - nudge)) / (2 * step)
    mean = (shares * slopes).sum()
    return math.sqrt(((shares * slopes**2).sum() - mean**2) / np.sum(table))


@pytest.mark.parametrize("table", [DIAGNOSES, SKIN, PATIENTS])
def test_the_standard_error_is_what_the_delta_method_gives(table):
    assert kappa(table).standard_error == pytest.approx(by_delta_method(table), rel=1e-6)


def test_whole_kappa_is_the_mean_of_the_labels_weighted_by_what_chance_leaves():
    found = agreement(*readings(SKIN), "abcd")
    left = [1 - one.by_chance for one in found.by_label.values()]
    mean = sum(one.kappa * rest for one, rest in zip(found.by_label.values(), left, strict=True)) / sum(left)
    assert mean == pytest.approx(found.whole.kappa)


def test_the_table_has_the_first_reading_in_rows_and_labels_in_clinical_order():
    found = agreement({1: "b", 2: "a", 3: "c"}, {1: "b", 2: "b", 3: "c"}, "dcba")
    assert (found.labels, found.table) == (("c", "b", "a"), ((1, 0, 0), (0, 1, 0), (0, 1, 0)))


def test_only_cells_that_both_read_are_compared():
    assert agreement({1: "a", 2: "b"}, {2: "b", 3: "a"}, "ab").whole.cells == 1


@pytest.mark.parametrize(
    ("table", "kappa_is", "said"),
    [
        ((), None, "No cell was read by both"),
        (((0, 0), (0, 0)), None, "No cell was read by both"),
        (((7,),), None, "the same one label"),
        (((7, 0), (0, 0)), None, "the same one label"),
        (((5, 0), (0, 3)), 1.0, "agree on every cell"),
        (((5, 3), (0, 0)), 0.0, "One of the two gave every cell the same label"),
        (((0, 8), (0, 0)), 0.0, "One of the two gave every cell the same label"),
    ],
)
def test_what_cannot_be_known_is_said(table, kappa_is, said):
    found = kappa(table)
    assert (found.kappa, found.standard_error, found.low, found.high) == (kappa_is, None, None, None)
    assert said in found.said


@given(tables)
def test_no_number_is_ever_nan_and_limits_hold_kappa(table):
    found = kappa(table)
    assert all(math.isfinite(x) for x in astuple(found) if isinstance(x, int | float))
    if found.low is not None:
        assert -1 <= found.low <= found.kappa <= found.high <= 1
    else:
        assert found.said


@given(tables)
def test_it_does_not_matter_who_is_first(table):
    one, other = kappa(table), kappa(tuple(zip(*table, strict=True)))
    assert one.kappa == pytest.approx(other.kappa)
    assert one.standard_error == pytest.approx(other.standard_error)
