"""The Raspberry Pi camera, against a stand-in with picamera2's habits. None of this has run on a Raspberry Pi."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders_cameras import MS, WISH, smear
from numpy.typing import NDArray
from standin_picamera2 import Module, Rig

from appliance.cameras.camera import CameraInUse
from appliance.cameras.freshness import FreshCamera
from appliance.cameras.picamera import Clocks, PiCamera
from appliance.errors import ApplianceError, ApplianceRefused

Open = Callable[[Rig], PiCamera]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a camera on a rig."""

    def open_(rig: Rig) -> PiCamera:
        monkeypatch.setitem(sys.modules, "picamera2", Module(rig))
        return PiCamera(0, Clocks(rig.clock, lambda: rig.clock() + round(rig.asleep_ms * MS)))

    return open_


def light_from(settled_ns: int) -> Callable[[int, int], NDArray[np.uint8]]:
    """A scene that changes at a time: exposures that began before it have seen the scene of before."""
    return lambda begin_ns, end_ns: smear(end_ns // MS, scene=2 if begin_ns >= settled_ns else 1)


def test_what_is_in_use_is_read_back_from_the_sensors_frames(opened: Open) -> None:
    wish = replace(WISH, exposure_us=5010, gain=1.2345, colour_gains=(2.1, 1.7))
    in_use = opened(Rig()).configure(wish)
    assert in_use.gain == pytest.approx(1.2344, abs=1e-3)
    assert replace(in_use, gain=1.0) == CameraInUse("imx477", 160, 120, "BGR888", 5000, 1.0, (2.1, 1.7))


def test_a_frame_began_after_everything_had_settled_though_requests_were_queued_before(opened: Open) -> None:
    rig = Rig()
    camera = opened(rig)
    camera.configure(WISH)
    for _ in range(5):
        rig.clock.wait(133)
        settled_ns = rig.clock()
        rig.scene = light_from(settled_ns)
        frame = camera.capture(settled_ns)
        assert frame.start_ns >= settled_ns
        assert np.abs(frame.pixels.astype(int) - smear(scene=2).astype(int)).mean() < 5
        assert frame.exposure_us == 5000


def test_the_start_is_never_later_than_the_first_rows_exposure_began(opened: Open) -> None:
    rig, began = Rig(), []
    rig.scene = lambda begin_ns, end_ns: began.append(begin_ns) or smear(end_ns // MS)  # type: ignore[func-returns-value]
    camera = opened(rig)
    camera.configure(replace(WISH, exposure_us=15_000))
    frame = camera.capture(rig.clock())
    assert frame.start_ns <= began[-1] <= frame.start_ns + 2 * MS


def test_the_sensor_is_locked_before_it_starts_and_nothing_reduces_noise_over_time(opened: Open) -> None:
    rig = Rig()
    opened(rig).configure(WISH)
    (device,) = rig.made
    assert device._controls["AeEnable"] is False
    assert device._controls["AwbEnable"] is False
    assert device._controls["NoiseReductionMode"] == 0


@pytest.mark.parametrize("pixel_format", ["BGR888", "RGB888", "XBGR8888", "XRGB8888"])
def test_colours_are_red_green_blue_whatever_format_libcamera_made_of_the_wish(
    opened: Open, pixel_format: str
) -> None:
    red = np.full((120, 160, 3), (200, 100, 50), dtype=np.uint8)
    rig = Rig(adjusted_format=pixel_format, padding=32, scene=lambda begin_ns, end_ns: red)
    camera = opened(rig)
    assert camera.configure(WISH).pixel_format == pixel_format
    frame = camera.capture(0)
    assert np.array_equal(frame.pixels, red)
    assert frame.pixels.flags.c_contiguous


def test_a_format_whose_colours_are_not_whole_is_refused(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match="gives YUV420"):
        opened(Rig(adjusted_format="YUV420")).configure(WISH)


def test_an_adjusted_size_is_refused_with_the_size_that_there_is(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match=r"gives 128×96 px, not 160×120\. Set it to 128×96"):
        opened(Rig(adjusted_size=(128, 96))).configure(WISH)


def test_an_odd_size_is_refused_with_the_even_one(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match="gives 160×120 px, not 161×121"):
        opened(Rig()).configure(replace(WISH, width_px=161, height_px=121))


def test_an_exposure_beyond_the_sensor_is_refused_with_its_limits(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match="exposure of 50 µs: it takes 114 to"):
        opened(Rig()).configure(replace(WISH, exposure_us=50))


def test_a_gain_beyond_the_sensor_is_refused_with_its_limits(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match=r"gain of 40: it takes 1 to 22\.26"):
        opened(Rig()).configure(replace(WISH, gain=40.0))


def test_a_sensor_that_does_not_take_the_exposure_is_refused_with_what_it_uses(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match="uses 33000 µs at gain 1 "):
        opened(Rig(stuck_exposure_us=33_000)).configure(WISH)


def test_a_sensor_without_colours_works_and_refuses_colour_gains(opened: Open) -> None:
    grey = Rig(without=("ColourGains", "AwbEnable"))
    camera = opened(grey)
    assert camera.configure(WISH).exposure_us == 5000
    with pytest.raises(ApplianceRefused, match="sees no colours"):
        camera.configure(replace(WISH, colour_gains=(2.0, 1.5)))


def test_a_camera_whose_exposure_nobody_can_set_is_refused(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match="lets nobody set ExposureTime"):
        opened(Rig(without=("ExposureTime",))).configure(WISH)


def test_a_camera_that_does_not_say_when_it_exposed_is_refused(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match="does not tell the SensorTimestamp"):
        opened(Rig(without_metadata=("SensorTimestamp",))).configure(WISH)


@pytest.mark.parametrize("stamps_with_boot_time", [False, True])
def test_times_are_monotonic_whichever_clock_stamps_frames_on_a_machine_that_slept(
    opened: Open, stamps_with_boot_time: bool
) -> None:
    rig = Rig(asleep_ms=3_600_000, stamps_with_boot_time=stamps_with_boot_time)
    camera = opened(rig)
    camera.configure(WISH)
    settled_ns = rig.clock()
    frame = camera.capture(settled_ns)
    assert settled_ns <= frame.start_ns <= rig.clock()


def test_a_setting_may_be_changed_while_the_camera_runs(opened: Open) -> None:
    camera = opened(Rig())
    camera.configure(WISH)
    camera.capture(0)
    assert camera.configure(replace(WISH, exposure_us=8000)).exposure_us == 8000
    assert camera.capture(0).exposure_us == 8000


def test_every_request_is_given_back(opened: Open) -> None:
    rig = Rig()
    camera = opened(rig)
    camera.configure(WISH)
    for _ in range(20):
        camera.capture(rig.clock())
    (device,) = rig.made
    assert device._free == 3


def test_an_unplugged_camera_is_lost_and_no_job_waits_for_it_any_more(opened: Open) -> None:
    rig = Rig()
    camera = opened(rig)
    camera.configure(WISH)
    rig.unplugged = True
    with pytest.raises(ApplianceError, match="is lost: it gives no frame"):
        camera.capture(rig.clock())
    (device,) = rig.made
    assert (device.cancelled, device._jobs, device.is_open) == (1, [], False)
    with pytest.raises(ApplianceError, match="is closed"):
        camera.capture(rig.clock())


def test_an_exposure_before_configuring_is_refused(opened: Open) -> None:
    with pytest.raises(ApplianceRefused, match="not configured"):
        opened(Rig()).capture(0)


def test_a_camera_that_another_program_holds_is_named_so(opened: Open) -> None:
    with pytest.raises(ApplianceError, match="Stop the other program"):
        opened(Rig(in_use_elsewhere=True))


def test_a_second_opening_fails_until_the_first_is_closed(opened: Open) -> None:
    rig = Rig()
    first = opened(rig)
    with pytest.raises(ApplianceError, match="cannot be opened"):
        opened(rig)
    first.close()
    first.close()
    opened(rig)


def test_a_missing_sensor_is_named_so(opened: Open) -> None:
    with pytest.raises(ApplianceError, match="There is no camera 0"):
        opened(Rig(cameras=0))


def test_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ApplianceRefused, match=r"apt install python3-picamera2.*--system-site-packages"):
        PiCamera()


def test_a_library_that_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "picamera2.py").write_text("import libcamera_of_another_python\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(
        ApplianceRefused, match="does not load: No module named 'libcamera_of_another_python'"
    ):
        PiCamera()


def test_its_frames_pass_the_freshness_gate(opened: Open) -> None:
    rig = Rig()
    camera = FreshCamera(opened(rig), clock_ns=rig.clock)
    camera.configure(WISH)
    for _ in range(3):
        assert camera.capture(rig.clock()).pixels.shape == (120, 160, 3)
