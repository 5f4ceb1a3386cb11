"""The microscope of the settings: what is refused before anything moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders_coloured_slide import QuickRenderer
from builders_scope import CORNER, HEIGHTS, MECHANICS, RATE

from appliance.config import Config
from appliance.errors import ApplianceRefused
from appliance.microscope import Area, Microscope
from appliance.plan import Plan
from appliance.real_microscope import open_microscope
from appliance.simulator.microscope_camera import MicroscopeCamera
from calibration import CalibrationRefused
from firmware_bridge.emulated.grbl import EmulatedGrbl
from firmware_bridge.emulated.sangaboard import EmulatedSangaboard

FIELD = {"width_px": 256, "height_px": 192, "exposure_us": 10_000}


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedGrbl]:
    """A stage on a port, and cameras whatever the settings call them."""
    with EmulatedGrbl(MECHANICS, RATE) as board:
        monkeypatch.setattr(
            "appliance.real_microscope.open_driver",
            lambda *_: MicroscopeCamera(QuickRenderer(CORNER), board, "50x", vibration=None),
        )
        yield board


def settings(board: EmulatedGrbl, **microscope: Any) -> Config:
    """The settings of a microscope whose area, heights and focus lie within its stage's travel."""
    x, y, z = ({"limits_um": limits, "backlash_um": 5.0} for limits in board.limits_um)
    scope: dict[str, Any] = {
        "area_x_um": (1_000.0, 4_000.0),
        "area_y_um": (1_100.0, 3_000.0),
        "heights_um": (HEIGHTS.lowest_um, HEIGHTS.highest_um),
        "focus_um": 1_003.0,
        **microscope,
    }
    return Config(
        camera={"source": "v4l2:/dev/video0", **FIELD},  # type: ignore[arg-type]
        stage={"port": board.address, "x": x, "y": y, "z": z},  # type: ignore[arg-type]
        microscope=scope,  # type: ignore[arg-type]
    )


def opened(config: Config, **plan: Any) -> Microscope:
    return open_microscope(config, Plan(**{"camera": "microscope", "um_per_px": 0.2, **plan}))


def test_a_microscope_is_opened_as_its_settings_say(board: EmulatedGrbl) -> None:
    scope = opened(settings(board, focus_within_um=80.0))
    assert (scope.counting.setting.width_px, scope.focus_within_um) == (256, 80.0)
    assert scope.area == Area(1_000.0, 1_100.0, 4_000.0, 3_000.0)
    assert not [order for order in board.heard if order.startswith(("$H", "G1"))]
    scope.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"area_x_um": (1_000.0, 5_500.0)}, "area_x_um and area_y_um ask it to. Axis x"),
        ({"area_y_um": (2.0, 3_000.0)}, "area_x_um and area_y_um ask it to. Axis y"),
        ({"focus_um": 1_100.0}, "Correct focus_um"),
        ({"heights_um": (2_000.0, 2_500.0), "focus_um": 2_100.0}, "enclose nothing"),
        (
            {
                "overview": {
                    "source": "v4l2:/dev/video2",
                    "um_per_px": 2.0,
                    "aside_um": (3_000.0, 0.0),
                    **FIELD,
                }
            },
            "aside_um of the overview camera ask it to. Axis x",
        ),
    ],
)
def test_what_the_stage_cannot_reach_is_refused_before_anything_moves(
    board: EmulatedGrbl, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ApplianceRefused, match=said):
        opened(settings(board, **wrong))
    assert not [order for order in board.heard if order.startswith(("$H", "G1"))]
    opened(settings(board)).close()  # the port was let go of


def test_a_stage_with_switches_needs_nobody_at_its_reference(board: EmulatedGrbl) -> None:
    with pytest.raises(ApplianceRefused, match="Leave --at-reference out"):
        opened(settings(board), at_reference=True)


def test_a_calibration_of_another_camera_setting_is_refused(board: EmulatedGrbl, tmp_path: Path) -> None:
    calibration = tmp_path / "50x.json"
    calibration.write_text(
        json.dumps(
            {
                "hemadiff_calibration": 1,
                "id": "50x",
                "um_per_px": 0.2,
                "region": {"width": 512, "height": 384},
            }
        )
    )
    with pytest.raises(CalibrationRefused, match="512 × 384"):
        opened(settings(board), um_per_px=None, calibration=str(calibration))


def test_without_a_pixel_size_nothing_is_opened(board: EmulatedGrbl) -> None:
    with pytest.raises(ApplianceRefused, match="Calibrations belong to an objective"):
        opened(settings(board), um_per_px=None)


@pytest.mark.parametrize("limits", [(3.0, 1.0), (0.0, float("inf"))])
def test_limits_that_enclose_no_area_are_refused(board: EmulatedGrbl, limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="low, high"):
        settings(board, area_x_um=limits)


def test_a_stage_without_end_switches_counts_only_from_a_reference_that_a_person_vouches_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = MECHANICS
    with EmulatedSangaboard(built, RATE) as board:
        monkeypatch.setattr(
            "appliance.real_microscope.open_driver",
            lambda *_: MicroscopeCamera(QuickRenderer(CORNER), board, "50x", vibration=None),
        )
        said = settings(board, area_x_um=(-400.0, 400.0), area_y_um=(-300.0, 300.0),
                        heights_um=(-60.0, 60.0), focus_um=0.0)  # fmt: skip
        axes = {
            axis: section.model_copy(
                update={
                    "steps_per_mm": built.steps_per_mm[i],
                    "speed_um_s": board.speeds_um_s[i],
                }
            )
            for i, (axis, section) in enumerate(
                (("x", said.stage.x), ("y", said.stage.y), ("z", said.stage.z))
            )
        }
        said = said.model_copy(update={"stage": said.stage.model_copy(update=axes)})
        with pytest.raises(ApplianceRefused, match=r"no end switches.*--at-reference"):
            opened(said)
        scope = opened(said, at_reference=True)
        scope.home()
        assert (scope.where().x_um, scope.where().y_um) == (0.0, 0.0)
        scope.close()
