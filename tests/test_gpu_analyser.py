"""An analyser on a GPU gives the cells that the processor's gives; whatever fails there ends as an error with its name.

The GPU is the stand-in: the very kernels, run by the processor, on memory of the host.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_engines import BOX, verification
from builders_gpu import NAMES, Pixels, flat_field_of_size
from builders_smear import photograph
from standin_pycuda import EngineOnStandIn, StandInCompiler, StandInDriver

from appliance.config_engine import EngineSettings
from appliance.correction import CorrectingAnalyser, evened
from appliance.engines import subject_of
from appliance.equipment import network_analysers
from appliance.expected_frames import FrameSize
from appliance.frame import Frame, Point
from appliance.gpu_analyser import Gpu, GpuAnalyser, Networks
from appliance.network_analyser import NetworkAnalyser, analyser_by, detector_of
from appliance.pipeline import Broken
from calibration import CalibrationRefused, Scale
from models import AnalysisError, Cell, ModelRefused
from models.cascade import load_cascade
from models.cascade_file import Precision
from models.engines.box import Asked
from models.engines.engine import Batch, DeviceBatch
from models.engines.names import EngineName, EnginePrecision
from models.engines.onnx_engine import open_on_cpu
from models.engines.verified import keep
from models.errors import EngineRefused, GpuFailed
from models.gpu.device import Device
from models.gpu.memory import Lane
from models.weights_digest import weights_digest

SCALE = Scale.stated(0.1)
OF = ("smear-13", "blood")


class Engine(EngineOnStandIn):
    """Takes batches from the stand-in's memory and, as a GPU's engines do, from the host's."""

    def run(self, batch: Batch) -> Any:
        return super().run(batch) if isinstance(batch, DeviceBatch) else self._engine.run(batch)


@dataclass
class Fixture:
    """An analyser on the stand-in. driver: of the stand-in."""

    driver: StandInDriver
    gpu: Gpu
    analyser: GpuAnalyser


def on_stand_in(detector: str = "network", engine: Any = Engine) -> Fixture:
    driver = StandInDriver()

    def load(lane: Lane) -> Networks:
        cascade = load_cascade(*OF, precision=Precision.FLOAT, open_engine=engine)
        return Networks(detector_of(detector, engine), cascade)

    gpu = Gpu(load, lambda: Device(0, driver, NAMES), lambda device: StandInCompiler())  # type: ignore[arg-type, return-value]
    return Fixture(driver, gpu, GpuAnalyser(gpu))


