"""A real camera keeps what `Camera` promises. Runs only where one is named, under a lit field that does not move:

HEMADIFF_CAMERA=picamera2:0 HEMADIFF_CAMERA_SETTING=2028x1520@8000 pytest tests/test_camera_on_hardware.py
HEMADIFF_CAMERA=remote:192.168.7.2 HEMADIFF_CAMERA_KEY=camera.key …
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.cameras.camera import Camera, CameraSetting
from appliance.cameras.freshness import FreshCamera, FreshnessLimits
from appliance.cameras.open_driver import DriverOptions, open_driver, parse_sensor

NAMED = os.environ.get("HEMADIFF_CAMERA", "")
pytestmark = pytest.mark.skipif(not NAMED, reason="HEMADIFF_CAMERA names no camera")


def setting() -> CameraSetting:
    """WIDTHxHEIGHT@EXPOSURE_US, such as 1280x960@5000."""
    text = os.environ.get("HEMADIFF_CAMERA_SETTING", "1280x960@5000")
    numbers = re.fullmatch(r"(\d+)x(\d+)@(\d+)", text)
    assert numbers, f"HEMADIFF_CAMERA_SETTING is {text}, not WIDTHxHEIGHT@EXPOSURE_US"
    width_px, height_px, exposure_us = map(int, numbers.groups())
    return CameraSetting(width_px, height_px, exposure_us)


def named_driver() -> Camera:
    key = os.environ.get("HEMADIFF_CAMERA_KEY")
    return open_driver(parse_sensor(NAMED), DriverOptions(key=Path(key) if key else None))


@pytest.fixture
def camera() -> Iterator[FreshCamera]:
    opened = FreshCamera(named_driver(), FreshnessLimits(saturated_share=None))
    yield opened
    opened.close()


def test_twenty_frames_in_a_row_are_fresh_and_all_different(camera: FreshCamera) -> None:
    in_use = camera.configure(setting())
    starts = []
    for _ in range(20):
        not_before_ns = time.monotonic_ns()
        frame = camera.capture(not_before_ns)
        assert frame.start_ns >= not_before_ns
        assert frame.pixels.shape == (in_use.height_px, in_use.width_px, 3)
        starts.append(frame.start_ns)
    assert starts == sorted(set(starts))


def test_half_the_exposure_is_darker(camera: FreshCamera) -> None:
    levels = []
    for wish in (setting(), replace(setting(), exposure_us=setting().exposure_us // 2)):
        camera.configure(wish)
        levels.append(np.mean([camera.capture(time.monotonic_ns()).pixels.mean() for _ in range(3)]))
    assert levels[1] < 0.9 * levels[0]


def test_two_frames_of_one_setting_are_equally_bright(camera: FreshCamera) -> None:
    camera.configure(setting())
    levels = [camera.capture(time.monotonic_ns()).pixels.mean() for _ in range(10)]
    assert max(levels) - min(levels) < 0.02 * float(np.mean(levels)), "is an automatic still at work?"


def test_it_can_be_closed_and_opened_again(camera: FreshCamera) -> None:
    camera.configure(setting())
    camera.close()
    again = FreshCamera(named_driver())
    try:
        again.configure(setting())
        assert again.capture(time.monotonic_ns()).exposure_us > 0
    finally:
        again.close()
