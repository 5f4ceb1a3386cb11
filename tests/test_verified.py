"""What was verified counts for the very box, weights, engine and precision that it was verified with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders_engines import BOX, subject, verification

from models.engines.names import EngineName, EnginePrecision
from models.engines.verified import Subject, find, keep
from models.errors import ModelRefused


@pytest.mark.parametrize("passed", [True, False])
def test_a_verification_is_found_as_it_was_kept(tmp_path: Path, passed: bool) -> None:
    made = verification(subject(), passed, "3 of 2000 labels differ.")
    keep(made, tmp_path / "engines")
    assert find(subject(), tmp_path / "engines") == made


def test_nothing_is_found_where_nothing_was_verified(tmp_path: Path) -> None:
    assert find(subject(), tmp_path / "engines") is None


@pytest.mark.parametrize(
    "other",
    [
        subject(weights="another"),
        subject(precision=EnginePrecision.INT8),
        subject(engine=EngineName.ONNX_CUDA),
        subject(box=replace(BOX, driver="590.10")),
        subject(box=replace(BOX, uuid="00000000-0000-0000-0000-000000000002")),
        subject(box=replace(BOX, tensorrt="11.4")),
        subject(box=replace(BOX, onnxruntime="1.32.0")),
    ],
    ids=["weights", "precision", "engine", "driver", "gpu", "tensorrt", "onnxruntime"],
)
def test_whatever_changes_is_asked_for_again(tmp_path: Path, other: Subject) -> None:
    keep(verification(), tmp_path)
    assert find(other, tmp_path) is None


def test_a_later_verification_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    keep(verification(passed=True), tmp_path)
    path = keep(verification(passed=False), tmp_path)
    found = find(subject(), tmp_path)
    assert found is not None
    assert not found.passed
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"key": 1}'])
def test_a_damaged_record_is_no_verification(tmp_path: Path, text: str) -> None:
    keep(verification(), tmp_path).write_text(text)
    assert find(subject(), tmp_path) is None


def test_a_record_of_another_box_under_this_ones_name_is_no_verification(tmp_path: Path) -> None:
    other = subject(box=replace(BOX, driver="590.10"))
    path = keep(verification(other), tmp_path)
    path.rename(keep(verification(), tmp_path))
    assert find(subject(), tmp_path) is None


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("a file")
    with pytest.raises(ModelRefused, match="cannot be kept in"):
        keep(verification(), tmp_path / "engines")
