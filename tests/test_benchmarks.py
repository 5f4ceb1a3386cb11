"""The benchmark measures what it says, on the same fields, and says so where it cannot."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from builders_networks import brightness_network, write_cascade
from click.testing import CliRunner
from numpy.typing import NDArray
from rich.console import Console

from appliance.frame import Frame
from benchmarks import growth, stages, start_up, whole
from benchmarks.__main__ import main
from benchmarks.item import figure
from benchmarks.options import Options
from benchmarks.pictures import Pictures, pictures
from benchmarks.row import Missing, Row, compared, table
from calibration import Scale
from models import AnalysisError, Cell, Detection, Opinion
from models.cascade import load_cascade
from models.errors import ModelRefused

EVEN = np.full(2, 0.5, dtype=np.float32)


class ThreeCells:
    """An analyser that finds three lymphocytes and one cell at the border in every field."""

    engine, weights, outputs = "none", "none", ("lymphocyte", "monocyte")

    def check(self, scale: Scale) -> None:
        """Any scale will do."""

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """Three cells and a half."""
        opinion = Opinion("lymphocyte", 0.9, EVEN, "lymphocyte", 0.9, EVEN, 1)
        patch = np.zeros((96, 96, 3), dtype=np.uint8)
        there = Detection(200.0, 200.0, 5.0, 0.9)
        return [Cell(there, 20.0, 20.0, patch, opinion)] * 3 + [Cell(there, 0.0, 0.0, None, None)]


class Failing(ThreeCells):
    """An analyser that knows no answer."""

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """Fail."""
        raise AnalysisError("the network failed")


def fields(count: int) -> list[NDArray[np.uint8]]:
    return [np.full((120, 160, 3), number, dtype=np.uint8) for number in range(count)]


def test_both_methods_see_every_field_once_and_take_turns_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "SETTLE_S", 0.0)
    seen: list[tuple[str, int]] = []

    def method(name: str, cells: int) -> Callable[[Sequence[NDArray[np.uint8]]], int]:
        def run(block: Sequence[NDArray[np.uint8]]) -> int:
            seen.extend((name, int(field[0, 0, 0])) for field in block)
            return cells * len(block)

        return run

    ours, theirs = method("ours", 1), method("theirs", 2)
    seconds, *_ = whole.interleaved(fields(45), ours, theirs)

    timed = seen[4:]  # two fields each went before, untimed
    for name in ("ours", "theirs"):
        assert [number for who, number in timed if who == name] == list(range(45))
    assert [timed[0][0], timed[40][0], timed[80][0]] == ["ours", "theirs", "ours"]
    assert len(seconds) == 3


def test_only_cells_with_a_label_are_paid_for() -> None:
    subject = Pictures("grey fields", 0.1, fields(4))

    assert whole.whole_cells(ThreeCells(), subject)(subject.fields) == 12


def test_the_ratio_is_that_of_the_same_fields() -> None:
    found = whole.rows(Pictures("grey", 0.1, fields(4)), 2, [(1.0, 30.0), (1.0, 10.0)], 100, 50)

    first, per_cell, rate = found
    assert isinstance(first, Row)
    assert isinstance(per_cell, Row)
    assert isinstance(rate, Row)
    assert first.ratio == pytest.approx(20)
    assert per_cell.ours == pytest.approx(20)
    assert per_cell.published == pytest.approx(800)
    assert rate.ours == pytest.approx(10)


def test_growth_goes_through_the_real_pipeline_and_store(tmp_path: Path) -> None:
    marks = growth.count(growth.simulated_camera(2), ThreeCells(), tmp_path / "store.sqlite", most=110)

    assert [mark.cells for mark in marks] == [102, 111]
    assert marks[0].seconds < marks[1].seconds
    assert marks[0].bytes > 0


def test_growth_compares_each_stretch_with_the_first() -> None:
    first, second = growth.rows([growth.Mark(100, 1.0, 2**20), growth.Mark(300, 5.0, 2**21)])

    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert [first.ours, second.ours] == pytest.approx([10, 20])
    assert second.ratio == pytest.approx(2)


def test_a_count_that_breaks_off_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broke off at 0 cells"):
        growth.count(growth.simulated_camera(2), Failing(), tmp_path / "store.sqlite", most=10)


def test_a_start_is_timed_until_the_program_is_ready_and_not_until_its_end() -> None:
    began = time.perf_counter()
    seconds = start_up.seconds_to_ready("print('ready', flush=True)\nimport time\ntime.sleep(600)", 1)

    assert 0 < seconds < time.perf_counter() - began


def test_a_program_that_fails_to_start_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="without a word"):
        start_up.seconds_to_ready("raise SystemExit(1)", 1)


@pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="needs Linux' record of a process' memory"
)
def test_peak_memory_is_that_of_the_process_and_not_of_who_started_it() -> None:
    ballast = np.ones(256 * 2**20, dtype=np.uint8)
    peaks = [
        float(
            _said(f"held = b'x' * {mib * 2**20}; from benchmarks.start_up import peak_mib; print(peak_mib())")
        )
        for mib in (0, 128)
    ]

    assert peaks[0] < ballast.nbytes / 2**20
    assert 100 < peaks[1] - peaks[0] < 160


def _said(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_patches_are_the_middle_of_each_field_at_the_networks_scale() -> None:
    field = np.zeros((360, 360, 3), dtype=np.uint8)
    field[84:276, 84:276] = 200

    patches = stages.middle_patches(Pictures("squares", 0.1, [field]))

    assert patches.shape == (1, 96, 96, 3)
    assert patches.min() == 200


def test_what_is_compared_takes_turns_and_the_first_turn_does_not_count() -> None:
    seen: list[str] = []

    def slow_at_first(name: str) -> None:
        time.sleep(0.0 if name in seen else 0.2)
        seen.append(name)

    works = [partial(slow_at_first, name) for name in ("one", "two")]
    took = stages.in_turns(works, repeats=3)

    assert seen == ["one", "two"] * 4
    assert max(took) < 200


def test_eight_bits_are_left_out_with_a_word_where_the_cascade_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brightness_network(tmp_path, "cells", {"monocyte": (0.0, 5.0), "lymphocyte": (0.0, 0.0)})
    write_cascade(tmp_path)
    monkeypatch.setattr("models.cascade.load_cascade", partial(load_cascade, folder=tmp_path))

    (found,) = stages._precisions(Pictures("grey", 0.2, fields(1)), Options())

    assert isinstance(found, Missing)
    assert "names no quantised network" in found.why


def test_simulated_fields_stand_in_where_there_are_no_real_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMADIFF_DATA", str(tmp_path))

    subject = pictures(3, data=None, simulated=False)

    assert subject.what.startswith("simulated")
    assert 1 <= len(subject.fields) <= 3


def test_a_stated_folder_without_images_is_refused_and_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="holds no cells"):
        pictures(3, data=tmp_path, simulated=False)


def test_the_table_has_ratios_first_and_says_what_is_missing() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(
        table([compared("a", "speed", "s", 2.0, 50.0, "fields"), Missing("b", "VGG", "no PyTorch")], "T")
    )

    text = console.export_text()

    assert "25 ×" in text
    assert "no PyTorch" in text
    assert text.index("ratio") < text.index("Hemadiff")


def test_figures_survive_the_way_from_one_process_to_another() -> None:
    row, missing = compared("a", "speed", "s", 2.0, None), Missing("b", "VGG", "no PyTorch")

    for found in (row, missing):
        sent = json.dumps({name: getattr(found, name) for name in found.__dataclass_fields__})
        assert figure(json.loads(sent)) == found


def test_an_unknown_item_is_refused_by_name() -> None:
    result = CliRunner().invoke(main, ["--only", "a,z"])

    assert result.exit_code == 2
    assert 'no item "z"' in result.output


def test_one_command_measures_prints_and_writes_the_figures(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs ONNX Runtime: pip install 'hemadiff[cpu]'")
    output = tmp_path / "figures.json"

    result = CliRunner().invoke(
        main,
        [
            "--only",
            "d,e",
            "--cells",
            "1",
            "--growth",
            "5",
            "--repeats",
            "1",
            "--simulated",
            "--json",
            str(output),
        ],
    )

    assert result.exit_code == 0, result.output
    figures = json.loads(output.read_text(encoding="utf-8"))["figures"]
    assert {entry["item"] for entry in figures} == {"d", "e"}
    assert all(entry["ours"] > 0 for entry in figures)
    assert "peak memory" in result.output
