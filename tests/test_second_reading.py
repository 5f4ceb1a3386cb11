"""A second reader labels blind, and is compared with the machine and the first reader when all is labelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders_review import RUN, ask, case, reclassify, review_store, signed

from appliance.errors import ApplianceRefused
from appliance.review.second_reading import Comparison, SecondReading, compare, draw, second_reading
from appliance.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with review_store(tmp_path / "store.sqlite") as made:
        yield made


def reading(store: Store, who: str = "bert") -> SecondReading:
    found = second_reading(store, RUN, case(store).machine, who)
    assert found is not None
    return found


def read(store: Store, cells: list[int], to: str, by: str = "bert") -> dict:
    return ask(store, "label_second", cells=cells, to=to, by=by)


def read_all(store: Store, by: str = "bert", **labels: list[int]) -> None:
    """Begin, label every cell and finish: read_all(store, blast=[1, 2], lymphocyte=[3, 4, 5, 6])."""
    ask(store, "begin_second_reading", by=by)
    for label, cells in labels.items():
        read(store, cells, label, by)
    ask(store, "finish_second_reading", by=by)


def compared(store: Store, who: str = "bert") -> Comparison:
    now = case(store)
    return compare(now.tally.rules.panel, now.machine, now.history, reading(store, who))


def test_a_second_reader_sees_every_cell_with_a_window_and_no_label(store: Store) -> None:
    assert ask(store, "begin_second_reading", by="bert") == {"cells": 6}
    assert (sorted(reading(store).cells), reading(store).labels) == ([1, 2, 3, 4, 5, 6], {})


def test_cells_are_not_shown_in_the_order_in_which_they_were_found() -> None:
    assert draw("0123456789ab", range(100), None) != tuple(range(100))


def test_a_sample_is_the_same_for_every_reader_and_begins_a_larger_one() -> None:
    small, large = draw("0123456789ab", range(500), 50), draw("0123456789ab", reversed(range(500)), 100)
    assert (len(set(large)), small) == (100, large[:50])


def test_another_run_draws_other_cells() -> None:
    assert draw("0123456789ab", range(500), 50) != draw("ba9876543210", range(500), 50)


def test_progress_is_known(store: Store) -> None:
    ask(store, "begin_second_reading", by="bert", sample=4)
    drawn = list(reading(store).cells)
    read(store, drawn[:3], "blast")
    assert reading(store).remaining == (drawn[3],)


def test_what_a_second_reader_says_does_not_change_the_result(store: Store) -> None:
    before = case(store).digest
    ask(store, "begin_second_reading", by="bert")
    read(store, [1, 2, 3], "blast")
    assert case(store).digest == before


def test_a_second_reader_may_think_again_and_undo(store: Store) -> None:
    ask(store, "begin_second_reading", by="bert")
    read(store, [1], "blast")
    batch = read(store, [1, 2], "monocyte")["batch"]
    ask(store, "undo_reclassification", batch=batch, by="bert")
    assert reading(store).labels == {1: "blast"}


def test_two_second_readers_do_not_see_each_other(store: Store) -> None:
    for who in ("bert", "carl"):
        ask(store, "begin_second_reading", by=who)
    read(store, [1], "blast", by="bert")
    assert reading(store, "carl").labels == {}


def test_it_is_finished_only_when_every_cell_has_a_label(store: Store) -> None:
    ask(store, "begin_second_reading", by="bert")
    read(store, [1, 2, 3, 4], "blast")
    with pytest.raises(ApplianceRefused, match="2 cells of 6 have no label"):
        ask(store, "finish_second_reading", by="bert")


def test_a_finished_reading_stays_as_it_is(store: Store) -> None:
    read_all(store, blast=[1, 2, 3, 4, 5, 6])
    with pytest.raises(ApplianceRefused, match="finished"):
        read(store, [1], "monocyte")


def test_readings_are_not_compared_before_the_second_is_finished(store: Store) -> None:
    ask(store, "begin_second_reading", by="bert")
    with pytest.raises(ApplianceRefused, match="goes on"):
        compared(store)


def test_machine_first_and_second_reader_are_compared_two_by_two(store: Store) -> None:
    reclassify(store, [1], "blast", by="anna")
    reclassify(store, [5], "blast", by="anna")
    read_all(store, blast=[1, 4, 5], lymphocyte=[2], monocyte=[3], artefact=[6])
    found = compared(store)
    observed = [
        each.whole.observed
        for each in (found.machine_and_first, found.machine_and_second, found.first_and_second)
    ]
    assert observed == [pytest.approx(4 / 6), pytest.approx(4 / 6), 1.0]
    assert (found.first_readers, found.second_reader, found.cells) == (("anna",), "bert", 6)


def test_what_the_first_reader_changes_afterwards_is_not_in_the_comparison(store: Store) -> None:
    read_all(store, blast=[1, 2, 3, 4, 5, 6])
    before = compared(store)
    reclassify(store, [1, 2, 3], "blast", by="anna")
    assert compared(store) == before


@pytest.mark.parametrize("seen", ["reviewed", "signed"])
def test_who_knows_the_labels_cannot_be_second_reader(store: Store, seen: str) -> None:
    reclassify(store, [5], "blast", by="anna" if seen == "reviewed" else "carl")
    if seen == "signed":
        signed(store, "preliminary", by="anna")
    with pytest.raises(ApplianceRefused, match="another person"):
        ask(store, "begin_second_reading", by="anna")


def test_a_second_reader_cannot_review_not_even_afterwards(store: Store) -> None:
    read_all(store, blast=[1, 2, 3, 4, 5, 6])
    with pytest.raises(ApplianceRefused, match="nobody is first and second"):
        reclassify(store, [1], "blast", by="bert")


def test_a_second_reader_cannot_undo_what_the_first_reader_did(store: Store) -> None:
    batch = reclassify(store, [1], "blast", by="anna")["batch"]
    ask(store, "begin_second_reading", by="bert")
    with pytest.raises(ApplianceRefused, match="no such change"):
        ask(store, "undo_reclassification", batch=batch, by="bert")


def test_a_second_reader_signs_only_after_having_finished(store: Store) -> None:
    reclassify(store, [5], "blast", by="anna")
    ask(store, "begin_second_reading", by="bert")
    with pytest.raises(ApplianceRefused, match="Finish it before signing"):
        signed(store, "preliminary", by="bert")


@pytest.mark.parametrize("sample", [0, -1, True, "all", 1.5])
def test_a_sample_is_a_number_of_cells(store: Store, sample: object) -> None:
    with pytest.raises(ApplianceRefused, match="whole number"):
        ask(store, "begin_second_reading", by="bert", sample=sample)


def test_a_cell_outside_the_sample_is_refused(store: Store) -> None:
    ask(store, "begin_second_reading", by="bert", sample=2)
    outside = next(cell for cell in range(1, 7) if cell not in reading(store).cells)
    with pytest.raises(ApplianceRefused, match="not in this second reading"):
        read(store, [outside], "blast")


def test_nobody_begins_twice_or_labels_without_having_begun(store: Store) -> None:
    with pytest.raises(ApplianceRefused, match="Begin one first"):
        read(store, [1], "blast")
    ask(store, "begin_second_reading", by="bert")
    with pytest.raises(ApplianceRefused, match="already"):
        ask(store, "begin_second_reading", by="bert")
