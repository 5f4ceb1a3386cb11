"""The USB camera, against a stand-in with the habits of OpenCV and UVC. None of this has run on a USB camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from builders_cameras import MS, WISH, smear
from numpy.typing import NDArray
from standin_v4l2 import CONTROLS, Capture, UsbCamera

from appliance.cameras.camera import CameraInUse
from appliance.cameras.freshness import FreshCamera, NotFresh
from appliance.cameras.v4l2 import V4l2Camera
from appliance.errors import ApplianceError, ApplianceRefused


def opened(usb: UsbCamera, **options: Any) -> V4l2Camera:
    return V4l2Camera("/dev/video7", open_device=lambda device: Capture(usb), clock_ns=usb.clock, **options)


def light_from(settled_ns: int) -> Callable[[int, int], NDArray[np.uint8]]:
    """A scene that changes at a time: exposures that began before it have seen the scene of before."""
    return lambda begin_ns, end_ns: smear(end_ns // MS, scene=2 if begin_ns >= settled_ns else 1)


def sees(pixels: NDArray[np.uint8], scene: int) -> bool:
    return bool(np.abs(pixels.astype(int) - smear(scene=scene).astype(int)).mean() < 6)


def test_every_lock_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    usb = UsbCamera()
    in_use = opened(usb, white_balance_k=5200).configure(replace(WISH, gain=4.0))
    assert in_use == CameraInUse("USB camera", 160, 120, "YUYV", 5000, 4.0, None)
    assert usb.controls == {
        cv2.CAP_PROP_AUTO_EXPOSURE: 1.0,
        cv2.CAP_PROP_EXPOSURE: 50.0,
        cv2.CAP_PROP_GAIN: 4.0,
        cv2.CAP_PROP_AUTO_WB: 0.0,
        cv2.CAP_PROP_WB_TEMPERATURE: 5200.0,
    }


@pytest.mark.parametrize("stamps", ["arrival", "none", "wall clock"])
@pytest.mark.parametrize("held_frames", [0, 1, 2])
def test_frames_that_lay_in_buffers_during_a_move_are_never_given(stamps: Any, held_frames: int) -> None:
    usb = UsbCamera(stamps=stamps, held_frames=held_frames)
    camera = opened(usb)
    camera.configure(WISH)
    for _ in range(4):
        usb.clock.wait(311)
        settled_ns = usb.clock()
        usb.scene = light_from(settled_ns)
        frame = camera.capture(settled_ns)
        assert frame.start_ns >= settled_ns
        assert sees(frame.pixels, scene=2)


def test_stamps_are_believed_only_where_they_are_this_machines_monotonic_clock() -> None:
    believed = {}
    for stamps in ("arrival", "none", "wall clock"):
        camera = opened(UsbCamera(stamps=stamps))
        camera.configure(WISH)
        believed[stamps] = camera.tells_times
    assert believed == {"arrival": True, "none": False, "wall clock": False}


@pytest.mark.parametrize("stamps", ["arrival", "none"])
def test_a_time_in_the_future_is_waited_for(stamps: Any) -> None:
    usb = UsbCamera(stamps=stamps)
    camera = opened(usb)
    camera.configure(WISH)
    settled_ns = usb.clock() + 500 * MS
    usb.scene = light_from(settled_ns)
    frame = camera.capture(settled_ns)
    assert frame.start_ns >= settled_ns
    assert sees(frame.pixels, scene=2)


@pytest.mark.parametrize("pixel_format", ["YUYV", "MJPG"])
def test_colours_are_red_green_blue(pixel_format: Any) -> None:
    red = np.full((120, 160, 3), (200, 100, 50), dtype=np.uint8)
    camera = opened(UsbCamera(scene=lambda begin_ns, end_ns: red), pixel_format=pixel_format)
    assert camera.configure(WISH).pixel_format == pixel_format
    assert np.abs(camera.capture(0).pixels.astype(int) - red).max() <= 3


def test_another_size_than_wished_is_refused_with_the_one_there_is() -> None:
    with pytest.raises(ApplianceRefused, match=r"gives 320×240 px, not 400×300\. Set it to 320×240"):
        opened(UsbCamera()).configure(replace(WISH, width_px=400, height_px=300))


def test_another_format_than_wished_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="gives MJPG, not YUYV"):
        opened(UsbCamera(formats=("MJPG",))).configure(WISH)


def test_an_exposure_that_was_clamped_is_refused_with_what_is_used() -> None:
    clamps = UsbCamera(limits={cv2.CAP_PROP_EXPOSURE: (1, 33)})
    with pytest.raises(ApplianceRefused, match=r"exposes for 3300 µs, not 5000\. Set it to 3300"):
        opened(clamps).configure(WISH)


def test_a_gain_that_was_clamped_is_refused_with_what_is_used() -> None:
    with pytest.raises(ApplianceRefused, match=r"uses gain 16, not 1\. Set it to 16"):
        opened(UsbCamera(limits={cv2.CAP_PROP_GAIN: (16, 255)})).configure(WISH)


@pytest.mark.parametrize(
    ("control", "what"),
    [(cv2.CAP_PROP_AUTO_EXPOSURE, "automatic exposure"), (cv2.CAP_PROP_AUTO_WB, "automatic white balance")],
)
def test_an_automatic_that_stays_on_is_refused(control: int, what: str) -> None:
    with pytest.raises(ApplianceRefused, match=f"does not switch its {what} off"):
        opened(UsbCamera(deaf=(control,))).configure(WISH)


@pytest.mark.parametrize(
    ("control", "what"),
    [
        (cv2.CAP_PROP_EXPOSURE, "set its exposure"),
        (cv2.CAP_PROP_AUTO_WB, "switch its automatic white balance"),
    ],
)
def test_a_lock_that_nobody_can_check_is_refused(control: int, what: str) -> None:
    lacking = UsbCamera(controls={name: value for name, value in CONTROLS.items() if name != control})
    with pytest.raises(ApplianceRefused, match=f"lets nobody {what}"):
        opened(lacking).configure(WISH)


def test_a_camera_that_forgets_its_lock_with_the_first_frames_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="does not keep its exposure"):
        opened(UsbCamera(forgets_after=6)).configure(WISH)


def test_a_camera_without_gain_works_at_the_gain_it_has() -> None:
    lacking = UsbCamera(controls={k: v for k, v in CONTROLS.items() if k != cv2.CAP_PROP_GAIN})
    assert opened(lacking).configure(WISH).gain == 1.0
    with pytest.raises(ApplianceRefused, match="has no gain"):
        opened(lacking).configure(replace(WISH, gain=2.0))


def test_colour_gains_are_refused_where_the_camera_has_none() -> None:
    with pytest.raises(ApplianceRefused, match="does not take the colour gains"):
        opened(UsbCamera()).configure(replace(WISH, colour_gains=(2.0, 1.5)))


def test_a_white_balance_that_is_not_taken_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="uses a white balance of 4600 K, not 5200 K"):
        opened(UsbCamera(deaf=(cv2.CAP_PROP_WB_TEMPERATURE,)), white_balance_k=5200).configure(WISH)


def cut(raw: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    return raw[: raw.size // 2]


def without_end(raw: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    return np.concatenate([raw[: raw.size // 2], np.zeros(64, dtype=np.uint8)])


@pytest.mark.parametrize(("pixel_format", "damage"), [("YUYV", cut), ("MJPG", cut), ("MJPG", without_end)])
def test_a_frame_cut_short_on_its_way_is_torn(pixel_format: Any, damage: Any) -> None:
    camera = opened(UsbCamera(damage=damage), pixel_format=pixel_format)
    camera.configure(WISH)
    with pytest.raises(NotFresh) as torn:
        camera.capture(0)
    assert torn.value.reason == "torn"


def test_the_gate_takes_the_next_frame_after_a_torn_one() -> None:
    usb = UsbCamera(damage=lambda raw, number: cut(raw, number) if number % 2 else raw)
    camera = FreshCamera(opened(usb), clock_ns=usb.clock)
    camera.configure(WISH)
    assert [camera.capture(usb.clock()).pixels.shape for _ in range(3)] == [(120, 160, 3)] * 3


def test_a_camera_that_changes_its_exposure_later_is_caught_by_the_gate() -> None:
    usb = UsbCamera()
    camera = FreshCamera(opened(usb), clock_ns=usb.clock)
    camera.configure(WISH)
    usb.controls[cv2.CAP_PROP_EXPOSURE] = 80.0
    with pytest.raises(NotFresh) as refused:
        camera.capture(usb.clock())
    assert refused.value.reason == "other setting"


def test_a_camera_that_changes_its_gain_later_is_caught_by_the_gate() -> None:
    usb = UsbCamera()
    camera = FreshCamera(opened(usb), clock_ns=usb.clock)
    camera.configure(replace(WISH, gain=4.0))
    usb.controls[cv2.CAP_PROP_GAIN] = 9.0
    with pytest.raises(NotFresh) as refused:
        camera.capture(usb.clock())
    assert refused.value.reason == "other setting"


def test_an_unplugged_camera_is_lost() -> None:
    usb = UsbCamera()
    camera = opened(usb)
    camera.configure(WISH)
    usb.unplugged = True
    usb.clock.wait(1000)
    with pytest.raises(ApplianceError, match="is lost"):
        camera.capture(usb.clock())
    with pytest.raises(ApplianceError, match="is closed"):
        camera.capture(usb.clock())


def test_a_missing_device_is_named_so() -> None:
    with pytest.raises(ApplianceError, match="There is no camera at /dev/video7"):
        opened(UsbCamera(opens=False))


def test_an_exposure_before_configuring_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="not configured"):
        opened(UsbCamera()).capture(0)
