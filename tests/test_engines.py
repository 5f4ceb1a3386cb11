"""The engine that the settings ask for counts where it was verified on this box; otherwise a run does not begin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders_engines import BOX, ElsewhereEngine, verification

from appliance.config import Config, load_config
from appliance.config_engine import EngineSettings
from appliance.engines import choose_engine, opening, subject_of
from appliance.equipment import network_analysers
from appliance.errors import ApplianceRefused
from appliance.frame import Frame, Point
from appliance.instrument import Instrument
from appliance.network_analyser import analyser_on, load_analyser
from appliance.plan import Plan
from calibration import Scale
from models.cascade_file import Precision
from models.engines.box import Asked
from models.engines.names import EngineName, EnginePrecision
from models.engines.verified import keep
from models.errors import EngineRefused
from models.weights_digest import weights_digest

PANEL = "smear-13"
WEIGHTS = "d1935e"


def settings(cache: Path, name: EngineName = EngineName.AUTO) -> EngineSettings:
    return EngineSettings(name, EnginePrecision.FP16, cache)


def chosen(of: EngineSettings, asked: Asked | None = None) -> EngineName:
    return choose_engine(of, PANEL, lambda: asked or Asked(BOX), lambda _: WEIGHTS).name


def verified(cache: Path, name: EngineName, *, passed: bool = True) -> None:
    keep(
        verification(subject_of(name, settings(cache), WEIGHTS, BOX), passed, "9 of 2000 labels differ."),
        cache,
    )


@pytest.fixture(autouse=True)
def a_runtime_built_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.engines.absent", lambda _: "")


def test_without_a_gpu_auto_is_the_processor(tmp_path: Path) -> None:
    assert chosen(settings(tmp_path), Asked(None, "no GPU can be used")) is EngineName.ONNX


def test_a_gpu_that_nothing_was_verified_on_does_not_count(tmp_path: Path) -> None:
    assert chosen(settings(tmp_path)) is EngineName.ONNX


def test_auto_takes_what_was_verified_on_this_box(tmp_path: Path) -> None:
    verified(tmp_path, EngineName.ONNX_CUDA)
    assert chosen(settings(tmp_path)) is EngineName.ONNX_CUDA


def test_a_new_driver_asks_for_another_verification(tmp_path: Path) -> None:
    verified(tmp_path, EngineName.ONNX_CUDA)
    assert chosen(settings(tmp_path), Asked(replace(BOX, driver="590.10"))) is EngineName.ONNX


def test_an_engine_asked_for_by_name_must_have_been_verified(tmp_path: Path) -> None:
    asked_for = settings(tmp_path, EngineName.ONNX_CUDA)
    with pytest.raises(EngineRefused, match="not verified on this box"):
        chosen(asked_for)
    verified(tmp_path, EngineName.ONNX_CUDA)
    assert chosen(asked_for) is EngineName.ONNX_CUDA


def test_an_engine_that_failed_its_verification_is_refused_with_what_it_said(tmp_path: Path) -> None:
    verified(tmp_path, EngineName.ONNX_CUDA, passed=False)
    with pytest.raises(
        EngineRefused, match=r"failed its verification on this box: 9 of 2000 labels differ\. Run"
    ):
        chosen(settings(tmp_path, EngineName.ONNX_CUDA))


def test_tensorrt_is_refused_where_it_is_not_installed(tmp_path: Path) -> None:
    verified(tmp_path, EngineName.TENSORRT)
    with pytest.raises(EngineRefused, match="TensorRT is not installed"):
        chosen(settings(tmp_path, EngineName.TENSORRT), Asked(replace(BOX, tensorrt=None)))


def test_tensorrt_is_refused_without_pycuda_which_holds_the_gpu_for_it(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="PyCUDA is not installed"):
        chosen(settings(tmp_path, EngineName.TENSORRT), Asked(replace(BOX, pycuda=None)))


def test_whoever_asks_for_the_processor_does_not_touch_the_gpu(tmp_path: Path) -> None:
    of = settings(tmp_path, EngineName.ONNX)
    assert choose_engine(of, PANEL, lambda: pytest.fail("The GPU was asked.")).name is EngineName.ONNX


def test_a_gpu_counts_with_float_networks_and_names_its_device(tmp_path: Path) -> None:
    on = opening(EngineName.ONNX_CUDA, settings(tmp_path), BOX)
    assert on.precision is Precision.FLOAT
    assert getattr(on.open_engine, "keywords", None) == {"gpu": "NVIDIA H100"}


@pytest.mark.parametrize("name", [EngineName.ONNX_CUDA, EngineName.TENSORRT])
def test_no_network_opens_on_a_gpu_that_is_not_known(tmp_path: Path, name: EngineName) -> None:
    with pytest.raises(EngineRefused, match=f"engine {name} needs a GPU"):
        opening(name, settings(tmp_path))


def test_tensorrt_opens_nothing_where_the_gpu_is_not_held(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="only where the GPU is held"):
        opening(EngineName.TENSORRT, settings(tmp_path), BOX)


def test_an_instrument_begins_no_run_without_the_engine_that_its_settings_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.engines.ask_box", lambda: Asked(None, "no GPU can be used"))
    plan, load = Plan(camera="simulated"), network_analysers(settings(tmp_path, EngineName.TENSORRT))
    with Instrument(tmp_path / "s.sqlite", lambda: plan, load) as instrument:
        instrument.prepare()
        seen = instrument.broadcast.snapshot()["instrument"]
        assert "ask for the engine tensorrt" in (seen["why_not"] or "")
        with pytest.raises(EngineRefused):
            instrument.start()


def test_what_networks_run_on_is_named_with_every_result() -> None:
    on = replace(opening(EngineName.ONNX, settings(Path())), open_engine=ElsewhereEngine)
    analyser = analyser_on(on, "network", PANEL, "blood")
    scale = Scale.stated(0.1)
    blank = np.full((200, 200, 3), 225, np.uint8)
    assert analyser.engine.startswith("Elsewhere 1, a device, ")
    assert analyser.analyse(Frame(0, "a.png", blank, Point(0, 0), 0, None, None, scale.id), scale) == []


def test_an_analyser_is_refused_before_a_run_where_its_engine_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.engines.ask_box", lambda: Asked(None, "no GPU can be used"))
    with pytest.raises(EngineRefused, match=r"ask for the engine tensorrt .*no GPU can be used"):
        load_analyser("network", PANEL, "blood", settings(tmp_path, EngineName.TENSORRT))


def test_the_engines_files_lie_beside_the_store_unless_told_otherwise(tmp_path: Path) -> None:
    config = Config.model_validate({"store": {"path": tmp_path / "counts.sqlite"}})
    assert config.engine_settings == settings(tmp_path / "engines")


def test_the_settings_name_an_engine_its_precision_and_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "hemadiff.toml"
    file.write_text('[engine]\nname = "tensorrt"\nprecision = "int8"\ncache = "plans"\n')
    assert load_config(file, env={}).engine_settings == EngineSettings(
        EngineName.TENSORRT, EnginePrecision.INT8, tmp_path / "plans"
    )


def test_an_engine_that_there_is_not_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "hemadiff.toml"
    file.write_text('[engine]\nname = "cuda"\n')
    with pytest.raises(ApplianceRefused, match=r"line 2: \[engine\] name = 'cuda': .*'onnx-cuda'"):
        load_config(file, env={})


def test_weights_have_one_digest_and_other_weights_another(tmp_path: Path) -> None:
    from builders_networks import brightness_network, write_cascade

    def digest(slope: float) -> str:
        brightness_network(tmp_path, "cells", {"monocyte": (slope, 0.0), "basophil": (0.0, 0.0)})
        brightness_network(tmp_path, "detector", {"score": (0.0, 0.0)})
        write_cascade(tmp_path)
        return weights_digest(PANEL, tmp_path)

    assert digest(1.0) == digest(1.0) != digest(2.0)
