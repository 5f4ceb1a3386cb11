"""The appliance does without PyTorch, and training says so where it is not there."""

from __future__ import annotations

import sys

import pytest

from models.training import cli


@pytest.mark.parametrize("absent", ["torch", "onnx", "onnxscript"])
@pytest.mark.parametrize("command", ["cells", "detector"])
def test_training_names_what_is_not_installed_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, absent: str
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(SystemExit) as ended:
        cli.main([command])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("hemadiff-train: Training needs")
    assert absent in said
    assert "pip install 'hemadiff[train]'" in said
    assert len(said.splitlines()) == 1


def test_help_needs_no_pytorch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    cli.main(["cells", "--help"])
    assert "--epochs" in capsys.readouterr().out
