"""Plans are made once for a box, tell how far they are, can be ended, and leave nothing half made."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")

from builders_plans import box, classifier, with_tensorrt
from standin_tensorrt import Habits, tensorrt

from models.engines.names import EnginePrecision
from models.engines.plan_cache import KeptPlan, PlanCache
from models.engines.profiles import FieldSize
from models.errors import EngineRefused


class Builds:
    """A folder of plans, a small network, and TensorRT with its habits."""

    def __init__(self, folder: Path, modules: SimpleNamespace, habits: Habits) -> None:
        self.modules, self.habits, self.cache = modules, habits, PlanCache(folder / "plans")
        self.path = classifier(folder)
        self.detector = classifier(folder, "detector", any_size=True)

    def build(self, path: Path | None = None, fields: tuple[FieldSize, ...] = (), **changes: Any) -> KeptPlan:
        told = changes.pop("told", lambda step: None)
        asked = changes.pop("asked", EnginePrecision.FP16)
        here = box(**{"tensorrt": self.habits.version, **changes})
        plan: KeptPlan = self.modules.build.build_plan(
            path or self.path, fields, asked, here, self.cache, told
        )
        return plan

    @property
    def on_disk(self) -> list[str]:
        return sorted(path.suffix for path in self.cache.folder.glob("plan-*"))


@pytest.fixture(params=["10.16.1.11", "11.4.0.106"])
def builds(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builds:
    habits = Habits(version=request.param)
    return Builds(tmp_path, with_tensorrt(monkeypatch, tensorrt(habits)), habits)


def test_a_plan_is_made_once(builds: Builds) -> None:
    assert builds.build() == builds.build()
    assert builds.habits.builds == 1


@pytest.mark.parametrize(
    "change", [{"gpu": "Another"}, {"capability": "12.0"}, {"asked": EnginePrecision.FP32}], ids=str
)
def test_another_box_or_precision_has_a_plan_of_its_own(builds: Builds, change: dict[str, Any]) -> None:
    builds.build()
    builds.build(**change)
    assert builds.habits.builds == 2


def test_another_size_of_fields_has_a_plan_of_its_own(builds: Builds) -> None:
    builds.build(builds.detector, (FieldSize(64, 96),))
    builds.build(builds.detector, (FieldSize(64, 96), FieldSize(256, 256)))
    assert builds.habits.builds == 2


def test_a_field_a_little_larger_is_taken_by_the_plan_that_there_is(builds: Builds) -> None:
    builds.build(builds.detector, (FieldSize(64, 96),))
    builds.build(builds.detector, (FieldSize(80, 96),))
    assert builds.habits.builds == 1


def test_a_detector_without_any_field_is_refused(builds: Builds) -> None:
    with pytest.raises(EngineRefused, match="how large fields are"):
        builds.build(builds.detector)


def test_whoever_builds_is_told_how_far_it_is(builds: Builds) -> None:
    steps: list[Any] = []
    builds.build(told=steps.append)
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_float32_is_not_rounded_to_nineteen_bits(builds: Builds) -> None:
    builds.build()
    assert [flag.name for flag in builds.habits.flags_cleared] == ["TF32"]


def test_a_second_build_knows_what_the_first_measured(builds: Builds) -> None:
    builds.build()
    builds.build(builds.detector, (FieldSize(64, 96),))
    assert builds.habits.timings_given == [b"", b"timings"]


def test_timings_that_tensorrt_cannot_use_are_measured_again(builds: Builds) -> None:
    builds.build()
    next(builds.cache.folder.glob("timings-*")).write_bytes(b"of another TensorRT")
    builds.build(builds.detector, (FieldSize(64, 96),))
    assert builds.habits.timings_given == [b"", b""]


def test_a_build_that_fails_says_what_tensorrt_said_and_leaves_no_plan(builds: Builds) -> None:
    builds.habits.fails_building = "Could not find any implementation for node a."
    with pytest.raises(
        EngineRefused, match=r"plan of small: Could not find any implementation for node a\. See"
    ):
        builds.build()
    assert builds.on_disk == []


def test_a_network_that_tensorrt_cannot_read_is_refused_with_its_reason(builds: Builds) -> None:
    monitor = builds.modules.progress.Monitor(lambda step: None, threading.Event())
    with pytest.raises(EngineRefused, match="UINT8 is only converted"):
        builds.modules.build.compile_network(builds.path.read_bytes(), "images", (), b"", monitor, "small")


def test_tensorrt_without_a_driver_is_a_refusal(builds: Builds) -> None:
    builds.habits.driver = False
    with pytest.raises(EngineRefused, match="CUDA initialization failure with error: 35"):
        builds.build()


@pytest.mark.parametrize("version", [None, "9.3.0", "12.0.1"])
def test_a_tensorrt_that_nobody_looked_at_is_refused(builds: Builds, version: str | None) -> None:
    with pytest.raises(EngineRefused, match="TensorRT"):
        builds.build(tensorrt=version)


def test_what_the_one_who_is_told_raises_ends_the_build(builds: Builds) -> None:
    def enough(step: Any) -> None:
        raise RuntimeError("the terminal has gone")

    with pytest.raises(RuntimeError, match="the terminal has gone"):
        builds.build(told=enough)
    assert builds.on_disk == []


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have Ctrl-C heard, which a shell's background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_build_and_leaves_no_plan(builds: Builds) -> None:
    def press(step: int) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.005)

    builds.habits.before_step, builds.habits.steps = press, 4000
    steps: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        builds.build(told=steps.append)
    assert len(steps) < 4000
    assert builds.on_disk == []


def test_a_build_that_was_ended_can_be_begun_again(builds: Builds) -> None:
    def enough(step: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        builds.build(told=enough)
    builds.build()
    assert builds.on_disk == [".json", ".trt"]
