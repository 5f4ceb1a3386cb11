"""Networks are loaded whole or refused; a result that is no number is an error."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from builders_networks import brightness_network, picture

from models.card import BUNDLED, BUNDLED_NETWORKS, read_card
from models.engines.engine import DeviceBatch, NetworkShape
from models.engines.onnx_engine import OnnxEngine, Provider, absent, open_on_cuda
from models.errors import AnalysisError, EngineRefused, ModelRefused


def copied(folder: Path) -> Path:
    for suffix in ("onnx", "json"):
        shutil.copy(BUNDLED / f"cells.{suffix}", folder)
    return folder / "cells.onnx"


def test_the_engine_names_the_provider_that_runs() -> None:
    assert OnnxEngine(BUNDLED / "cells.onnx").name.endswith("CPUExecutionProvider")


def test_more_than_a_batch_is_the_same_as_its_parts(tmp_path: Path) -> None:
    brightness_network(tmp_path, "cells", {"monocyte": (1, 0), "basophil": (2, 1)})
    engine = OnnxEngine(tmp_path / "cells.onnx")
    images = np.stack([picture(i, side=96) for i in range(150)])
    parts = np.concatenate([engine.run(images[i : i + 1]) for i in range(150)])
    np.testing.assert_allclose(engine.run(images), parts, atol=1e-6)


def test_a_result_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    brightness_network(tmp_path, "cells", {"monocyte": (float("nan"), 0), "basophil": (0, 0)})
    with pytest.raises(AnalysisError, match="no number"):
        OnnxEngine(tmp_path / "cells.onnx").run(picture(9, side=96)[None])


def test_a_batch_that_the_network_cannot_take_is_an_error() -> None:
    with pytest.raises(AnalysisError, match="failed"):
        OnnxEngine(BUNDLED / "cells.onnx").run(np.zeros((1, 96, 96), np.uint8))


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        OnnxEngine(tmp_path / "x.onnx")


def test_an_engine_says_what_its_network_takes() -> None:
    shapes = [OnnxEngine(BUNDLED / f"{name}.onnx").shape for name in ("cells", "detector")]
    assert shapes == [
        NetworkShape("images", 96, 96, ("output",)),
        NetworkShape("images", None, None, ("output",)),
    ]


def test_a_gpu_that_the_runtime_was_not_built_for_is_refused_and_nothing_runs_in_its_place() -> None:
    if not absent(Provider.CUDA):
        pytest.skip("this ONNX Runtime is built for CUDA")
    with pytest.raises(EngineRefused, match=r"built without CUDAExecutionProvider\. Install hemadiff\[gpu\]"):
        open_on_cuda(BUNDLED / "detector.onnx")


def test_a_provider_that_another_one_replaced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Replaced(onnxruntime.InferenceSession):
        def __init__(self, path: str, options: Any, providers: list[Any], **rest: Any) -> None:
            super().__init__(path, None, providers=["CPUExecutionProvider"], **rest)

    monkeypatch.setattr("models.engines.onnx_engine.absent", lambda _: "")
    monkeypatch.setattr(onnxruntime, "InferenceSession", Replaced)
    with pytest.raises(
        EngineRefused, match="asked for CUDAExecutionProvider, and CPUExecutionProvider would run"
    ):
        open_on_cuda(BUNDLED / "detector.onnx")


def test_a_batch_on_a_gpu_is_an_error_on_the_processor() -> None:
    with pytest.raises(AnalysisError, match="cannot read a batch that lies on a GPU"):
        OnnxEngine(BUNDLED / "cells.onnx").run(DeviceBatch(4096, (1, 96, 96, 3)))


def test_a_batch_on_a_device_is_bound_by_its_address_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brightness_network(tmp_path, "cells", {"monocyte": (1, 0), "basophil": (2, 1)})
    engine = OnnxEngine(tmp_path / "cells.onnx")
    images = np.stack([picture(i, side=96) for i in range(70)])
    monkeypatch.setattr(engine, "_memory", "cpu")  # host memory stands in for a device's
    found = engine.run(DeviceBatch(images.ctypes.data, images.shape, images))
    np.testing.assert_allclose(found, OnnxEngine(tmp_path / "cells.onnx").run(images), atol=1e-6)


def test_weights_that_changed_since_their_card_was_written_are_refused(tmp_path: Path) -> None:
    path = copied(tmp_path)
    assert read_card("cells", tmp_path).um_per_px == 0.2
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelRefused, match="not the file that its card describes"):
        read_card("cells", tmp_path)


def test_weights_without_a_card_are_refused(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "cells.json").unlink()
    with pytest.raises(ModelRefused, match="incomplete"):
        read_card("cells", tmp_path)


def test_a_damaged_card_is_refused(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "cells.json").write_text('{"sha256": 1}')
    with pytest.raises(ModelRefused, match="damaged"):
        read_card("cells", tmp_path)


def test_a_card_that_is_no_json_is_refused_with_its_file_and_line(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "cells.json").write_text('{\n  "sha256" 1}')
    with pytest.raises(ModelRefused, match=r"cells\.json, line 2: Expecting ':' delimiter\. "):
        read_card("cells", tmp_path)


def test_a_card_without_a_key_is_refused_by_its_name(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "cells.json").write_text("{}")
    with pytest.raises(ModelRefused, match=r'cells\.json states no "sha256"\. '):
        read_card("cells", tmp_path)


def test_a_missing_network_of_a_persons_own_is_refused_with_its_file_and_what_names_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(ModelRefused) as refused:
        read_card("mine", tmp_path, "smear-13.toml")
    assert str(refused.value) == (
        f"The network mine is incomplete: {tmp_path}/mine.json: No such file or directory. "
        "Put network and card there, as they were made, or correct its name in smear-13.toml."
    )


def test_a_persons_own_network_beside_the_bundled_ones_is_no_matter_of_installing() -> None:
    with pytest.raises(ModelRefused, match=r"correct its name in smear-13\.toml"):
        read_card("mine", BUNDLED, "smear-13.toml")


def test_a_bundled_network_is_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("models.card.BUNDLED", tmp_path)
    with pytest.raises(
        ModelRefused, match=r"cells\.json: No such file or directory\. Install Hemadiff again\."
    ):
        read_card("cells", tmp_path)


def test_the_networks_that_are_installed_with_hemadiff_are_known_by_name() -> None:
    assert sorted(path.stem for path in BUNDLED.glob("*.onnx")) == sorted(BUNDLED_NETWORKS)


def test_a_network_that_the_processor_would_run_in_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ONNX Runtime refuses it itself, here with another provider in place of CUDA's, which runs no node at all."""
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no provider that runs nothing")
    session = onnxruntime.InferenceSession

    def with_another(path: str, options: Any, providers: list[Any], **rest: Any) -> Any:
        assert [name for name, _ in providers] == ["CUDAExecutionProvider"]
        return session(path, options, providers=["AzureExecutionProvider"], **rest)

    monkeypatch.setattr("models.engines.onnx_engine.absent", lambda _: "")
    monkeypatch.setattr(onnxruntime, "InferenceSession", with_another)
    with pytest.raises(EngineRefused, match="assigned to the default CPU EP"):
        open_on_cuda(BUNDLED / "detector.onnx")
