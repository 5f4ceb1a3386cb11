"""Precision over recall and reliability, on answers whose figures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.curves import precision_recall, reliability
from models.field_evaluation import average_precision


def test_a_curve_keeps_the_best_precision_at_each_recall_or_above() -> None:
    curve = precision_recall([0.9, 0.8, 0.7], [True, False, True], 2)
    assert curve.recall.tolist() == [0.5, 0.5, 1.0]
    assert curve.precision.tolist() == pytest.approx([1, 2 / 3, 2 / 3])
    assert curve.average == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_the_order_of_candidates_does_not_matter_not_even_where_scores_are_equal() -> None:
    scores, right = [0.9, 0.9, 0.4, 0.9], [True, False, True, False]
    there = precision_recall(scores, right, 2)
    back = precision_recall(scores[::-1], right[::-1], 2)
    assert there.recall.tolist() == back.recall.tolist() == [0.5, 1.0]
    assert there.average == back.average == pytest.approx(0.5)


def test_the_area_is_the_average_precision_of_the_evaluation_of_fields() -> None:
    random = np.random.default_rng(4)
    right = random.random(60) < 0.6
    assert precision_recall(-np.arange(60.0), right, 45).average == pytest.approx(
        average_precision(right.tolist(), 45)
    )


def test_what_was_never_found_costs_recall_and_what_is_not_there_has_no_area() -> None:
    assert precision_recall([], [], 3).average == 0
    assert precision_recall([0.5], [True], 4).average == pytest.approx(0.25)
    assert math.isnan(precision_recall([0.5], [False], 0).average)


def test_probabilities_that_hold_have_no_calibration_error() -> None:
    found = reliability([0.75] * 4 + [0.25] * 4, [True, True, True, False, True, False, False, False], 2)
    assert found.count.tolist() == [4, 4]
    assert found.right.tolist() == found.probability.tolist() == [0.25, 0.75]
    assert found.error == 0


def test_the_calibration_error_is_the_mean_distance_over_answers() -> None:
    found = reliability([1.0, 1.0, 1.0, 0.6], [True, True, False, False])
    assert found.error == pytest.approx((3 * (1 - 2 / 3) + 0.6) / 4)
    assert found.count[-1] == 3
    assert found.count.sum() == 4


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_without_answers_nothing_is_known_of_their_reliability() -> None:
    found = reliability([], [])
    assert math.isnan(found.error)
    assert np.isnan(found.right).all()
