"""What others see of a run: the same live and from the store, and the part of it that is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from builders_instrument import (
    Gate,
    PixelAnalyser,
    blood_field,
    count_to_the_end,
    field,
    folder,
    instrument,
    plan,
    until,
)
from builders_run import tally

from appliance.stored_view import stored_view
from appliance.view import LATEST, CellView, cell_view, published, with_new_cells

PUBLISHED = [
    "run", "state", "reason", "counted", "unidentified", "not_counted", "tally", "me_ratio", "engine", "weights",
    "um_per_px", "fields", "calibration", "calibration_source", "marks", "red_cells",
    "specimen", "camera", "simulated", "use",
]  # fmt: skip


def counted(tmp_path: Path, *fields: Any, **changes: Any) -> Any:
    return count_to_the_end(
        tmp_path / "s.sqlite",
        plan(folder(tmp_path / "a", fields), **{"min_cells": 4, "max_cells": 4, **changes}),
    )


def cells(*numbers: int) -> list[CellView]:
    return [cell_view(n, "lymphocyte", 0.9, 1, tally()) for n in numbers]


def test_a_past_run_looks_as_it_did_when_it_ended(tmp_path: Path) -> None:
    run = counted(tmp_path, field("lymphocyte", None, "platelet"), field("monocyte", "unidentified"))
    stored = stored_view(tmp_path / "s.sqlite", run["run"])
    latest = stored.pop("latest")  # type: ignore[misc]
    assert {key: value for key, value in run.items() if key != "latest"} == stored
    assert [cell["label"] for cell in latest] == ["unidentified", "monocyte", "platelet", "lymphocyte"]


def test_a_paused_run_from_the_store_says_what_the_live_one_said(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", (blood_field(n) for n in range(20)))
    gate = Gate(at=6)
    with instrument(tmp_path / "s.sqlite", PixelAnalyser(gate)) as made:
        made.start(plan(where))
        assert gate.reached.wait(60)
        made.pause()
        gate.opened.set()
        live = made.broadcast.snapshot()["run"]
    assert stored_view(tmp_path / "s.sqlite", live["run"]) == live


def test_what_is_published_has_exactly_its_stable_keys(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "00.png").write_bytes(b"")
    run = published(counted(tmp_path, field("lymphocyte", "platelet", None), field("unidentified")))
    assert list(run) == PUBLISHED
    assert all(list(row) == ["label", "count", "percent", "low", "high"] for row in run["tally"])
    assert list(run["fields"]) == ["counted", "skipped"]
    assert (run["counted"], run["unidentified"], run["not_counted"]) == (1, 1, {"platelet": 1})
    assert run["fields"]["counted"] == 2
    assert sum(run["fields"]["skipped"].values()) == 1
    json.dumps(run, allow_nan=False)


def test_labels_are_spelled_and_ordered_as_in_the_panel(tmp_path: Path) -> None:
    run = counted(tmp_path, field("lymphocyte", "band_neutrophil"), field("blast", "eosinophil"))
    assert [row["label"] for row in run["tally"]] == [
        "blast", "promyelocyte", "myelocyte", "metamyelocyte", "band_neutrophil", "segmented_neutrophil",
        "eosinophil", "basophil", "monocyte", "lymphocyte",
    ]  # fmt: skip
    assert [row["count"] for row in run["tally"]] == [1, 0, 0, 0, 1, 0, 1, 0, 0, 1]


def test_marrow_has_a_myeloid_to_erythroid_ratio_and_blood_has_erythroblasts_beside_it(
    tmp_path: Path,
) -> None:
    fields = [field("myelocyte", "myelocyte", "erythroblast", "lymphocyte")]
    marrow = counted(tmp_path / "marrow", *fields, specimen="marrow")
    assert (marrow["me_ratio"], marrow["nrbc_per_100"]) == (2.0, None)
    assert "erythroblast" in marrow["me_formula"]
    assert marrow["erythroid_percent"] == 25.0
    assert [round(limit, 1) for limit in marrow["erythroid_limits"]] == [0.6, 80.6]
    assert marrow["measure_reference"] == {"me_ratio": [2, 4], "erythroid_total": [18, 32]}
    blood = counted(tmp_path / "blood", *fields, specimen="blood", min_cells=3, max_cells=3)
    assert (blood["me_ratio"], blood["erythroid_percent"], blood["erythroid_limits"]) == (None, None, None)
    assert round(blood["nrbc_per_100"], 1) == 33.3
    assert blood["not_counted"] == {"erythroblast": 1}


def test_a_cell_says_whether_it_counts() -> None:
    seen = {
        label: cell_view(1, label, 0.9, 1, tally()) for label in ("lymphocyte", "platelet", "unidentified")
    }
    assert {label: cell["counted"] for label, cell in seen.items()} == {
        "lymphocyte": True, "platelet": False, "unidentified": False,
    }  # fmt: skip
    assert seen["unidentified"]["title"] == "Unidentified"
    assert seen["lymphocyte"]["title"] == "Lymphocyte"


def test_a_cell_at_the_border_has_no_label_and_does_not_count() -> None:
    cell = cell_view(7, None, None, 0, tally())
    assert cell == {
        "cell": 7, "label": None, "title": None, "short": None, "probability": None, "views": 0, "counted": False,
    }  # fmt: skip


def test_the_latest_cells_are_the_newest_first_without_those_at_the_border() -> None:
    border = cell_view(4, None, None, 0, tally())
    assert [cell["cell"] for cell in with_new_cells(cells(2, 1), [*cells(3), border, *cells(5)])] == [
        5,
        3,
        2,
        1,
    ]
    assert len(with_new_cells(cells(*range(LATEST)), cells(100, 101))) == LATEST


def test_a_run_that_goes_on_after_a_look_says_at_what_it_aims(tmp_path: Path) -> None:
    where = folder(tmp_path / "a", [field("blast", "lymphocyte", "lymphocyte", "lymphocyte")] * 4)
    asked = plan(where, watched={}, min_cells=8, max_cells=16)
    with instrument(tmp_path / "s.sqlite") as made:
        made.start(asked)
        run = until(made, lambda run: run["ended"])
    assert run["counted"] == 16
    assert run["aim"] == 16
    assert "Blast" in run["reason"]
