"""`hemadiff engines build`: plans of every network that counts, for this box and the camera of the settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")

from builders_calibration import EXPIRES, record
from builders_commands import at_home, hemadiff
from builders_plans import USERS, box, with_tensorrt
from standin_tensorrt import Habits, tensorrt

from appliance.calibrations import Calibrations
from appliance.config import Config
from appliance.expected_frames import FrameSize, detector_fields, expected_frames
from appliance.plans import networks_of
from appliance.store import Store
from calibration.setup import Setup
from models.engines.box import Asked
from models.engines.names import EnginePrecision
from models.engines.plan_cache import PlanCache
from models.engines.profiles import FieldSize

SENSOR = {"source": "v4l2:/dev/video0", "width_px": 256, "height_px": 192}


@pytest.fixture
def habits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Habits:
    """A user on a box with TensorRT, under the simulated microscope."""
    habits = Habits()
    modules = with_tensorrt(monkeypatch, tensorrt(habits))
    for user in USERS:
        monkeypatch.setitem(sys.modules, f"models.engines.tensorrt_{user}", getattr(modules, user))
    here = box(tensorrt=habits.version, pycuda="2026.1")
    monkeypatch.setattr("models.engines.box.ask_box", lambda: Asked(here))
    at_home(tmp_path, monkeypatch)
    monkeypatch.setenv("HEMADIFF_CAMERA__SOURCE", "simulated")
    return habits


def plans(tmp_path: Path) -> list[str]:
    return sorted(plan.subject.network for plan in PlanCache(tmp_path / "engines").listed())


def test_a_plan_is_made_of_every_network_and_only_once(habits: Habits, tmp_path: Path) -> None:
    result = hemadiff("engines", "build", "--json")
    assert result.exit_code == 0, result.output
    assert sorted(row["network"] for row in json.loads(result.stdout)) == [
        "cells",
        "cells-residual",
        "detector",
    ]
    assert plans(tmp_path) == ["cells", "cells-residual", "detector"]
    assert "hemadiff engines verify tensorrt" in hemadiff("engines", "build").output
    assert habits.builds == 3


def test_the_list_says_what_has_no_plan_yet(habits: Habits) -> None:
    def tensorrt_is() -> Any:
        return json.loads(hemadiff("engines", "list", "--json").stdout)["engines"][0]

    assert tensorrt_is()["built"] is False
    assert "no plan of detector, cells, cells-residual" in tensorrt_is()["lacks"]
    hemadiff("engines", "build")
    assert tensorrt_is()["built"] is True


def test_an_interrupted_build_leaves_no_plan_of_that_network(habits: Habits, tmp_path: Path) -> None:
    def interrupt(step: int) -> None:
        if habits.builds == 1:
            raise KeyboardInterrupt

    habits.before_step = interrupt
    assert hemadiff("engines", "build").exit_code == 130
    assert plans(tmp_path) in ([], ["detector"])
    assert not list((tmp_path / "engines").glob("*.part"))


def test_a_build_without_a_camera_says_what_to_state(habits: Habits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEMADIFF_CAMERA__SOURCE")
    result = hemadiff("engines", "build")
    assert result.exit_code == 2
    assert "the settings do not say which. Give [camera] source, width_px" in result.stderr


def test_a_build_where_there_is_no_tensorrt_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home(tmp_path, monkeypatch)
    monkeypatch.setattr("models.engines.box.ask_box", lambda: Asked(None, "no GPU can be used"))
    result = hemadiff("engines", "build")
    assert result.exit_code == 2
    assert "here no GPU can be used. See docs/gpu.md" in result.stderr


def test_eight_bits_are_built_of_the_eight_bit_twin() -> None:
    assert [path.stem for path in networks_of("smear-13", EnginePrecision.INT8)][:2] == [
        "detector",
        "cells-int8",
    ]
    assert all(path.is_file() for path in networks_of("smear-13", EnginePrecision.FP16))


# What frames the camera gives


def config(tmp_path: Path, **camera: Any) -> Config:
    return Config(
        store={"path": tmp_path / "s.sqlite"},  # type: ignore[arg-type]
        camera=camera,  # type: ignore[arg-type]
        microscope={"objective": "100x oil"},  # type: ignore[arg-type]
    )


def test_the_simulated_microscopes_frames_are_known(tmp_path: Path) -> None:
    assert expected_frames(config(tmp_path, source="simulated")) == FrameSize(1388, 1040, 0.1)


def test_a_sensors_frames_are_those_of_the_settings_at_a_stated_scale(tmp_path: Path) -> None:
    assert expected_frames(config(tmp_path, **SENSOR, um_per_px=0.07)) == FrameSize(256, 192, 0.07)


def test_a_sensors_frames_have_the_scale_that_is_in_force(tmp_path: Path) -> None:
    settings = config(tmp_path, **SENSOR)
    assert expected_frames(settings) is None
    measured = record(setup=Setup("100x oil", "v4l2:/dev/video0", 1, (256, 192)), expires=EXPIRES)
    with Store(settings.store.path) as store:
        Calibrations(store).add(measured, measured.made)
        Calibrations(store).use(measured.id, "anna", measured.made)
    assert expected_frames(settings) == FrameSize(256, 192, measured.um_per_px.value)


def test_a_folders_frames_are_not_known(tmp_path: Path) -> None:
    assert expected_frames(config(tmp_path, source=f"folder:{tmp_path}")) is None


def test_plans_are_made_for_fields_as_the_detector_sees_them() -> None:
    assert detector_fields(FrameSize(1388, 1040, 0.1)) == (FieldSize(272, 352),)
    assert detector_fields(None) == ()
