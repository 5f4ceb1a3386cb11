"""A frame counts only if it is fresh: one gate decides, for every camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders_cameras import MS, Clock, ScriptedCamera, exposure, smear

from appliance.cameras.camera import Exposure
from appliance.cameras.freshness import FreshCamera, FreshnessLimits, NotFresh
from appliance.errors import ApplianceError


def fresh(
    *script: Exposure | Exception, now_ms: float = 1000.0, limits: FreshnessLimits | None = None
) -> FreshCamera:
    """A camera behind the gate that gives these exposures, at a time by which all of them are over."""
    return FreshCamera(ScriptedCamera(script), limits, Clock(now_ms))


def reason(camera: FreshCamera, not_before_ms: float = 0.0) -> str:
    """Why the next exposure is refused."""
    with pytest.raises(NotFresh) as refused:
        camera.capture(round(not_before_ms * MS))
    assert str(refused.value).endswith(".")
    return refused.value.reason


def test_an_exposure_that_began_when_everything_had_settled_passes() -> None:
    wanted = exposure(start_ms=100)
    assert fresh(wanted).capture(100 * MS) is wanted


def test_an_exposure_that_began_before_everything_had_settled_is_stale() -> None:
    assert (
        reason(fresh(*[exposure(start_ms=at, seed=at) for at in (90, 94, 99)]), not_before_ms=100) == "stale"
    )


def test_frames_queued_before_the_move_are_passed_over_for_the_first_fresh_one() -> None:
    wanted = exposure(start_ms=101, seed=3)
    camera = fresh(exposure(start_ms=40, seed=1), exposure(start_ms=70, seed=2), wanted)
    assert camera.capture(100 * MS) is wanted


def test_a_frame_with_the_pixels_of_the_last_one_is_repeated_whatever_its_time_says() -> None:
    camera = fresh(*[exposure(start_ms=at) for at in (10, 20, 30, 40)])
    camera.capture(0)
    assert reason(camera) == "repeated"


def test_a_frame_with_the_time_of_the_last_one_is_repeated() -> None:
    camera = fresh(*[exposure(start_ms=10, seed=seed) for seed in range(4)])
    camera.capture(0)
    assert reason(camera) == "repeated"


ANY_LIGHT = FreshnessLimits(dark_below=None, saturated_share=None, torn_rows=None, seam=None)


def of_one_level(level: int, hot: int = 0) -> np.ndarray:
    """A frame clipped throughout, with a few pixels of the sensor that are always bright."""
    pixels = np.full((120, 160, 3), level, np.uint8)
    pixels[5, : 16 * hot : 16] = 90
    return pixels


@pytest.mark.parametrize(
    "pixels", [of_one_level(0), of_one_level(16), of_one_level(255), of_one_level(0, hot=2)]
)
def test_frames_that_are_black_or_full_throughout_are_told_apart_by_their_times(pixels: np.ndarray) -> None:
    one, two = exposure(start_ms=10, pixels=pixels), exposure(start_ms=20, pixels=pixels)
    camera = fresh(one, two, limits=ANY_LIGHT)
    assert [camera.capture(0), camera.capture(0)] == [one, two]


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_full_frame_with_the_time_of_the_last_one_is_repeated(level: int) -> None:
    camera = fresh(*[exposure(start_ms=10, pixels=of_one_level(level))] * 4, limits=ANY_LIGHT)
    camera.capture(0)
    assert reason(camera) == "repeated"


def test_a_lamp_turned_up_far_too_far_twice_is_saturated_and_not_repeated() -> None:
    camera = fresh(*[exposure(start_ms=at, pixels=of_one_level(255)) for at in (10, 20)])
    assert [reason(camera), reason(camera)] == ["saturated", "saturated"]


def test_a_dark_frame_is_refused_at_once() -> None:
    night = np.random.default_rng(1).integers(0, 12, (120, 160, 3), dtype=np.uint8)
    inner = ScriptedCamera([exposure(pixels=night), exposure(start_ms=10)])
    assert reason(FreshCamera(inner, clock_ns=Clock(1000))) == "dark"
    assert len(inner.asked) == 1


def test_a_frame_of_a_lamp_turned_up_too_far_is_saturated() -> None:
    glare = np.clip(smear().astype(np.int16) + 75, 0, 255).astype(np.uint8)
    assert reason(fresh(exposure(pixels=glare))) == "saturated"


def test_a_few_specks_of_glare_are_not_saturation() -> None:
    speck = smear()
    speck[10:14, 10:14] = 255
    wanted = exposure(pixels=speck)
    assert fresh(wanted).capture(0) is wanted


def test_a_frame_that_came_too_long_after_it_was_asked_for_is_late() -> None:
    clock = Clock(0)
    camera = FreshCamera(
        ScriptedCamera([exposure(start_ms=5)], before_each=lambda: clock.wait(12_000)), clock_ns=clock
    )
    assert reason(camera) == "late"


def test_the_time_until_everything_has_settled_does_not_make_a_frame_late() -> None:
    clock = Clock(0)
    wanted = exposure(start_ms=12_001)
    camera = FreshCamera(ScriptedCamera([wanted], before_each=lambda: clock.wait(12_100)), clock_ns=clock)
    assert camera.capture(12_000 * MS) is wanted


def test_a_frame_whose_rows_stop_half_way_is_torn() -> None:
    def cut(seed: int) -> Exposure:
        pixels = smear(seed)
        pixels[70:] = 0
        return exposure(start_ms=seed, pixels=pixels)

    assert reason(fresh(cut(1), cut(2), cut(3))) == "torn"


def test_a_frame_that_ends_in_grey_as_a_cut_jpeg_does_is_torn() -> None:
    def cut(seed: int) -> Exposure:
        pixels = smear(seed)
        pixels[90:] = 128
        return exposure(start_ms=seed, pixels=pixels)

    assert reason(fresh(cut(1), cut(2), cut(3))) == "torn"


def test_a_frame_whose_lower_part_is_the_last_frames_is_torn() -> None:
    before = smear(1, scene=1)

    def mixed(seed: int) -> Exposure:
        pixels = smear(seed, scene=2)
        pixels[80:] = before[80:]
        return exposure(start_ms=seed, pixels=pixels)

    camera = fresh(exposure(start_ms=1, pixels=before), mixed(2), mixed(3), mixed(4))
    camera.capture(0)
    assert reason(camera) == "torn"


@pytest.mark.parametrize("row", [20, 61, 100])
def test_a_frame_made_of_two_exposures_has_a_seam_and_is_torn(row: int) -> None:
    def mixed(seed: int) -> Exposure:
        pixels = smear(seed, scene=1)
        pixels[row:] = smear(seed + 100, scene=2)[row:]
        return exposure(start_ms=seed, pixels=pixels)

    assert reason(fresh(mixed(1), mixed(2), mixed(3))) == "torn"


def test_an_edge_in_the_picture_is_no_seam() -> None:
    pixels = smear()
    fall = np.clip((np.arange(120) - 60) / 6 + 0.5, 0, 1)[:, None, None] * 90
    wanted = exposure(pixels=(pixels - np.minimum(fall, pixels)).astype(np.uint8))
    assert fresh(wanted).capture(0) is wanted


def test_a_frame_that_is_smaller_than_configured_is_torn() -> None:
    shapes = [exposure(start_ms=at, pixels=smear(at, height=96)) for at in (1, 2, 3)]
    assert reason(fresh(*shapes)) == "torn"


def test_one_torn_frame_is_taken_again() -> None:
    torn, wanted = smear(1), exposure(start_ms=2, seed=2)
    torn[50:] = 0
    assert fresh(exposure(start_ms=1, pixels=torn), wanted).capture(0) is wanted


def test_a_driver_that_saw_a_frame_cut_short_is_asked_again() -> None:
    wanted = exposure(start_ms=2)
    assert fresh(NotFresh("torn", "Cut short."), wanted).capture(0) is wanted


def test_a_frame_with_another_exposure_time_than_configured_is_refused() -> None:
    assert reason(fresh(replace(exposure(), exposure_us=5500))) == "other setting"


def test_a_frame_with_another_gain_than_configured_is_refused() -> None:
    assert reason(fresh(replace(exposure(), gain=1.2))) == "other setting"


def test_an_exposure_from_the_future_tells_of_a_wrong_clock() -> None:
    assert reason(fresh(exposure(start_ms=2000), now_ms=1000)) == "wrong clock"


def test_a_lost_camera_is_not_taken_for_a_frame_that_is_not_fresh() -> None:
    with pytest.raises(ApplianceError) as lost:
        fresh().capture(0)
    assert not isinstance(lost.value, NotFresh)


def test_a_dark_frame_may_be_asked_for() -> None:
    night = np.random.default_rng(1).integers(0, 12, (120, 160, 3), dtype=np.uint8)
    wanted = exposure(pixels=night)
    assert fresh(wanted, limits=FreshnessLimits(dark_below=None)).capture(0) is wanted


def test_closing_lets_go_of_the_camera() -> None:
    inner = ScriptedCamera([])
    FreshCamera(inner).close()
    assert inner.closed
