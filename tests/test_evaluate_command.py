"""`hemadiff evaluate`: what it writes, and what it finds out before it begins."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from builders_data import small_data_set
from click.testing import CliRunner, Result
from rich.console import Console

from appliance.cli import cli
from models.evaluate_command import _cell_tables, _say
from models.evaluation import report
from models.field_evaluation import FieldReport
from models.field_tables import field_table
from models.panel import load_panel

PANEL = load_panel("smear-13")


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


def strict(text: str) -> Any:
    """What JSON it is, by the standard: NaN is none."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_was_not_measured_is_null_in_json_and_a_dash_in_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = report(PANEL, [])
    assert math.isnan(result.macro_recall)
    _say(tmp_path / "cells.json", asdict(result), _cell_tables(result, {"macro_recall": result.macro_recall}))
    written = strict((tmp_path / "cells.json").read_text())
    assert written["macro_recall"] is None
    assert written["recall"]["monocyte"] is None
    said = capsys.readouterr().out
    assert "nan" not in said
    assert "–" in said


def test_a_field_figure_that_is_not_known_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    Console().print(field_table("a", [FieldReport("bccd", "val", 0, 0, math.nan, 0.5, 1.0)]))
    said = capsys.readouterr().out
    assert "–" in said
    assert "0.500" in said


def test_the_evaluation_of_a_small_data_set_is_written_as_strict_json(tmp_path: Path) -> None:
    data = small_data_set(tmp_path / "data", per_label=1)
    result = evaluate("cells", "--data", data, "--png", tmp_path / "c.png", "--json", tmp_path / "c.json")
    assert result.exit_code == 0, result.output
    assert strict((tmp_path / "c.json").read_text())["recall"]["eosinophil"] is None


def test_fields_are_judged_by_boxes_by_marrow_mosaics_and_where_there_are_no_white_cells(
    tmp_path: Path,
) -> None:
    data = small_data_set(tmp_path / "data", per_label=1)
    result = evaluate(
        "fields", "--detector", "saliency", "--split", "val", "--data", data, "--json", tmp_path / "f.json"
    )
    assert result.exit_code == 0, result.output
    figures = strict((tmp_path / "f.json").read_text())
    assert [item["source"] for item in figures["sources"]] == ["bccd", "raabin"]
    assert figures["marrow_mosaics"]["split"] == "val"
    assert figures["marrow_mosaics"]["near"]["cells"] + figures["marrow_mosaics"]["left_out"] == 2
    assert all(item["area_mm2"] > 0 for item in figures["without_white_cells"])
    assert "found once" in result.output
    assert "per mm²" in result.output


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["cells", "--json", "{}/nowhere/c.json"], "--json"),
        (["cells", "--png", "{}/nowhere/c.png"], "--png"),
        (["cells", "--png", "{}"], "--png"),
        (["fields", "--json", "{}/nowhere/f.json"], "--json"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], option: str
) -> None:
    def too_late(*_: object) -> None:
        raise AssertionError("the evaluation has begun")

    monkeypatch.setattr("models.data.data_folder", too_late)
    result = evaluate(*(each.format(tmp_path) for each in arguments))
    assert result.exit_code == 2
    assert option in result.stderr
    assert str(tmp_path) in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_may_not_be_written_to_is_refused_before_anything_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_, **__: False)  # permissions bind no superuser
    result = evaluate("fields", "--json", tmp_path / "f.json")
    assert result.exit_code == 2
    assert "cannot be written to" in result.stderr


def test_every_command_names_the_same_folder_of_images() -> None:
    from benchmarks.__main__ import main as benchmarks
    from models.training.cli import train

    commands = [
        (cli, ["evaluate", "cells"]),
        (cli, ["evaluate", "fields"]),
        (train, ["cells"]),
        (benchmarks, []),
    ]
    for command, path in commands:
        said = " ".join(CliRunner().invoke(command, [*path, "--help"]).output.split())
        assert "Default: HEMADIFF_DATA, else ../shared/data." in said
