"""TensorRT takes the front end's batches where they lie, in the thread and on the device that both share.

The GPU and TensorRT are stand-ins: the very kernels on the processor, and ONNX Runtime behind TensorRT's calls.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")

from builders_gpu import NAMES
from builders_plans import USERS, box, with_tensorrt
from builders_smear import photograph
from standin_pycuda import StandInCompiler, StandInDriver
from standin_tensorrt import STREAM, Habits, tensorrt

from appliance.config_engine import EngineSettings
from appliance.engines import Opening
from appliance.expected_frames import FrameSize, detector_fields
from appliance.frame import Frame, Point
from appliance.gpu_analyser import Gpu
from appliance.gpu_loading import gpu_analyser
from appliance.network_analyser import analyser_by, analyser_on
from appliance.plans import build_plans
from calibration import Scale
from models.cascade_file import Precision
from models.engines.box import Asked
from models.engines.names import EngineName, EnginePrecision
from models.engines.onnx_engine import open_on_cpu
from models.errors import EngineRefused
from models.gpu.device import Device

FRAMES = FrameSize(360, 360, 0.1)
OF = ("network", "smear-13", "blood")
SCALE = Scale.stated(0.1)


class Driver(StandInDriver):
    """What TensorRT has queued happens when somebody waits for the device."""

    def __init__(self, habits: Habits) -> None:
        super().__init__()
        self.habits = habits

    def Stream(self, flags: int) -> Any:  # noqa: N802
        stream = super().Stream(flags)
        stream.handle = STREAM
        wait = stream.run_until

        def run_until(last: Any) -> None:
            work = stream.work
            # TensorRT's work was queued after the images' copy and before the answers'.
            if work and self.habits.queued and last is None:
                *before, answers = work
                stream.work[:] = before
                wait(None)
                queued, self.habits.queued[:] = list(self.habits.queued), []
                for happen in queued:
                    happen()
                stream.work[:] = [answers]
            wait(last)

        stream.run_until = run_until
        return stream


@pytest.fixture
def habits(monkeypatch: pytest.MonkeyPatch) -> Habits:
    habits = Habits()
    monkeypatch.setattr("appliance.gpu_analyser.WARM_CELLS", (1,))
    modules = with_tensorrt(monkeypatch, tensorrt(habits))
    for user in USERS:
        monkeypatch.setitem(sys.modules, f"models.engines.tensorrt_{user}", getattr(modules, user))
    return habits


def frame() -> Frame:
    return Frame(0, "a.png", photograph(), Point(0, 0), 0, None, None, SCALE.id)


def taken(driver: Driver) -> Any:
    return partial(
        Gpu, open_device=lambda: Device(0, driver, NAMES), compiler=lambda device: StandInCompiler()
    )


def test_a_field_is_analysed_by_plans_on_the_device(habits: Habits, tmp_path: Path) -> None:
    here = box(tensorrt=habits.version, pycuda="2026.1")
    settings = EngineSettings(EngineName.TENSORRT, EnginePrecision.FP32, tmp_path)
    build_plans(settings, "smear-13", Asked(here), detector_fields(FRAMES), lambda network, share: None)
    analyser = gpu_analyser(EngineName.TENSORRT, settings, here, OF, FRAMES, taken(Driver(habits)))
    found = analyser.analyse(frame(), SCALE)
    assert analyser.engine.startswith(f"TensorRT {habits.version} on stand-in, fp32")
    assert len(found) == 1
    assert found[0].opinion is not None
    (expected,) = analyser_on(Opening(open_on_cpu, Precision.FLOAT), *OF).analyse(frame(), SCALE)
    assert expected.opinion is not None
    assert found[0].opinion.label == expected.opinion.label
    assert np.allclose(found[0].opinion.probabilities, expected.opinion.probabilities, atol=1e-4)
    analyser.close()


def test_without_plans_the_device_is_let_go_of_and_the_remedy_said(habits: Habits, tmp_path: Path) -> None:
    here, driver = box(tensorrt=habits.version, pycuda="2026.1"), Driver(habits)
    settings = EngineSettings(EngineName.TENSORRT, EnginePrecision.FP16, tmp_path)
    with pytest.raises(EngineRefused, match=r"no plan of .*Run hemadiff engines build"):
        gpu_analyser(EngineName.TENSORRT, settings, here, OF, FRAMES, taken(driver))
    assert driver.context.said == ["retain", "push", "pop", "detach"]


def test_tensorrt_is_refused_where_nothing_holds_the_gpu(tmp_path: Path) -> None:
    settings = EngineSettings(EngineName.TENSORRT, EnginePrecision.FP16, tmp_path)
    with pytest.raises(EngineRefused, match="only where the GPU is held"):
        analyser_by(EngineName.TENSORRT, settings, box(), OF)
