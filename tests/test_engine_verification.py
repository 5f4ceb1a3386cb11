"""An engine is asked about a reference set on the very box, and counts only where it answers as the processor does.

No GPU is here: what poses as an engine is the processor's, as it is or with its numbers changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_commands import at_home, hemadiff
from builders_engines import BOX, subject
from builders_gpu import drawn_picture
from builders_smear import photograph

from appliance.config_engine import EngineSettings
from appliance.engines import Opening, choose_engine
from appliance.expected_frames import FrameSize
from appliance.network_analyser import NetworkAnalyser, analyser_on
from appliance.reference_pictures import reference_pictures, signed_cells
from appliance.verifying import answers, verify, work
from models import AnalysisError
from models.cascade_file import Precision
from models.engines.box import Asked
from models.engines.comparison import IN_FLOATING_POINT, Answers
from models.engines.engine import Batch
from models.engines.names import EngineName, EnginePrecision
from models.engines.onnx_engine import OnnxEngine
from models.engines.reference_set import BATCHES, ReferenceCell, ReferenceSet, in_batches
from models.errors import EngineRefused

AT = datetime(2026, 1, 2, tzinfo=UTC)
OF = ("network", "smear-13", "blood")
FEW = replace(IN_FLOATING_POINT, fewest=24)
Change = Callable[[np.ndarray], np.ndarray]


class Changed(OnnxEngine):
    """The processor's engine; the classifiers' numbers are changed."""

    change: Change = staticmethod(lambda numbers: numbers)

    def run(self, batch: Batch) -> Any:
        numbers = super().run(batch)
        return type(self).change(numbers) if numbers.ndim == 2 else numbers


@cache
def analyser(change: Change | None = None) -> NetworkAnalyser:
    engine = OnnxEngine if change is None else type("Posing", (Changed,), {"change": staticmethod(change)})
    return analyser_on(Opening(engine, Precision.FLOAT), *OF)  # type: ignore[arg-type]


def slightly(numbers: np.ndarray) -> np.ndarray:
    """As half precision might: some 0.1 % off."""
    return np.asarray(numbers * np.float32(1.001), np.float32)


def much(numbers: np.ndarray) -> np.ndarray:
    """Far off, and yet every first view has the same label."""
    return np.asarray(numbers * np.float32(0.6), np.float32)


def other_labels(numbers: np.ndarray) -> np.ndarray:
    return np.roll(numbers, 1, axis=1)


@pytest.fixture(scope="module")
def small() -> ReferenceSet:
    """Two fields with two cells each, and three cells."""
    cells = [photograph(nucleus_um=3.5, cell_um=6.0), photograph(nucleus_um=4.5, cell_um=6.5)]
    field = np.hstack(cells)
    patches = [np.ascontiguousarray(each[84:276:2, 84:276:2]) for each in cells]
    known = tuple(ReferenceCell(patch, "lymphocyte") for patch in patches)
    unknown = ReferenceCell(np.ascontiguousarray(drawn_picture(96, 96)), None)
    return ReferenceSet((field, np.ascontiguousarray(field[:, ::-1])), 0.1, (*known, unknown), own=1)


@pytest.fixture(scope="module")
def expected(small: ReferenceSet) -> Answers:
    return answers(analyser(), small)


def test_every_symmetry_of_a_cell_is_asked_about(small: ReferenceSet) -> None:
    assert small.patches.shape == (24, 96, 96, 3)
    assert len({patch.tobytes() for patch in small.patches[::3]}) > 1
    assert small.truth == ("lymphocyte", "lymphocyte", None) * 8


def test_cells_are_asked_about_in_batches_of_every_size_and_stay_in_order() -> None:
    patches = np.arange(2 * sum(BATCHES) + 5, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    sizes: list[int] = []

    def probabilities(part: np.ndarray) -> np.ndarray:
        return part[:, 0, 0, :1].astype(np.float32)

    found = in_batches(probabilities, patches, sizes.append)
    assert sizes == [*BATCHES, *BATCHES, 5]
    assert np.array_equal(found[:, 0], patches[:, 0, 0, 0])


def test_the_processor_posing_as_another_engine_passes(small: ReferenceSet, expected: Answers) -> None:
    told: list[int] = []
    found = verify(subject(), small, expected, analyser, AT, told.append, FEW)
    assert found.passed
    assert found.measured["labels equal"] == 1
    assert found.measured["cells in fields"] >= 3
    assert found.measured["cells of the laboratory's own"] == 1
    assert sum(told) == work(small)


def test_an_engine_that_is_off_by_a_little_passes(small: ReferenceSet, expected: Answers) -> None:
    found = verify(subject(), small, expected, lambda: analyser(slightly), AT, asked=FEW)
    assert found.passed
    assert 0 < found.measured["probability off, 99th percentile"] < 0.01


def test_an_engine_that_is_off_by_much_fails(small: ReferenceSet, expected: Answers) -> None:
    found = verify(subject(), small, expected, lambda: analyser(much), AT, asked=FEW)
    assert not found.passed
    assert any("Probabilities are off by" in sentence for sentence in found.said)


def test_an_engine_that_names_cells_otherwise_fails_and_they_are_listed(
    small: ReferenceSet, expected: Answers
) -> None:
    found = verify(subject(), small, expected, lambda: analyser(other_labels), AT, asked=FEW)
    assert not found.passed
    assert "are named differently" in found.said[0]
    assert any(sentence.startswith("Field 1, x ") and "on tensorrt" in sentence for sentence in found.said)


def test_an_engine_that_fails_on_the_way_has_failed(small: ReferenceSet, expected: Answers) -> None:
    def breaks(numbers: np.ndarray) -> np.ndarray:
        if len(numbers) > 1:
            raise AnalysisError("The GPU failed: CUDA_ERROR_ILLEGAL_ADDRESS.")
        return numbers

    found = verify(subject(), small, expected, lambda: analyser(breaks), AT, asked=FEW)
    assert not found.passed
    assert found.said == ("The GPU failed: CUDA_ERROR_ILLEGAL_ADDRESS.",)


def test_the_drawn_set_is_the_same_every_time() -> None:
    frames = FrameSize(700, 500, 0.1)
    one, other = (reference_pictures("smear-13", frames, count=1) for _ in range(2))
    assert one.digest == other.digest


def test_fields_are_drawn_as_the_camera_would_see_them_and_their_cells_cut_out() -> None:
    drawn = reference_pictures("smear-13", FrameSize(700, 500, 0.137), count=2)
    assert [field.shape for field in drawn.fields] == [(500, 700, 3)] * 2
    assert drawn.um_per_px == 0.137
    assert len(drawn.cells) >= 3
    assert all(cell.patch.shape == (96, 96, 3) for cell in drawn.cells)
    assert all(cell.patch[40:56, 40:56, 1].mean() < 160 for cell in drawn.cells)  # a nucleus in the middle


def test_a_laboratory_without_counts_has_no_cells_of_its_own(tmp_path: Path) -> None:
    assert signed_cells(tmp_path / "s.sqlite", "smear-13") == []


def test_signed_cells_join_with_the_labels_that_were_signed(tmp_path: Path) -> None:
    from builders_review import RUN, case, reclassify, review_store, signed

    path = tmp_path / "s.sqlite"
    with review_store(path) as store:
        assert signed_cells(path, "smear-13") == []
        first = case(store).cells[0]
        reclassify(store, [first.id], "basophil")
        for cell in case(store).cells:
            if cell.label == "unidentified":
                reclassify(store, [cell.id], "monocyte")
        signed(store, "final")
        labels = [cell.label for cell in case(store, RUN).cells]
    found = signed_cells(path, "smear-13")
    assert [cell.label for cell in found] == labels
    assert found[0].label == "basophil"
    assert all(cell.patch.ndim == 3 for cell in found)
    assert len(signed_cells(path, "smear-13", at_most=1)) == 1
    assert signed_cells(path, "marrow-choi-10") == []


# The command


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: ReferenceSet) -> Path:
    """A user on a box with a GPU that nothing was verified on; return where verdicts are kept."""
    monkeypatch.setattr("models.engines.box.ask_box", lambda: Asked(BOX))
    monkeypatch.setattr("appliance.engines.absent", lambda _: "")
    monkeypatch.setattr("appliance.engine_verification.reference_pictures", lambda *_: small)
    monkeypatch.setattr("appliance.engine_verification.analyser_on", lambda *_: analyser())
    monkeypatch.setattr("appliance.verifying.criteria", lambda _: FEW)
    monkeypatch.setattr("appliance.engine_list.missing_plans", lambda *_: [])
    return at_home(tmp_path, monkeypatch).parent / "engines"


def posing(monkeypatch: pytest.MonkeyPatch, change: Change | None = None, *refused: str) -> None:
    def load(name: EngineName, *_: Any) -> NetworkAnalyser:
        if name in refused:
            raise EngineRefused(f"There is no plan for {name}.")
        return analyser(change)

    monkeypatch.setattr("appliance.engine_verification.analyser_by", load)


def counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> EngineName:
    settings = EngineSettings(EngineName.AUTO, EnginePrecision.FP16, folder)
    return choose_engine(settings, "smear-13", lambda: Asked(BOX)).name


def test_an_engine_counts_once_it_was_verified(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posing(monkeypatch, slightly)
    assert counts(box, monkeypatch) is EngineName.ONNX
    result = hemadiff("engines", "verify", "onnx-cuda")
    assert result.exit_code == 0, result.output
    assert "onnx-cuda may count on this box." in result.output
    assert counts(box, monkeypatch) is EngineName.ONNX_CUDA


def test_an_engine_that_does_not_hold_is_said_and_does_not_count(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posing(monkeypatch, other_labels)
    result = hemadiff("engines", "verify", "onnx-cuda")
    assert result.exit_code == 1
    assert "onnx-cuda may NOT count on this box." in result.output
    assert "are named differently" in result.output
    assert counts(box, monkeypatch) is EngineName.ONNX
    listed = hemadiff("engines", "list").output
    assert "not verified: it failed its verification on this box" in listed


def test_every_engine_that_can_be_opened_is_verified_and_the_others_are_named(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posing(monkeypatch, None, "tensorrt")
    result = hemadiff("engines", "verify", "--json")
    assert result.exit_code == 0
    assert "tensorrt was not verified: There is no plan for tensorrt." in result.stderr
    (verdict,) = json.loads(result.stdout)
    assert (verdict["engine"], verdict["passed"], verdict["box"]["gpu"]) == ("onnx-cuda", True, BOX.gpu)
    assert verdict["measured"]["labels equal"] == 1


def test_one_asked_for_by_name_that_cannot_be_opened_is_refused(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posing(monkeypatch, None, "tensorrt")
    result = hemadiff("engines", "verify", "tensorrt")
    assert result.exit_code == 2
    assert result.stderr.strip() == "There is no plan for tensorrt."
    assert list(box.glob("*")) == []


def test_an_interrupted_verification_leaves_no_verdict(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(numbers: np.ndarray) -> np.ndarray:
        if len(numbers) > 1:
            raise KeyboardInterrupt
        return numbers

    posing(monkeypatch, interrupted)
    assert hemadiff("engines", "verify", "onnx-cuda").exit_code == 130
    assert list(box.glob("*")) == []


def test_the_processors_engine_needs_no_verification(box: Path) -> None:
    result = hemadiff("engines", "verify", "onnx")
    assert result.exit_code == 0
    assert "needs no verification" in result.output


def test_without_a_gpu_there_is_nothing_to_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)
    monkeypatch.setattr("models.engines.box.ask_box", lambda: Asked(None, "no GPU can be used"))
    result = hemadiff("engines", "verify")
    assert result.exit_code == 2
    assert "nothing to verify here: no GPU can be used" in result.stderr


def test_the_list_says_of_every_engine_what_it_lacks_and_which_one_counts(box: Path) -> None:
    listed = json.loads(hemadiff("engines", "list", "--json").stdout)
    assert [
        (row["engine"], row["installed"], row["verified"], row["counts"]) for row in listed["engines"]
    ] == [
        ("tensorrt", True, False, False),
        ("onnx-cuda", True, False, False),
        ("onnx", True, True, True),
    ]
    assert listed["box"]["uuid"] == BOX.uuid
    assert "not verified on this box" in listed["why"]


def test_the_list_says_it_where_the_one_asked_for_may_not_count(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMADIFF_ENGINE__NAME", "tensorrt")
    result = hemadiff("engines", "list")
    assert result.exit_code == 0
    assert "The settings ask for the engine tensorrt" in result.output
    assert "→" not in result.output
