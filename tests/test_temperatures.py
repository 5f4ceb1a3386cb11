"""Temperatures make probabilities mean what they say, before and after views are averaged."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.temperatures import Temperatures, fitted


def logits(first: float, views: int = 1, others: float = 0.0, cells: int = 100) -> np.ndarray:
    """Cells for whose first of 14 outputs the centred view says `first`, and the other views `others`."""
    result = np.zeros((cells, views, 14), np.float32)
    result[:, 0, 0] = first
    result[:, 1:, 0] = others
    return result


def test_an_overconfident_network_is_made_modest() -> None:
    assert fitted(logits(8.0), [0] * 80 + [1] * 20, 0.8).view > 1.5


def test_the_temperature_is_the_one_under_which_the_labels_are_most_likely() -> None:
    assert fitted(logits(3.0), [0] * 60 + [1] * 40, 0.5).view == pytest.approx(
        3 / math.log(0.6 * 13 / 0.4), abs=0.02
    )


def test_what_averaging_made_too_modest_is_made_bolder() -> None:
    found = fitted(logits(3.0, views=2, others=0.0), [0] * 60 + [1] * 40, 0.8)
    assert found.guided < 1
    mean = np.array([[0.40, *[0.6 / 13] * 13]], np.float32)
    assert found.of_mean(mean)[0, 0] > 0.40


def test_cells_that_nobody_looks_at_again_do_not_shape_the_second_temperature() -> None:
    assert fitted(logits(9.0, views=2), [0] * 99 + [1], 0.5).guided == 1.0


def test_probabilities_add_up_and_keep_their_order() -> None:
    found = Temperatures(view=0.7, guided=0.5)
    one = found.of_view(np.array([[2.0, 1.0, -1.0]], np.float32))
    mean = found.of_mean(one)
    assert one.sum() == pytest.approx(1)
    assert mean.sum() == pytest.approx(1)
    assert list(np.argsort(mean[0])) == [2, 1, 0]


def test_a_card_states_both_for_its_specimen() -> None:
    assert Temperatures(0.7, 0.9).as_settings("marrow") == {
        "temperature_marrow": 0.7,
        "guided_temperature_marrow": 0.9,
    }


def test_a_second_network_that_is_surer_needs_less_boldness() -> None:
    views = logits(1.0, views=2, others=0.0)
    sure = logits(6.0, views=2, others=6.0)
    truth = [0] * 90 + [1] * 10
    assert fitted(views, truth, 0.8, sure).guided > fitted(views, truth, 0.8).guided
