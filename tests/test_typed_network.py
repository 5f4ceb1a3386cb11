"""What TensorRT is given computes what the network computes, in the types that were asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.card import BUNDLED
from models.engines.names import EnginePrecision
from models.errors import ModelRefused

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")

import onnxruntime  # noqa: E402
from builders_plans import classifier, images  # noqa: E402
from standin_tensorrt import faults_for_tensorrt  # noqa: E402

from models.engines.typed_network import read_network, typed  # noqa: E402

FLOAT_NETWORKS = ("cells", "cells-residual", "detector")


def smooth(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Blurred noise: neither as flat as glass nor as sharp as no lens is."""
    random = np.random.default_rng(1)
    noise = random.normal(150, 90, (count, height, width, 3))
    blurred = [
        cv2.GaussianBlur(each, (0, 0), sigma)
        for each, sigma in zip(noise, np.linspace(1, 6, count), strict=True)
    ]
    return np.clip(blurred, 0, 255).astype(np.uint8)


def answer(content: bytes, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": pictures})[0])


@cache
def bundled(name: str) -> Any:
    return read_network(BUNDLED / f"{name}.onnx")


@cache
def written(name: str, precision: EnginePrecision) -> bytes:
    return typed(bundled(name), precision)


@cache
def of_processor(name: str) -> NDArray[np.float32]:
    return answer(bundled(name).path.read_bytes(), pictures_for(name))


def pictures_for(name: str) -> NDArray[np.uint8]:
    return smooth(1, 96, 112) if name == "detector" else smooth(4, 96, 96)


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("name", FLOAT_NETWORKS)
def test_in_float32_nothing_changes(name: str) -> None:
    same = answer(written(name, EnginePrecision.FP32), pictures_for(name))
    np.testing.assert_allclose(same, of_processor(name), atol=1e-4)


@pytest.mark.parametrize("name", ["cells", "cells-residual"])
def test_in_float16_probabilities_stay_within_a_hundredth(name: str) -> None:
    half = answer(written(name, EnginePrecision.FP16), pictures_for(name))
    assert np.abs(probabilities(half) - probabilities(of_processor(name))).max() < 0.01


def test_in_float16_the_detectors_maps_stay() -> None:
    half = answer(written("detector", EnginePrecision.FP16), pictures_for("detector"))
    np.testing.assert_allclose(half, of_processor("detector"), atol=0.05)


def test_the_eight_bit_twin_rounds_differently_and_no_more() -> None:
    signed = probabilities(answer(written("cells-int8", EnginePrecision.INT8), pictures_for("cells-int8")))
    assert np.abs(signed - probabilities(of_processor("cells-int8"))).max() < 0.1


@pytest.mark.parametrize("name", [*FLOAT_NETWORKS, "cells-int8"])
def test_a_bundled_network_holds_nothing_that_tensorrt_refuses(name: str) -> None:
    for precision in {bundled(name).precision(asked) for asked in EnginePrecision}:
        assert faults_for_tensorrt(onnx.load_model_from_string(written(name, precision))) == []


@pytest.mark.parametrize("name", [*FLOAT_NETWORKS, "cells-int8"])
def test_images_come_in_as_uint8_and_numbers_leave_as_float32(name: str) -> None:
    precision = bundled(name).precision(EnginePrecision.FP16)
    graph = onnx.load_model_from_string(written(name, precision)).graph
    types = [each.type.tensor_type.elem_type for each in (*graph.input, *graph.output)]
    assert types == [onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT]


def test_every_convolution_is_in_float16_where_that_was_asked_for() -> None:
    graph = onnx.load_model_from_string(written("cells", EnginePrecision.FP16)).graph
    halves = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT16}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert all(set(node.input[1:]) <= halves for node in convolutions)


def test_a_twin_runs_in_int8_whatever_was_asked_for_and_what_has_none_in_float16() -> None:
    assert bundled("cells-int8").precision(EnginePrecision.FP16) is EnginePrecision.INT8
    assert bundled("cells").precision(EnginePrecision.INT8) is EnginePrecision.FP16


def test_the_same_network_is_written_the_same_way_every_time(tmp_path: Path) -> None:
    network = read_network(classifier(tmp_path))
    assert typed(network, EnginePrecision.FP16) == typed(network, EnginePrecision.FP16)


def test_a_weight_too_large_for_float16_is_refused(tmp_path: Path) -> None:
    network = read_network(classifier(tmp_path, weight=1e5))
    with pytest.raises(ModelRefused, match="float16 cannot hold"):
        typed(network, EnginePrecision.FP16)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelRefused, match="cannot be read as a network"):
        read_network(tmp_path / "x.onnx")


def test_a_network_that_takes_floats_is_refused(tmp_path: Path) -> None:
    model = onnx.load(classifier(tmp_path))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, tmp_path / "x.onnx")
    with pytest.raises(ModelRefused, match="uint8"):
        read_network(tmp_path / "x.onnx")


def test_a_network_that_adds_to_its_images_before_they_are_floats_is_refused(tmp_path: Path) -> None:
    model = onnx.load(classifier(tmp_path))
    model.graph.node[0].op_type = "Identity"
    del model.graph.node[0].attribute[:]
    onnx.save(model, tmp_path / "x.onnx")
    with pytest.raises(ModelRefused, match="before they become float"):
        typed(read_network(tmp_path / "x.onnx"), EnginePrecision.FP32)


def test_the_network_that_was_read_stays_as_it_was(tmp_path: Path) -> None:
    network = read_network(classifier(tmp_path))
    typed(network, EnginePrecision.FP16)
    assert answer(network.model.SerializeToString(), images(2)).dtype == np.float32
