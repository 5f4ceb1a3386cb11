"""A real microscope is opened to be calibrated: here its stage is emulated at its port, and its camera stood in for."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from builders_cameras import Clock
from builders_coloured_slide import QuickRenderer
from builders_commands import at_home, hemadiff
from builders_scope import CORNER, FOCUS_UM, HEIGHTS, MECHANICS, RATE
from numpy.typing import NDArray
from standin_picamera2 import Module, Rig

from appliance.calibrating.bench import Bench, real_bench
from appliance.calibrating.focus import focus
from appliance.calibrating.lamp import flat_field
from appliance.calibrating.looking import lit
from appliance.calibrating.pixel_size import RulerOnStage, pixel_size
from appliance.calibrating.stage import backlash, stage_map
from appliance.calibrating.steps import seen_at
from appliance.config import Config
from appliance.errors import ApplianceError
from appliance.simulator.microscope_camera import MicroscopeCamera
from calibration.errors import CalibrationRefused
from firmware_bridge.emulated.grbl import EmulatedGrbl

GLASS = 180
NOISE = np.random.default_rng(1).normal(0, 1.5, (184, 160, 3)).astype(np.int16)


class RealTime(Clock):
    """This machine's time: a camera that is waited for takes as long as it takes."""

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns()

    @now_ns.setter
    def now_ns(self, until_ns: int) -> None:
        while (left_ns := until_ns - time.monotonic_ns()) > 0:
            threading.Event().wait(left_ns / 1e9)


