"""An eight-bit network is the float one in whole numbers: nearly the same answers, always the same file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builders_convolutions import convolutional_network, patches
from builders_data import small_data_set

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[train]'")
pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")

import onnxruntime  # noqa: E402

from models.card import read_card  # noqa: E402
from models.crops import Crops  # noqa: E402
from models.engines.onnx_engine import OnnxEngine  # noqa: E402
from models.training import cli  # noqa: E402
from models.training.quantise import calibration_patches, quantise  # noqa: E402

OUTPUTS = ("monocyte", "lymphocyte", "basophil")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A float network and its eight-bit twin."""
    folder = tmp_path_factory.mktemp("networks")
    source = convolutional_network(folder, "cells", OUTPUTS)
    quantise(source, folder / "cells-int8.onnx", patches(32))
    return source, folder / "cells-int8.onnx"


def weights_of(path: Path) -> dict[str, np.ndarray]:
    return {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}


def kinds(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def crops(**counts: int) -> Crops:
    """So many crops of each label, whose every pixel tells its column."""
    labels = tuple(label for label, count in counts.items() for _ in range(count))
    columns = np.broadcast_to(np.arange(106, dtype=np.uint8)[:, None], (len(labels), 106, 106, 3))
    return Crops(columns.copy(), labels, ("pbc",) * len(labels))


def test_it_answers_nearly_as_the_float_network_does(both: tuple[Path, Path]) -> None:
    unseen = patches(40, seed=2)
    exact, whole = (OnnxEngine(path).run(unseen) for path in both)
    assert exact.std() > 0.3
    assert np.abs(exact - whole).max() < 0.1 * exact.std()


@pytest.mark.parametrize("count", [1, 3, 65])
def test_it_takes_any_number_of_patches_and_each_alone_gets_the_same_answer(
    both: tuple[Path, Path], count: int
) -> None:
    engine, some = OnnxEngine(both[1]), patches(count)
    np.testing.assert_allclose(engine.run(some)[-1:], engine.run(some[-1:]), atol=1e-5)


def test_the_same_network_and_patches_give_the_same_file(both: tuple[Path, Path], tmp_path: Path) -> None:
    quantise(both[0], tmp_path / "again.onnx", patches(32))
    assert (tmp_path / "again.onnx").read_bytes() == both[1].read_bytes()
    quantise(both[0], tmp_path / "other.onnx", patches(32, seed=7))
    assert (tmp_path / "other.onnx").read_bytes() != both[1].read_bytes()


def test_no_weight_is_so_large_that_a_processor_without_vnni_saturates(both: tuple[Path, Path]) -> None:
    whole = [value for value in weights_of(both[1]).values() if value.dtype == np.int8 and value.ndim == 4]
    assert len(whole) == 3  # both convolutions after the first, and the pooling
    assert all(2 * 255 * int(np.abs(value.astype(int)).max()) < 2**15 for value in whole)


def test_what_normalises_and_what_decides_stay_float(both: tuple[Path, Path]) -> None:
    kept, made = (weights_of(path) for path in both)
    for name in ("grey", "spread", "w1", "w4", "b4"):
        assert np.array_equal(kept[name], made[name])
    assert "w2" not in made


def test_pooling_runs_as_a_convolution(both: tuple[Path, Path]) -> None:
    assert "AveragePool" in kinds(both[0])
    assert "AveragePool" not in kinds(both[1])


def test_the_runtime_runs_it_in_whole_numbers(both: tuple[Path, Path], tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "runs.onnx")
    onnxruntime.InferenceSession(str(both[1]), options, providers=["CPUExecutionProvider"])
    run = kinds(tmp_path / "runs.onnx")
    assert run.count("QLinearConv") == 3
    assert run.count("QLinearAdd") == 1
    assert (run.count("QuantizeLinear"), run.count("DequantizeLinear")) == (1, 1)


def test_it_does_not_say_where_it_was_made(both: tuple[Path, Path]) -> None:
    model = onnx.load(both[1])
    assert not model.metadata_props
    assert str(both[1].parent).encode() not in both[1].read_bytes()


def test_calibration_sees_as_many_of_every_label_and_every_second_one_shifted() -> None:
    chosen, labels = calibration_patches(crops(monocyte=50, basophil=20, blast=3), per_label=8)
    assert chosen.shape == (8 + 8 + 3, 96, 96, 3)
    assert Counter(labels) == {"monocyte": 8, "basophil": 8, "blast": 3}
    left = chosen[:, 0, 0, 0]
    assert set(left[::2][:4]) == {5}
    assert len(set(left[1::2].tolist())) > 2
    assert left.max() <= 10


def test_calibration_takes_the_same_patches_for_the_same_seed() -> None:
    many = crops(monocyte=50)
    many.images[..., 1] = np.arange(50, dtype=np.uint8)[:, None, None]  # which of them it is
    one, same, other = (calibration_patches(many, 8, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_command_quantises_judges_and_writes_the_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convolutional_network(tmp_path, "cells", read_card("cells").outputs)
    card = json.loads((tmp_path / "cells.json").read_text())
    (tmp_path / "cells.json").write_text(json.dumps(card | {"sources": ["a source, a licence"]}))
    data = small_data_set(tmp_path / "data", per_label=1)
    cli.main(["quantise", "--data", str(data), "--weights", str(tmp_path)])
    exact, twin = (read_card(name, tmp_path) for name in ("cells", "cells-int8"))
    assert twin.quantised_from == exact.sha256
    assert (twin.outputs, twin.um_per_px, twin.setting("patch_px")) == (exact.outputs, exact.um_per_px, 96)
    page = (tmp_path / "cells-int8.md").read_text(encoding="utf-8")
    for what in (
        exact.sha256,
        "hemadiff-train quantise",
        "calibration_images",
        "test cost_points",
        "test macro_recall_float",
        "same type of processor only",
        "a source, a licence",
        "Research use only",
    ):
        assert what in page
    assert "cells-int8 costs" in capsys.readouterr().out


def test_another_network_gets_a_twin_of_its_own_name(tmp_path: Path) -> None:
    convolutional_network(
        tmp_path, "second", ("monocyte", "basophil", "blast", "platelet", "not_identifiable")
    )
    data = small_data_set(tmp_path / "data", per_label=1)
    cli.main(["quantise", "--network", "second", "--data", str(data), "--weights", str(tmp_path)])
    assert read_card("second-int8", tmp_path).quantised_from == read_card("second", tmp_path).sha256
    assert "hemadiff-train quantise --network second" in (tmp_path / "second-int8.md").read_text()


def test_a_network_that_is_not_there_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = small_data_set(tmp_path / "data", per_label=1)
    with pytest.raises(SystemExit) as ended:
        cli.main(["quantise", "--data", str(data), "--weights", str(tmp_path)])
    assert ended.value.code == 2
    assert "cells is incomplete" in capsys.readouterr().err
