"""What is asked of an engine before it counts: nearly every cell named alike, and every cell that is not, listed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.engines.comparison import (
    IN_EIGHT_BITS,
    IN_FLOATING_POINT,
    Answers,
    FoundCell,
    Verdict,
    compare,
    criteria,
)
from models.engines.names import EnginePrecision

OUTPUTS = ("monocyte", "basophil")
N = 2000


def probabilities(count: int = N) -> np.ndarray:
    share = np.linspace(0.6, 0.99, count, dtype=np.float32)
    return np.stack([share, 1 - share], axis=1)


def cell(x: float = 10.0, label: str | None = "monocyte", *findings: str) -> FoundCell:
    said = None if label is None else np.array([0.9, 0.1, 0.9, 0.1], np.float32)
    return FoundCell(x, 5.0, label, findings, said)


def answers(of: np.ndarray | None = None, *fields: tuple[FoundCell, ...]) -> Answers:
    return Answers(OUTPUTS, probabilities() if of is None else of, fields)


def turned_over(count: int) -> np.ndarray:
    """The answers, but so many cells are named otherwise."""
    changed = probabilities()
    changed[:count] = changed[:count, ::-1]
    return changed


def verdict(engine: Answers, processor: Answers | None = None, **changes: Any) -> Verdict:
    truth = changes.pop("truth", ["monocyte"] * len(engine.cells))
    asked = replace(changes.pop("asked", IN_FLOATING_POINT), **changes)
    return compare(processor or answers(), engine, truth, asked, "tensorrt")


def test_the_same_answers_may_count() -> None:
    found = verdict(answers())
    assert found.passed
    assert found.measured["labels equal"] == 1
    assert found.measured["probability off, 99th percentile"] == 0


def test_two_cells_of_a_thousand_may_be_named_otherwise_in_floating_point() -> None:
    assert verdict(answers(turned_over(4)), probability=None).passed
    failed = verdict(answers(turned_over(5)), probability=None)
    assert not failed.passed
    assert failed.said[0].startswith(
        "5 of 2000 cells are named differently: 99.75 % are named alike, and 99.8 %"
    )


def test_ten_cells_of_a_thousand_may_be_named_otherwise_in_eight_bits() -> None:
    engine, truth = answers(turned_over(20)), ["monocyte"] * 1990 + ["basophil"] * 10
    assert verdict(engine, asked=IN_EIGHT_BITS, accuracy=None, truth=truth).passed
    assert not verdict(answers(turned_over(21)), asked=IN_EIGHT_BITS, accuracy=None).passed


@pytest.mark.parametrize(("off", "passed"), [(0.009, True), (0.011, False)])
def test_probabilities_are_off_by_no_more_than_a_hundredth_in_floating_point(
    off: float, passed: bool
) -> None:
    changed = probabilities()
    changed[:40, 0] += off  # 2 % of the cells: the 99th percentile is one of them
    found = verdict(answers(changed))
    assert found.passed is passed
    assert found.measured["probability off, 99th percentile"] == pytest.approx(off, abs=1e-6)
    assert passed or found.said[0].startswith("Probabilities are off by 0.0110 for one cell in a hundred")


def test_one_cell_in_two_hundred_may_be_off_by_more() -> None:
    changed = probabilities()
    changed[:10, 0] += 0.3
    assert verdict(answers(changed)).passed


def test_accuracy_may_differ_by_three_tenths_of_a_point_in_eight_bits() -> None:
    assert verdict(answers(turned_over(6)), asked=IN_EIGHT_BITS).passed
    failed = verdict(answers(turned_over(7)), asked=IN_EIGHT_BITS)
    assert not failed.passed
    assert "99.65 % of the cells are named rightly, 100.00 % by the processor" in failed.said[0]


def test_accuracy_that_nobody_can_know_is_no_accuracy() -> None:
    found = verdict(answers(), asked=IN_EIGHT_BITS, truth=[None] * N)
    assert not found.passed
    assert "accuracy" not in found.measured


def test_too_few_cells_prove_nothing() -> None:
    few = answers(probabilities(499))
    found = verdict(few, few)
    assert not found.passed
    assert found.said[0] == "499 cells are too few to judge by: it takes 500."


def test_an_answer_that_is_no_number_does_not_pass() -> None:
    changed = probabilities()
    changed[:100] = np.nan
    assert not verdict(answers(changed)).passed


def test_equal_counts_are_said() -> None:
    fields = ((cell(10), cell(30)), (cell(10),))
    assert verdict(answers(None, *fields), answers(None, *fields)).said == (
        "The counts of the fields are equal, cell by cell (3 cells).",
    )


def test_every_cell_of_a_field_that_differs_is_listed() -> None:
    processor = answers(None, (cell(10), cell(30)), (cell(50, "monocyte", "vacuoles"), cell(90, None)))
    engine = answers(None, (cell(10.5, "basophil"),), (cell(50), cell(90), cell(70)))
    assert verdict(engine, processor).said[-6:] == (
        "The counts of the fields are not equal: 5 of 5 cells differ.",
        "Field 1, x 10.0, y 5.0 µm: monocyte on the processor, basophil on tensorrt.",
        "Field 1, x 30.0, y 5.0 µm: monocyte on the processor, not found on tensorrt.",
        "Field 2, x 50.0, y 5.0 µm: monocyte with vacuoles on the processor, monocyte on tensorrt.",
        "Field 2, x 90.0, y 5.0 µm: at the border on the processor, monocyte on tensorrt.",
        "Field 2, x 70.0, y 5.0 µm: not found on the processor, monocyte on tensorrt.",
    )


def test_cells_of_fields_count_among_those_named_otherwise() -> None:
    fields = tuple((cell(10),) for _ in range(6))
    assert not verdict(answers(None, *((),) * 6), answers(None, *fields)).passed


def test_a_long_list_is_cut_and_says_so() -> None:
    fields = tuple((cell(10),) for _ in range(25))
    found = verdict(answers(None, *((),) * 25), answers(None, *fields))
    assert found.said[-1] == "And 5 more."


def test_the_criteria_are_those_of_the_precision() -> None:
    assert criteria(EnginePrecision.INT8) is IN_EIGHT_BITS
    assert {criteria(each) for each in (None, EnginePrecision.FP16, EnginePrecision.FP32)} == {
        IN_FLOATING_POINT
    }


def test_answers_to_another_reference_set_are_not_compared() -> None:
    with pytest.raises(ValueError, match="two different reference sets"):
        verdict(answers(probabilities(10)), truth=["monocyte"] * 10)