@dataclass
class Scope:
    """A stage at a port, and a Raspberry Pi's camera that sees bare glass, as bright as the lamp is."""

    board: EmulatedGrbl
    rig: Rig
    level: float = GLASS
    seen: int = 0

    def see(self, begin_ns: int, end_ns: int) -> NDArray[np.uint8]:
        self.seen += 1
        light = self.board.light_at((begin_ns + end_ns) // 2) * self.level
        noise = NOISE[self.seen % 64 :][:120]
        return np.clip(noise + round(light), 0, 255).astype(np.uint8)


class Patient:
    """An engineer who does as told, and mends nothing."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, sentence: str) -> None:
        self.heard.append(sentence)

    def lay(self, slide: str, sentence: str) -> None:
        self.heard.append(sentence)

    def mend(self, sentence: str) -> bool:
        return False

    def confirm(self, sentence: str, usual: bool) -> bool:
        return True


@pytest.fixture
def scope(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scope]:
    rig = Rig(clock=RealTime(), frame_ms=10.0, latency_ms=1.0)
    monkeypatch.setitem(sys.modules, "picamera2", Module(rig))
    with EmulatedGrbl(MECHANICS, RATE) as board:
        made = Scope(board, rig)
        rig.scene = made.see
        yield made


def settings(
    board: EmulatedGrbl, store: Path, source: str = "picamera2:0", size: tuple[int, int] = (160, 120)
) -> Config:
    """Settings as docs/calibrating.md has them before a calibration, but with play that somebody stated for z."""
    x, y, z = ({"limits_um": limits} for limits in board.limits_um)
    return Config(
        camera={"source": source, "width_px": size[0], "height_px": size[1], "exposure_us": 4_000},  # type: ignore[arg-type]
        stage={  # type: ignore[arg-type]
            "port": board.address, "x": x, "y": y, "z": {**z, "backlash_um": 4.0},
            "settle_s": 0.12 / RATE, "light_settle_s": 0.05 / RATE,
        },
        microscope={  # type: ignore[arg-type]
            "objective": "50x", "area_x_um": (1_000.0, 4_000.0), "area_y_um": (1_100.0, 3_000.0),
            "heights_um": (HEIGHTS.lowest_um, HEIGHTS.highest_um), "focus_um": FOCUS_UM, "light": 1.0,
        },
        store={"path": store / "s.sqlite"},  # type: ignore[arg-type]
    )  # fmt: skip


def closed(scope: Scope) -> bool:
    """Whether the camera was let go of."""
    return not any(camera.is_open for camera in scope.rig.made)


def test_it_is_opened_homed_and_lit_and_takes_a_picture(scope: Scope, tmp_path: Path) -> None:
    engineer = Patient()
    with real_bench(settings(scope.board, tmp_path), engineer) as bench:
        shown = bench.runner.run(seen_at(bench.known.start))
        assert shown.pixels.shape == (120, 160, 3)
        assert shown.pixels.mean() == pytest.approx(GLASS, abs=2)
        assert bench.setup.camera == "picamera2:0 (imx477)"
        assert "Grbl" in bench.firmware
    assert engineer.heard == ["Homing the stage."]
    assert "$H" in scope.board.heard
    assert closed(scope)


def test_no_backlash_is_made_up_for_while_it_is_measured(scope: Scope, tmp_path: Path) -> None:
    with real_bench(settings(scope.board, tmp_path), Patient()) as bench:
        high, low = bench.known.start, bench.known.at(-100.0, -100.0, bench.known.start.z_um - 5.0)
        bench.runner.run(seen_at(high))
        scope.board.heard.clear()
        bench.runner.run(seen_at(low))
        moves = [order for order in scope.board.heard if "G1" in order]
        assert len(moves) == 1, "no move goes beyond its target and back"
        assert bench.known.take_up_um > 4.0, (
            "a search for focus allows for the play that the settings know of"
        )


def test_it_may_be_opened_again_after_a_routine_failed(
    scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(scope.board, tmp_path)

    def fail() -> None:
        with real_bench(config, Patient()) as bench, monkeypatch.context() as patch:
            patch.setattr("appliance.cameras.picamera.ANSWER_WITHIN_S", 0.1)
            scope.rig.unplugged = True
            bench.runner.run(seen_at(bench.known.start))

    with pytest.raises(ApplianceError, match="picamera2:0"):
        fail()
    assert closed(scope)
    scope.rig.unplugged = False
    with real_bench(config, Patient()) as bench:
        assert bench.runner.run(seen_at(bench.known.start)).pixels.mean() > 100


def test_a_stage_that_does_not_come_home_is_told_and_everything_closed(scope: Scope, tmp_path: Path) -> None:
    scope.board.break_switch("x")
    with (
        pytest.raises(ApplianceError, match="The stage"),
        real_bench(settings(scope.board, tmp_path), Patient()),
    ):
        pass
    assert closed(scope)


def test_a_lamp_that_is_off_is_refused(scope: Scope, tmp_path: Path) -> None:
    scope.level = 0.0
    with (
        real_bench(settings(scope.board, tmp_path), Patient()) as bench,
        pytest.raises(CalibrationRefused, match="No exposure gives a usable picture"),
    ):
        bench.runner.run(lit(bench.known))


def test_too_much_light_is_no_camera_that_repeats_itself(scope: Scope, tmp_path: Path) -> None:
    scope.level = 999.0
    engineer = Patient()
    with (
        real_bench(settings(scope.board, tmp_path), engineer) as bench,
        pytest.raises(CalibrationRefused, match="No exposure gives a usable picture"),
    ):
        bench.runner.run(lit(bench.known))
    assert "Too bright: halve the exposure. It is set to 2000 µs." in engineer.heard


def test_glass_without_a_ruler_is_refused(scope: Scope, tmp_path: Path) -> None:
    with (
        real_bench(settings(scope.board, tmp_path), Patient()) as bench,
        pytest.raises(CalibrationRefused, match="There is no ruler within 300 µm"),
    ):
        bench.runner.run(pixel_size(bench.known, RulerOnStage()))


def test_the_lamp_is_lit_again_after_a_flat_field_was_refused(scope: Scope, tmp_path: Path) -> None:
    with real_bench(settings(scope.board, tmp_path), Patient()) as bench:
        with pytest.raises(CalibrationRefused):
            bench.runner.run(
                flat_field(bench.known)
            )  # the light does not follow the exposure: no linear sensor
        assert bench.runner.run(seen_at(bench.known.start)).pixels.mean() > 100


@pytest.fixture
def smear(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Bench, Patient]]:
    """The same stage with a smear on it, under a camera that draws what it sees."""
    with EmulatedGrbl(MECHANICS, RATE) as board:
        monkeypatch.setattr(
            "appliance.real_microscope.open_driver",
            lambda *_: MicroscopeCamera(QuickRenderer(CORNER), board, "50x", vibration=None),
        )
        engineer = Patient()
        config = settings(board, tmp_path, "v4l2:/dev/video0", (256, 192))
        with real_bench(config, engineer) as bench:
            yield bench, engineer


def test_stage_and_focus_are_measured_as_they_are(smear: tuple[Bench, Patient]) -> None:
    bench, _ = smear
    found, measured = bench.runner.run(stage_map(bench.known, steps=4))
    assert measured.um_per_px.value == pytest.approx(0.2, rel=0.005)
    lost = bench.runner.run(backlash(bench.known, measured, returns=10, reversals=4)).values
    for axis, true in zip("xy", MECHANICS.backlash_um, strict=False):
        assert lost[f"backlash_{axis}_um"].value == pytest.approx(true, abs=0.4)
    assert found.place is not None
    depth = bench.runner.run(focus(bench.known, tilt=False, pairs=2)).values
    assert depth["backlash_z_um"].value == pytest.approx(MECHANICS.backlash_um[2], abs=0.3)


SETTINGS = """
[camera]
source = "picamera2:0"
width_px = 160
height_px = 120
exposure_us = 4000
[stage]
port = "{port}"
settle_s = 0.001
light_settle_s = 0.001
x = {{ limits_um = [0.0, 5000.0] }}
y = {{ limits_um = [0.0, 4000.0] }}
z = {{ limits_um = [0.0, 1300.0] }}
[microscope]
objective = "50x"
area_x_um = [1000.0, 4000.0]
area_y_um = [1100.0, 3000.0]
heights_um = [970.0, 1040.0]
focus_um = 1003.0
light = 1.0
"""


@pytest.fixture
def at_terminal(scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scope:
    at_home(tmp_path, monkeypatch)
    (tmp_path / "hemadiff.toml").write_text(SETTINGS.format(port=scope.board.address), encoding="utf-8")
    monkeypatch.setenv("HEMADIFF_CONFIG", str(tmp_path / "hemadiff.toml"))
    return scope


def test_the_command_says_what_it_refuses_and_lets_go_of_everything(at_terminal: Scope) -> None:
    refused = hemadiff("calibrate", "pixel-size", "--yes")
    assert (refused.exit_code, "There is no ruler within 300 µm" in refused.stderr) == (2, True), (
        refused.output
    )
    assert closed(at_terminal)


def test_nothing_moves_before_somebody_says_that_the_way_is_free(at_terminal: Scope) -> None:
    asked = hemadiff("calibrate", "stage-map")
    assert (asked.exit_code, "Is the way free?" in asked.stderr) == (2, True)
    assert "$H" not in at_terminal.board.heard
