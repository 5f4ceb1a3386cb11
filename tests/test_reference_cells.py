"""Beside a doubtful cell stand cells of the same label that the laboratory has signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders_review import RUN, case, ended, reclassify, review_store, signed

from appliance.review.reference_cells import reference_cells
from appliance.store import Store

CELLS = ("blast", "lymphocyte", "monocyte")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with review_store(tmp_path / "store.sqlite", labels=CELLS) as made:
        yield made


def another(store: Store, run: str, status: str = "final", **changes: object) -> list[int]:
    """Another run with the same cells that was signed; its cells' ids."""
    ended(store, CELLS, run=run, **changes)
    signed(store, status, run=run)
    return [cell.id for cell in case(store, run).machine]


def found(store: Store, label: str = "blast") -> list[int]:
    return [one.cell for one in reference_cells(store, RUN, label)]


def test_until_something_is_signed_there_are_none(store: Store) -> None:
    ended(store, CELLS, run="another")
    assert found(store) == []


def test_cells_of_other_signed_runs_are_references(store: Store) -> None:
    signed(store, "final")
    blast, *_ = another(store, "another")
    assert found(store) == [blast]


def test_what_counts_is_the_label_that_was_signed(store: Store) -> None:
    ended(store, CELLS, run="another")
    blast, lymphocyte, _ = [cell.id for cell in case(store, "another").machine]
    reclassify(store, [lymphocyte], "blast", run="another")
    signed(store, "final", run="another")
    reclassify(store, [blast], "monocyte", run="another")
    assert found(store) == [blast, lymphocyte], "the one of which the machine says the same comes first"


@pytest.mark.parametrize("changes", [{"status": "preliminary"}, {"simulated": True}, {"panel": "blood-11"}])
def test_what_is_not_finally_signed_or_of_another_kind_is_no_reference(
    store: Store, changes: dict[str, object]
) -> None:
    another(store, "another", **changes)
    assert found(store) == []
