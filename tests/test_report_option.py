"""`hemadiff evaluate --report`: what it writes, and what it finds out before anything is evaluated."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from builders_data import small_data_set
from click.testing import CliRunner, Result

from appliance.cli import cli

KINDS = ["cells", "fields"]


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


@pytest.fixture
def nothing_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_: object) -> None:
        raise AssertionError("the evaluation has begun")

    monkeypatch.setattr("models.data.data_folder", too_late)


@pytest.mark.usefixtures("nothing_evaluated")
@pytest.mark.parametrize(("module", "package"), [("onnx", "onnx"), ("sklearn", "scikit-learn")])
def test_a_report_of_cells_says_what_is_not_installed_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = evaluate("cells", "--report", tmp_path / "report")
    assert result.exit_code == 2
    assert f"a report needs {package}, " in result.stderr
    assert "pip install 'hemadiff[report]'" in result.stderr
    assert not (tmp_path / "report").exists()


@pytest.mark.usefixtures("nothing_evaluated")
@pytest.mark.parametrize("kind", KINDS)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for module in ("onnx", "sklearn"):
        pytest.importorskip(module, reason="pip install 'hemadiff[report]'")
    (tmp_path / "file").touch()
    for folder, said in (("nowhere/report", "does not exist"), ("file", "is a file")):
        result = evaluate(kind, "--report", tmp_path / folder)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    monkeypatch.setattr("os.access", lambda *_, **__: False)  # permissions bind no superuser
    for folder, said in (("report", "cannot be written to"), ("", "is not writable")):
        result = evaluate(kind, "--report", tmp_path / folder)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_both_reports_lie_in_one_folder(tmp_path: Path) -> None:
    for module in ("onnx", "sklearn"):
        pytest.importorskip(module, reason="pip install 'hemadiff[report]'")
    data = small_data_set(tmp_path / "data", per_label=1)
    folder = tmp_path / "report"
    for kind, more in (("cells", ["--png", tmp_path / "c.png"]), ("fields", [])):
        result = evaluate(kind, "--data", data, "--report", folder, *more)
        assert result.exit_code == 0, result.output
        assert f"Report: {folder / kind}.html" in result.stderr
    assert {path.name for path in folder.iterdir()} == {"cells.html", "fields.html", "charts"}
    assert "Network for light" in (folder / "cells.html").read_text(encoding="utf-8")
    assert "Marrow mosaics" in (folder / "fields.html").read_text(encoding="utf-8")
