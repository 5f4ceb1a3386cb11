"""A plan answers as its network does, in host memory or on the device, or it is an error."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")

import onnxruntime
from builders_plans import box, classifier, images, with_tensorrt
from standin_tensorrt import Habits, StandInCuda, tensorrt

from appliance.config_engine import EngineSettings
from appliance.engines import opening
from models.cascade_file import Precision
from models.engines.engine import DeviceBatch
from models.engines.names import EngineName, EnginePrecision
from models.engines.plan_cache import PlanCache
from models.engines.profiles import FieldSize
from models.errors import AnalysisError, EngineRefused

FIELDS = (FieldSize(64, 96),)


class Bench:
    """A box with TensorRT, and a small network that a plan was made of."""

    def __init__(self, folder: Path, modules: SimpleNamespace, habits: Habits) -> None:
        self.modules, self.habits, self.cuda = modules, habits, StandInCuda(habits)
        self.cache, self.folder = PlanCache(folder / "plans"), folder
        self.path = classifier(folder)
        self.precision = EnginePrecision.FP32

    def open(
        self, path: Path | None = None, fields: tuple[FieldSize, ...] = FIELDS, build: bool = True
    ) -> Any:
        path, here = path or self.path, box(self.habits.version)
        if build:
            self.modules.build.build_plan(path, FIELDS, self.precision, here, self.cache)
        opener = self.modules.opener.TensorRTOpener(here, self.cuda, self.cache, self.precision, fields)
        return opener(path)


@pytest.fixture(params=["10.16.1.11", "11.4.0.106"])
def bench(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    habits = Habits(version=request.param)
    return Bench(tmp_path, with_tensorrt(monkeypatch, tensorrt(habits)), habits)


def expected(path: Path, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": batch})[0])


@pytest.mark.parametrize("count", [1, 3, 64, 300])
def test_a_plan_answers_as_its_network_does(bench: Bench, count: int) -> None:
    batch = images(count)
    np.testing.assert_allclose(bench.open().run(batch), expected(bench.path, batch), atol=1e-5)


def test_a_detectors_plan_answers_field_by_field(bench: Bench) -> None:
    path = classifier(bench.folder, "detector", any_size=True)
    fields = images(2, 64, 96)
    np.testing.assert_allclose(bench.open(path).run(fields), expected(path, fields), atol=1e-5)


def test_a_small_batch_after_a_large_one_keeps_nothing_of_it(bench: Bench) -> None:
    engine = bench.open()
    engine.run(images(256))
    np.testing.assert_allclose(engine.run(images(5)), expected(bench.path, images(5)), atol=1e-5)


def test_answers_stay_when_the_engine_runs_again(bench: Bench) -> None:
    engine = bench.open()
    first = engine.run(images(2))
    before = first.copy()
    engine.run(images(7))
    np.testing.assert_array_equal(first, before)


def test_batches_run_under_the_profile_that_was_made_for_them(bench: Bench) -> None:
    engine = bench.open()
    for count in (1, 8, 9, 300):
        engine.run(images(count))
    assert [(index, shape[0]) for index, shape in bench.habits.shapes_run] == [
        (0, 1),
        (1, 8),
        (2, 9),
        (3, 256),
        (2, 44),
    ]


def test_a_batch_on_the_device_is_used_where_it_lies(bench: Bench) -> None:
    engine, batch = bench.open(), images(70)
    memory = bench.cuda.allocate(batch.nbytes)
    bench.cuda.to_device(memory.address, batch.reshape(-1))
    bench.cuda.synchronise()
    answers = engine.run(DeviceBatch(memory.address, batch.shape, memory))
    np.testing.assert_allclose(answers, expected(bench.path, batch), atol=1e-5)


@pytest.mark.parametrize("change", [{"device": 1}, {"address": 0x1010}])
def test_a_batch_that_tensorrt_cannot_read_where_it_lies_is_an_error(
    bench: Bench, change: dict[str, int]
) -> None:
    place = {"address": 0x1000, **change}
    with pytest.raises(AnalysisError, match="must lie there"):
        bench.open().run(DeviceBatch(shape=(1, 32, 32, 3), **place))


def test_the_engine_says_what_runs(bench: Bench) -> None:
    bench.precision = EnginePrecision.FP16
    engine = bench.open()
    assert (engine.name, engine.precision) == (f"TensorRT {bench.habits.version} on A GPU", "fp16")


def test_the_engine_says_what_it_takes(bench: Bench) -> None:
    engine = bench.open()
    assert (engine.shape.input, engine.shape.height, engine.shape.width) == ("images", 32, 32)
    assert engine.largest_batch == 256


def test_an_image_of_another_size_is_an_error(bench: Bench) -> None:
    with pytest.raises(AnalysisError, match="takes no images of 96×64 px"):
        bench.open().run(images(1, 64, 96))


@pytest.mark.parametrize(
    "batch", [images(1)[0], images(1)[:0], images(1).astype(np.float32)], ids=["3", "0", "float"]
)
def test_what_is_no_batch_of_images_is_an_error(bench: Bench, batch: Any) -> None:
    with pytest.raises(AnalysisError, match="takes"):
        bench.open().run(batch)


def test_a_plan_that_does_not_run_is_an_error_with_what_tensorrt_said(bench: Bench) -> None:
    engine = bench.open()
    bench.habits.fails_running = "Cuda Runtime (an illegal memory access was encountered)."
    with pytest.raises(AnalysisError, match="illegal memory access was encountered"):
        engine.run(images(1))


def test_an_error_of_cuda_is_passed_on(bench: Bench) -> None:
    engine = bench.open()
    bench.cuda.fails = "CUDA_ERROR_LAUNCH_FAILED"
    with pytest.raises(AnalysisError, match="CUDA_ERROR_LAUNCH_FAILED"):
        engine.run(images(1))


def test_an_answer_that_is_no_number_is_an_error(bench: Bench) -> None:
    path = classifier(bench.folder, "nan", weight=float("nan"))
    with pytest.raises(AnalysisError, match="no number"):
        bench.open(path).run(images(1))


def test_a_plan_that_cannot_be_loaded_is_refused_with_what_tensorrt_said(bench: Bench) -> None:
    bench.habits.fails_loading = "The engine plan file is not compatible with this version of TensorRT."
    with pytest.raises(EngineRefused, match=r"not compatible with this version of TensorRT\. Delete it"):
        bench.open()


def test_a_plan_that_gives_no_float32_is_refused(bench: Bench) -> None:
    bench.open()
    bench.habits.gives = "HALF"
    with pytest.raises(EngineRefused, match="not images of uint8 and float32 out"):
        bench.open(build=False)


@pytest.mark.parametrize(
    ("precision", "networks"),
    [
        (EnginePrecision.FP16, Precision.FLOAT),
        (EnginePrecision.INT8, Precision.INT8),
        ("fp32", Precision.FLOAT),
    ],
)
def test_eight_bits_are_counted_in_by_the_eight_bit_twin(
    bench: Bench, precision: Any, networks: Precision
) -> None:
    settings = EngineSettings(EngineName.TENSORRT, EnginePrecision(precision), bench.folder)
    with pytest.MonkeyPatch.context() as loaded:
        loaded.setitem(sys.modules, "models.engines.tensorrt_opener", bench.modules.opener)
        assert opening(EngineName.TENSORRT, settings, box(), bench.cuda).precision is networks


def test_without_a_plan_the_engine_is_refused_with_what_to_do(bench: Bench) -> None:
    with pytest.raises(
        EngineRefused, match=r"no plan of small in fp32 for TensorRT .* Run hemadiff engines build"
    ):
        bench.open(build=False)


def test_a_plan_for_other_fields_is_refused(bench: Bench) -> None:
    path = classifier(bench.folder, "detector", any_size=True)
    bench.open(path)
    with pytest.raises(EngineRefused, match="for fields of 512×256 px"):
        bench.open(path, (FieldSize(256, 512),), build=False)


def test_a_plan_of_weights_that_changed_since_is_not_loaded(bench: Bench) -> None:
    bench.open()
    classifier(bench.folder, weight=0.2)
    with pytest.raises(EngineRefused, match="no plan of small"):
        bench.open(build=False)
