"""What a count was worth, against a slide whose every cell is known."""

from __future__ import annotations

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


def test_a_cell_at_the_windows_border_counts_where_it_was_found() -> None:
    assert compared([found(9.6)], [true(9.6)]).true_cells == 1


def test_coverage_is_the_share_of_limits_that_hold_the_slides_own_percentage() -> None:
    limits = {"lymphocyte": (20.0, 30.0), "monocyte": (5.0, 8.0)}
    result = compared([], [], limits=limits, true_percent={"lymphocyte": 25.0, "monocyte": 9.0})
    assert result.intervals_covering == 0.5