@pytest.fixture(autouse=True)
def warmed_by_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor is no GPU."""
    monkeypatch.setattr("appliance.gpu_analyser.WARM_CELLS", (1,))


@pytest.fixture(scope="module")
def shared() -> Iterator[GpuAnalyser]:
    made = on_stand_in()
    yield made.analyser
    made.gpu.close()


@pytest.fixture
def own() -> Iterator[Fixture]:
    made = on_stand_in()
    yield made
    made.driver.fails = ""
    made.gpu.close()


@pytest.fixture(scope="module")
def processor() -> NetworkAnalyser:
    return NetworkAnalyser(detector_of("network", open_on_cpu), load_cascade(*OF, precision=Precision.FLOAT))


def smear(columns: int = 2) -> Pixels:
    cells = [photograph(nucleus_um=2.5 + n % 3, cell_um=5.0 + n % 4 / 2) for n in range(2 * columns)]
    return np.vstack([np.hstack(cells[:columns]), np.hstack(cells[columns:])])


def frame(pixels: Pixels, calibration_id: str = SCALE.id) -> Frame:
    return Frame(0, "a.png", pixels, Point(1000, 2000), 0, None, None, calibration_id)


def same(one: list[Cell], other: list[Cell]) -> bool:
    return len(one) == len(other) and all(
        a.detection == b.detection
        and (a.x_um, a.y_um) == (b.x_um, b.y_um)
        and (a.opinion is None) == (b.opinion is None)
        and (a.patch is None or b.patch is None or np.array_equal(a.patch, b.patch))
        and (
            a.opinion is None
            or b.opinion is None
            or (
                (a.opinion.label, a.opinion.views, a.opinion.findings)
                == (b.opinion.label, b.opinion.views, b.opinion.findings)
                and np.allclose(a.opinion.probabilities, b.opinion.probabilities, atol=1e-5)
            )
        )
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("um_per_px", [0.1, 0.0837])
def test_the_cells_are_those_of_the_processor(
    shared: GpuAnalyser, processor: NetworkAnalyser, um_per_px: float
) -> None:
    scale = Scale.stated(um_per_px)
    expected = processor.analyse(frame(smear(), scale.id), scale)
    assert sum(cell.opinion is not None for cell in expected) >= 4
    assert same(shared.analyse(frame(smear(), scale.id), scale), expected)


def test_a_flat_field_is_applied_once(shared: GpuAnalyser, processor: NetworkAnalyser) -> None:
    pixels = smear()
    flat_field = flat_field_of_size(pixels.shape[1], pixels.shape[0], 2.0)
    on_gpu, on_processor = evened(shared, flat_field), evened(processor, flat_field)
    assert isinstance(on_gpu, GpuAnalyser)
    assert isinstance(on_processor, CorrectingAnalyser)
    found = on_gpu.analyse(frame(pixels), SCALE)
    assert same(found, on_processor.analyse(frame(pixels), SCALE))
    assert not same(found, shared.analyse(frame(pixels), SCALE))


def test_a_frame_of_another_size_than_the_flat_fields_is_refused(shared: GpuAnalyser) -> None:
    with pytest.raises(CalibrationRefused, match="does not fit the flat field"):
        evened(shared, flat_field_of_size(400, 400)).analyse(frame(smear()), SCALE)


def test_frames_of_several_sizes_follow_one_another(shared: GpuAnalyser, processor: NetworkAnalyser) -> None:
    for columns in (1, 2, 1):
        pixels = smear(columns)
        assert same(shared.analyse(frame(pixels), SCALE), processor.analyse(frame(pixels), SCALE))


def test_a_field_without_cells_has_none(shared: GpuAnalyser) -> None:
    assert shared.analyse(frame(np.full((400, 400, 3), 225, np.uint8)), SCALE) == []


def test_a_dark_field_is_an_error(shared: GpuAnalyser) -> None:
    with pytest.raises(AnalysisError, match=r"a\.png is dark") as caught:
        shared.analyse(frame(np.full((400, 400, 3), 20, np.uint8)), SCALE)
    assert caught.value.reason == "dark field"


def test_a_frame_of_another_calibration_is_an_error(shared: GpuAnalyser) -> None:
    with pytest.raises(AnalysisError, match="run of its own"):
        shared.analyse(frame(smear(), "other"), SCALE)


def test_a_scale_that_is_too_coarse_is_refused(shared: GpuAnalyser) -> None:
    with pytest.raises(ModelRefused, match="higher magnification"):
        shared.check(Scale.stated(0.25))


def test_what_prepares_the_frames_is_named(shared: GpuAnalyser) -> None:
    assert "stand-in" in shared.engine
    assert shared.engine.endswith("frames prepared by the GPU")
    assert "detector " in shared.weights


def test_it_may_be_asked_from_any_thread(shared: GpuAnalyser) -> None:
    found: list[list[Cell]] = []
    threads = [
        threading.Thread(target=lambda: found.append(shared.analyse(frame(smear()), SCALE))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same(*found)


def test_the_classical_detector_finds_the_same_cells_in_corrected_frames(processor: NetworkAnalyser) -> None:
    made, pixels = on_stand_in("saliency"), smear()
    flat_field = flat_field_of_size(pixels.shape[1], pixels.shape[0])
    on_processor = NetworkAnalyser(made.gpu.detector, load_cascade(*OF, precision=Precision.FLOAT))
    found = evened(made.analyser, flat_field).analyse(frame(pixels), SCALE)
    made.gpu.close()
    assert found
    assert same(found, evened(on_processor, flat_field).analyse(frame(pixels), SCALE))


def test_an_error_of_cuda_is_the_gpus_failure_by_its_name(own: Fixture) -> None:
    own.driver.fails = "cuMemcpyHtoDAsync failed: out of memory"
    with pytest.raises(GpuFailed, match=r"CUDA_ERROR_OUT_OF_MEMORY .*Restart the instrument"):
        own.analyser.analyse(frame(smear()), SCALE)


def test_an_engine_that_does_not_name_cudas_error_has_it_named(own: Fixture) -> None:
    def broken(batch: Batch) -> Any:
        own.driver.fails = "cuStreamSynchronize failed: out of memory"
        raise AnalysisError("The network failed on ONNX Runtime: something.")

    own.gpu.detector._engine.run = broken  # type: ignore[attr-defined]
    with pytest.raises(GpuFailed, match="CUDA_ERROR_OUT_OF_MEMORY"):
        own.analyser.analyse(frame(smear()), SCALE)


def test_a_network_that_fails_on_a_sound_gpu_is_an_error_of_that_field(own: Fixture) -> None:
    def broken(batch: Batch) -> Any:
        raise AnalysisError("The network gave a value that is no number.")

    own.gpu.detector._engine.run = broken  # type: ignore[attr-defined]
    with pytest.raises(AnalysisError, match="no number") as caught:
        own.analyser.analyse(frame(smear()), SCALE)
    assert not isinstance(caught.value, GpuFailed)


def test_after_an_error_that_passed_the_next_field_is_whole(own: Fixture, processor: NetworkAnalyser) -> None:
    own.analyser.warm(FrameSize(720, 720, 0.1))
    own.driver.fails = "cuLaunchKernel failed: out of memory"
    for _ in range(3):
        with pytest.raises(GpuFailed):
            own.analyser.analyse(frame(smear()), SCALE)
    own.driver.fails = ""
    assert same(own.analyser.analyse(frame(smear()), SCALE), processor.analyse(frame(smear()), SCALE))


def test_memory_is_taken_by_the_warming_up_and_not_by_the_first_field(own: Fixture) -> None:
    own.analyser.warm(FrameSize(720, 720, 0.1))
    taken = len(own.driver.allocated)
    own.analyser.analyse(frame(smear()), SCALE)
    assert len(own.driver.allocated) == taken


def test_without_knowing_the_frames_it_warms_up_what_needs_none(own: Fixture) -> None:
    own.analyser.warm(None)
    assert own.driver.allocated == []


def test_the_device_is_let_go_of_once_nobody_needs_it() -> None:
    made = on_stand_in()
    driver = made.driver
    made.analyser.analyse(frame(smear()), SCALE)
    del made
    assert driver.context.said == ["retain", "push", "pop", "detach"]


def test_a_gpu_that_was_let_go_of_analyses_nothing() -> None:
    made = on_stand_in()
    made.gpu.close()
    made.gpu.close()
    with pytest.raises(GpuFailed, match="was let go of"):
        made.analyser.analyse(frame(smear()), SCALE)


def test_networks_that_are_refused_let_go_of_the_device() -> None:
    driver = StandInDriver()

    def load(lane: Lane) -> Networks:
        raise EngineRefused("There is no plan.")

    with pytest.raises(EngineRefused, match="no plan"):
        Gpu(load, lambda: Device(0, driver, NAMES), lambda device: StandInCompiler())  # type: ignore[arg-type, return-value]
    assert driver.context.said == ["retain", "push", "pop", "detach"]


def test_a_run_pauses_when_the_gpu_fails(own: Fixture) -> None:
    from test_pipeline import run

    class OneField:
        scale = SCALE

        def prepare(self, survey: object) -> Iterator[str]:
            return iter(())

        def fields(self, first: int = 0) -> Iterator[Frame]:
            own.driver.fails = "cuLaunchKernel failed: out of memory"
            yield frame(smear())

        def __getattr__(self, name: str) -> Any:
            return None if name in ("planned", "survey") else lambda: None

    (outcome,) = run(OneField(), own.analyser, stop_after=1)
    assert isinstance(outcome, Broken)
    assert outcome.resumable
    assert "CUDA_ERROR_OUT_OF_MEMORY" in outcome.reason


def test_an_engine_that_was_verified_counts_on_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = StandInDriver()
    settings = EngineSettings(EngineName.AUTO, EnginePrecision.FP16, tmp_path)
    weights = weights_digest("smear-13")
    keep(verification(subject_of(EngineName.ONNX_CUDA, settings, weights, BOX)), tmp_path)
    monkeypatch.setattr("appliance.engines.ask_box", lambda: Asked(BOX))
    monkeypatch.setattr("appliance.engines.absent", lambda _: "")
    monkeypatch.setattr("appliance.engines.open_on_cuda", lambda path, gpu: Engine(path))
    monkeypatch.setattr("appliance.gpu_analyser.Device", lambda: Device(0, driver, NAMES))
    monkeypatch.setattr("appliance.gpu_analyser._nvrtc", lambda kernels: lambda device: StandInCompiler())
    load = network_analysers(settings, lambda: FrameSize(720, 720, 0.1))
    analyser = load("network", "smear-13", "blood")
    assert isinstance(analyser, GpuAnalyser)
    taken = len(driver.allocated)
    assert analyser.analyse(frame(smear()), SCALE)
    assert len(driver.allocated) == taken
    analyser.close()


def test_without_pycuda_the_processor_prepares_the_frames_for_a_gpus_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EngineSettings(EngineName.ONNX_CUDA, EnginePrecision.FP16, tmp_path)
    monkeypatch.setattr("appliance.engines.open_on_cuda", lambda path, gpu: Engine(path))
    without = replace(BOX, pycuda=None)
    analyser = analyser_by(EngineName.ONNX_CUDA, settings, without, ("network", *OF))
    assert isinstance(analyser, NetworkAnalyser)
    assert "prepared by the GPU" not in analyser.engine
