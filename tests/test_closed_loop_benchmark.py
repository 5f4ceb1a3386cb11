"""The closed loop's figures: pooled over all cells, and limits that hold as often as names are right."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from appliance.interval import clopper_pearson
from benchmarks import closed_loop
from benchmarks.closed_loop import counted, groups, wished
from benchmarks.closed_loop_figures import Count, pooled, predicted_covering

Names = Mapping[tuple[str, str | None], int]
RIGHT: Names = {("lymphocyte", "lymphocyte"): 200, ("monocyte", "monocyte"): 300}
WRONG: Names = {
    ("lymphocyte", "lymphocyte"): 100,
    ("lymphocyte", "monocyte"): 100,
    ("monocyte", "monocyte"): 300,
}
PERCENT = {"lymphocyte": 40.0, "monocyte": 60.0}


def count(names: Names = RIGHT, seed: int = 1, **changes: object) -> Count:
    """A count of 500 cells that went as `names` says."""
    given = {label: sum(n for (_, name), n in names.items() if name == label) for label in PERCENT}
    total = sum(given.values())
    truth = {
        "counted": total,
        "detection_precision": 1.0,
        "artefacts_counted": 0.0,
        "counted_twice": 0,
        "at_edge": 0,
    }
    limits = {label: clopper_pearson(n, total) for label, n in given.items()}
    usual = Count("blood", "drawn", seed, 30, 60.0, truth, names, limits, PERCENT)
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_each_share_is_over_the_cells_of_all_counts_together() -> None:
    missed = {("lymphocyte", None): 20, ("monocyte", "monocyte"): 80}

    figures = pooled([count(), count(missed, seed=2)], trials=1)

    assert figures.true_cells == 600
    assert figures.detection_recall == pytest.approx(580 / 600)
    assert figures.classification_accuracy == 1.0
    assert figures.system_accuracy == pytest.approx(580 / 600)
    assert figures.recall_by_label == {"lymphocyte": 1.0, "monocyte": 1.0}


def test_a_share_of_the_counted_weighs_by_how_many_were_counted() -> None:
    few = replace(count(seed=2), truth={**count().truth, "counted": 100, "artefacts_counted": 0.06})

    assert pooled([count(), few], trials=1).artefacts_counted == pytest.approx(0.01)


def test_what_may_not_happen_is_added_up() -> None:
    worse = replace(count(seed=2), truth={**count().truth, "counted_twice": 2, "at_edge": 1})

    figures = pooled([count(), worse], trials=1)

    assert (figures.counted_twice, figures.at_edge) == (2, 1)


def test_limits_hold_as_promised_where_every_name_is_right() -> None:
    assert predicted_covering([count(), count(seed=2)]) > 0.93


def test_limits_hold_less_often_where_names_are_wrong() -> None:
    assert predicted_covering([count(WRONG), count(WRONG, seed=2)]) < 0.1


def test_a_count_does_not_predict_itself() -> None:
    assert predicted_covering([count(WRONG), count(RIGHT, seed=2)], 200) == pytest.approx(0.5, abs=0.1)


def test_nothing_is_predicted_from_another_kind_of_cells() -> None:
    assert math.isnan(predicted_covering([count(), count(cells="real")]))


def test_cells_outside_the_differential_take_names_that_are_counted() -> None:
    names = {**RIGHT, ("erythroblast", "lymphocyte"): 100}

    assert predicted_covering([count(names), count(names, seed=2)]) < 0.1


def test_real_cells_come_first_and_specimens_in_turns() -> None:
    assert list(wished(2, ("real", "drawn"))) == [
        ("blood", "real", 1), ("marrow", "real", 2), ("blood", "drawn", 1), ("marrow", "drawn", 2),
    ]  # fmt: skip


def test_counts_are_grouped_by_cells_and_by_specimen() -> None:
    names = [name for name, _ in groups([count(), count(specimen="marrow", cells="real")])]

    assert names == ["real cells", "real, marrow", "drawn cells", "drawn, blood"]


def test_a_count_on_record_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_loop, "_hemadiff", lambda *_: pytest.fail("it counted again"))
    place = tmp_path / "blood-drawn-1"
    place.mkdir()
    (place / "count.json").write_text(json.dumps(count().to_json()))

    again = counted(tmp_path, "blood", "drawn", 1, None, 500, 20.0)

    assert isinstance(again, Count)
    assert asdict(again) == asdict(count())


def test_a_count_that_never_began_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_loop, "_hemadiff", lambda *_: None)

    assert "never began" in str(counted(tmp_path, "blood", "drawn", 1, None, 500, 20.0))
