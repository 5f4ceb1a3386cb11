"""Where the overview camera looks is measured beside the objective, whose fields are laid together for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_coloured_slide import QuickRenderer
from builders_commands import at_home, hemadiff
from builders_scope import CORNER, FOCUS_UM, HEIGHTS, MECHANICS, RATE

from appliance.calibrating.bench import Bench, real_bench
from appliance.calibrating.lenses import lenses
from appliance.calibrating.mosaic import Mosaic, Tile
from appliance.calibrating.stage import stage_map
from appliance.cameras.open_driver import UsbSensor
from appliance.config import Config
from appliance.simulator.microscope_camera import MicroscopeCamera
from appliance.simulator.objectives import OBJECTIVES
from calibration.errors import CalibrationRefused
from firmware_bridge.emulated.grbl import EmulatedGrbl
from firmware_bridge.point import Point

ASIDE_UM = (41.0, -26.0)
LENS = "10x"
SIZE = {"width_px": 256, "height_px": 192, "exposure_us": 10_000}


class Quiet:
    """An engineer who does as told."""

    def tell(self, sentence: str) -> None: ...

    def lay(self, slide: str, sentence: str) -> None: ...

    def mend(self, sentence: str) -> bool:
        return False

    def confirm(self, sentence: str, usual: bool) -> bool:
        return True


def config(board: EmulatedGrbl, store: Path) -> Config:
    x, y, z = ({"limits_um": limits} for limits in board.limits_um)
    said: dict[str, Any] = {
        "camera": {"source": "v4l2:/dev/video0", **SIZE},
        "stage": {
            "port": board.address,
            "x": x,
            "y": y,
            "z": z,
            "settle_s": 0.12 / RATE,
            "light_settle_s": 0.001,
        },
        "microscope": {
            "objective": "50x",
            "area_x_um": (2_000.0, 3_200.0),
            "area_y_um": (2_000.0, 2_800.0),
            "heights_um": (HEIGHTS.lowest_um, HEIGHTS.highest_um),
            "focus_um": FOCUS_UM,
            "light": 1.0,
            "overview": {"source": "v4l2:/dev/video2", "um_per_px": OBJECTIVES[LENS].um_per_px, **SIZE},
        },
        "store": {"path": store / "s.sqlite"},
    }
    return Config(**said)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    """A microscope with both cameras; the overview's looks aside of the objective."""
    with EmulatedGrbl(MECHANICS, RATE) as board:

        def camera(sensor: UsbSensor, *_: object) -> MicroscopeCamera:
            above = sensor.device.endswith("2")
            lens, aside_um = (LENS, ASIDE_UM) if above else ("50x", (0.0, 0.0))
            return MicroscopeCamera(QuickRenderer(CORNER), board, lens, vibration=None, aside_um=aside_um)

        monkeypatch.setattr("appliance.real_microscope.open_driver", camera)
        with real_bench(config(board, tmp_path), Quiet()) as opened:
            yield opened


def test_where_and_how_high_the_overview_camera_looks_is_measured(bench: Bench) -> None:
    _, measured = bench.runner.run(stage_map(bench.known, steps=4))
    assert bench.known.overview is not None
    found = bench.runner.run(lenses(bench.known, measured, bench.known.overview))
    for axis, true in zip("xy", ASIDE_UM, strict=True):
        aside = found.values[f"overview_aside_{axis}_um"]
        assert aside.value == pytest.approx(true, abs=max(0.5, 3 * aside.uncertainty))
    higher = OBJECTIVES[LENS].parfocal_um - OBJECTIVES["50x"].parfocal_um
    assert found.values["overview_parfocal_um"].value == pytest.approx(higher, abs=1.0)
    assert found.settings["[microscope.overview] aside_um"].startswith("[4")


def test_without_an_overview_camera_there_is_nothing_to_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home(tmp_path, monkeypatch)
    monkeypatch.setattr("appliance.commands.calibrating.bench", lambda *_: _NoOverview())
    refused = hemadiff("calibrate", "lenses", "--yes")
    assert (refused.exit_code, "Give [microscope.overview] source" in refused.stderr) == (2, True)


class _NoOverview:
    setup = None

    class known:  # noqa: N801 - as a bench has it
        overview = None

    class runner:  # noqa: N801 - the routine refuses before its first step
        run = staticmethod(next)

    def __enter__(self) -> _NoOverview:
        return self

    def __exit__(self, *_: object) -> None: ...


# Fields laid together

TURNED = np.radians(6.0)
MATRIX = 4.0 * np.array([[np.cos(TURNED), -np.sin(TURNED)], [np.sin(TURNED), np.cos(TURNED)]])
"""px of a field per µm."""


def seen(place: Point, width: int = 120, height: int = 90) -> np.ndarray:
    """A field of a slide whose light is a slow wave, under a lens that is darker at its corners."""
    x_px, y_px = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    x_um, y_um = np.einsum("ij,j...->i...", np.linalg.inv(MATRIX), np.stack([x_px, y_px]))
    light = wave(x_um + place.x_um, y_um + place.y_um)
    return np.repeat(np.rint(light)[..., None], 3, axis=2).astype(np.uint8)


def wave(x_um: np.ndarray, y_um: np.ndarray) -> np.ndarray:
    return np.asarray(150 + 50 * np.sin(x_um / 5) * np.cos(y_um / 4))


def laid(fields: int) -> Mosaic:
    mosaic = Mosaic(Point(500.0, 300.0), 40.0, 1.0, MATRIX)
    steps = (np.arange(fields) - (fields - 1) / 2) * 18
    for y_um in steps:
        for x_um in steps:
            place = Point(500.0 + float(x_um), 300.0 + float(y_um))
            mosaic.add(Tile.of(seen(place), place, 4.0))
    return mosaic


def test_turned_fields_lie_straight_beside_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.calibrating.mosaic.FEWEST_FOR_LIGHT", 99)
    look = laid(4).look()
    at = np.arange(40) - 19.5
    true = wave(*np.meshgrid(500.0 + at, 300.0 + at))
    assert (look.x_um, look.y_um, look.um_per_px) == (500.0, 300.0, 1.0)
    assert np.abs(look.pixels[..., 1] - true).mean() < 2.5


def test_fields_that_leave_gaps_are_refused() -> None:
    with pytest.raises(CalibrationRefused, match="unseen"):
        laid(2).look()
