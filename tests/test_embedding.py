"""The flat map of cells, on descriptions whose neighbours are known."""

from __future__ import annotations

import numpy as np
import pytest

from models.embedding import flat_map

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'hemadiff[report]'")


def two_groups(each: int) -> np.ndarray:
    random = np.random.default_rng(3)
    return np.concatenate([random.normal(0, 0.1, (each, 5)), random.normal(9, 0.1, (each, 5))]).astype(
        np.float32
    )


def test_cells_that_are_described_alike_lie_together() -> None:
    places = flat_map(two_groups(20))
    near = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(near, np.inf)
    assert ((near.argmin(axis=1) < 20) == (np.arange(40) < 20)).all()


def test_the_same_cells_give_the_same_map() -> None:
    assert np.array_equal(flat_map(two_groups(8)), flat_map(two_groups(8)))


def test_cells_that_are_all_alike_have_a_map_too() -> None:
    assert np.isfinite(flat_map(np.ones((9, 5), np.float32))).all()


def test_too_few_cells_make_no_map() -> None:
    with pytest.raises(ValueError, match="needs 8 cells, there are 3"):
        flat_map(np.zeros((3, 5), np.float32))
