"""What a count was worth, against a slide whose every cell is known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.simulator.comparison import Comparison, CountedField, FoundCell, compare
from appliance.simulator.slide import TrueCell

FIELDS = [CountedField(0.0, 0.0, 140.0, 100.0), CountedField(145.0, 0.0, 140.0, 100.0)]


def true(x_um: float, label: str = "lymphocyte", **changes: Any) -> TrueCell:
    return TrueCell(label, x_um, 50.0, 5.0, **{"at_edge": False, **changes})


def found(x_um: float, label: str = "lymphocyte", counted: bool = True) -> FoundCell:
    return FoundCell(x_um, 50.5, label, counted)


def compared(cells: list[FoundCell], truth: list[TrueCell], **changes: Any) -> Comparison:
    usual = {"limits": {}, "true_percent": {}}
    return compare(FIELDS, cells, truth, 19.2, **{**usual, **changes})


def test_a_cell_that_is_found_and_named_rightly_counts_for_everything() -> None:
    result = compared([found(40)], [true(40)])
    assert (result.detection_recall, result.detection_precision, result.system_accuracy) == (1, 1, 1)


def test_a_cell_that_is_missed_is_no_system_accuracy_but_no_wrong_name_either() -> None:
    result = compared([found(40)], [true(40), true(80)])
    assert (result.detection_recall, result.classification_accuracy, result.system_accuracy) == (0.5, 1, 0.5)


def test_a_wrong_name_is_found_all_the_same() -> None:
    result = compared([found(40, "monocyte")], [true(40)])
    assert (result.detection_recall, result.classification_accuracy) == (1, 0)


def test_a_cell_that_is_counted_where_nothing_lies_costs_precision() -> None:
    result = compared([found(40), found(90)], [true(40)])
    assert (result.detection_precision, result.artefacts_counted) == (0.5, 0.5)


def test_a_platelet_that_is_counted_is_an_artefact_and_one_that_is_named_so_is_none() -> None:
    truth = [true(40), true(90, "platelet", countable=False)]
    assert compared([found(40), found(90)], truth).artefacts_counted == 0.5
    assert compared([found(40), found(90, "platelet", counted=False)], truth).artefacts_counted == 0


def test_one_cell_under_two_finds_is_counted_twice() -> None:
    assert compared([found(40), found(42)], [true(40)]).counted_twice == 1


def test_a_cell_at_the_smears_edge_is_told() -> None:
    assert compared([found(40)], [true(40, at_edge=True, countable=False)]).at_edge == 1


@pytest.mark.parametrize(("x_um", "wanted"), [(12.0, 1), (7.0, 0), (9.6, 0)])
def test_a_cell_whose_window_leaves_its_field_is_not_asked_for(x_um: float, wanted: int) -> None:
    assert compared([], [true(x_um)]).true_cells == wanted


@pytest.mark.parametrize("cells", [[], [found(10.5)]], ids=["missed", "found"])
def test_a_cell_at_the_windows_border_is_asked_for_neither_missed_nor_found(cells: list[FoundCell]) -> None:
    assert compared(cells, [true(10.5)]).true_cells == 0


def test_a_cell_that_is_counted_twice_is_one_cell_and_one_too_many() -> None:
    assert compared([found(40), found(42)], [true(40)]).detection_precision == 0.5


def test_of_two_finds_of_a_cell_the_nearer_one_is_its_name() -> None:
    twice = [found(42, "lymphocyte"), found(40, "monocyte")]
    assert compared(twice, [true(40)]).classification_accuracy == 0


def test_a_cell_that_two_fields_share_is_one_cell() -> None:
    result = compared([found(40), found(40)], [true(40), true(40)])
    assert (result.true_cells, result.counted_twice) == (1, 1)


def test_what_is_found_is_the_nearest_cell_though_nobody_counts_that() -> None:
    touching = [true(40), true(48, "smudge_cell", countable=False)]
    result = compared([found(44.9)], touching)
    assert (result.detection_recall, result.artefacts_counted) == (0, 1)


def test_dirt_on_a_cell_does_not_hide_it() -> None:
    assert compared([found(41)], [true(40), true(41, "artefact", countable=False)]).detection_recall == 1


def test_a_count_of_nothing_has_no_shares_and_can_be_written_all_the_same() -> None:
    figures = compared([], []).figures()
    assert (figures["detection_recall"], figures["counted"]) == (None, 0)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_coverage_is_the_share_of_limits_that_hold_the_slides_own_percentage() -> None:
    limits = {"lymphocyte": (20.0, 30.0), "monocyte": (5.0, 8.0)}
    result = compared([], [], limits=limits, true_percent={"lymphocyte": 25.0, "monocyte": 9.0})
    assert result.intervals_covering == 0.5
