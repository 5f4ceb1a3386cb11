"""The simulated camera: honest about time, about where the carriage is, and faulty when a test wants it."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from builders_microscope import (
    HEIGHT_PX,
    MIDDLE,
    MS,
    WIDTH_PX,
    WISH,
    MovingCarriage,
    braking,
    camera,
    detail,
    microscope,
    view,
)

from appliance.cameras.freshness import FreshCamera, FreshnessLimits, NotFresh
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.simulator.beat import Beat
from appliance.simulator.camera_faults import CameraFault, Scheduled
from appliance.simulator.immersion import Immersion
from appliance.simulator.microscope_camera import MicroscopeCamera
from appliance.simulator.rehearsal import Rehearsed
from appliance.simulator.render_process import RenderProcess
from appliance.simulator.trail import Vibration, trail
from firmware_bridge.point import Point

BEAT = Beat.of(0, 10_000, 25.0, 12_000, 1.0)
BY_SOME_UM = Point(MIDDLE.x_um + 2.3, MIDDLE.y_um)


# Time


def test_a_sensor_begins_exposures_at_its_own_beat():
    assert [BEAT.start_ns(k) // MS for k in range(3)] == [0, 40, 80]


def test_a_long_exposure_slows_the_beat():
    assert Beat.of(0, 100_000, 25.0, 12_000, 1.0).period_ns == 100 * MS


def test_a_faster_world_has_a_faster_beat():
    fast = Beat.of(0, 10_000, 25.0, 12_000, 10.0)
    assert (fast.period_ns, fast.exposure_ns, fast.read_out_ns) == (4 * MS, 1 * MS, 1_200_000)


def test_the_next_exposure_may_have_begun_before_it_was_asked_for():
    assert BEAT.next(not_before_ns=75 * MS, now_ns=85 * MS, after=-1) == 2


def test_an_exposure_that_began_too_early_is_passed_over():
    assert BEAT.next(not_before_ns=81 * MS, now_ns=85 * MS, after=-1) == 3


def test_exposures_older_than_the_newest_are_lost():
    assert BEAT.next(not_before_ns=0, now_ns=400 * MS, after=-1) == 9


def test_no_exposure_is_delivered_twice():
    assert BEAT.next(not_before_ns=0, now_ns=65 * MS, after=1) == 2


def test_a_frame_comes_when_its_exposure_and_read_out_are_over():
    watched, clock = camera()
    asked_ns = clock.now_ns()
    exposure = watched.capture(asked_ns + 1)
    assert exposure.start_ns > asked_ns
    assert clock.now_ns() == exposure.start_ns + 22 * MS


def test_a_frame_says_what_was_in_use():
    watched, _ = camera()
    exposure = watched.capture(0)
    assert exposure.pixels.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert (exposure.exposure_us, exposure.gain) == (10_000, 1.0)
    assert exposure.in_use.colour_gains == (1.60, 1.35)
    assert watched.simulated


def test_a_camera_without_a_setting_captures_nothing():
    watched, _ = camera(configured=False)
    with pytest.raises(ApplianceRefused, match="Configure"):
        watched.capture(0)


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        (replace(WISH, width_px=9000), "9000 px wide"),
        (replace(WISH, exposure_us=1), "1 µs"),
        (replace(WISH, gain=0.5), "gain 0.5"),
        (replace(WISH, colour_gains=(99.0, 1.0)), "colour gains"),
    ],
)
def test_what_the_sensor_cannot_is_refused(wish, what):
    watched, _ = camera(configured=False)
    with pytest.raises(ApplianceRefused, match=what):
        watched.configure(wish)


def test_the_freshness_gate_lets_its_frames_through():
    watched, clock = camera()
    fresh = FreshCamera(watched, clock_ns=clock.now_ns)
    starts = [fresh.capture(clock.now_ns()).start_ns for _ in range(4)]
    assert starts == sorted(set(starts))


# Where it looks


def test_it_looks_where_the_carriage_really_is():
    here, _ = camera(MIDDLE)
    there, _ = camera(BY_SOME_UM)
    one, other = here.capture(0), there.capture(0)
    shift = round((BY_SOME_UM.x_um - MIDDLE.x_um) / 0.1)
    alike = np.abs(one.pixels[:, shift:].astype(int) - other.pixels[:, :-shift]).mean()
    assert alike < 3 < np.abs(one.pixels.astype(int) - other.pixels).mean()
    assert there.true_position(other.start_ns).x_um == pytest.approx(BY_SOME_UM.x_um)


def test_the_same_places_give_the_same_pictures_whenever_they_are_taken():
    early, _ = camera()
    late, clock = camera()
    clock.wait_ms(12_345)
    for _ in range(2):
        assert np.array_equal(early.capture(0).pixels, late.capture(0).pixels)


def test_a_place_seen_again_has_other_noise():
    watched, _ = camera()
    assert not np.array_equal(watched.capture(0).pixels, watched.capture(0).pixels)


def test_a_frame_taken_in_motion_is_smeared():
    moving, clock = camera(lambda at_ms: Point(MIDDLE.x_um + 0.4 * (at_ms - 10_000), MIDDLE.y_um))
    still, _ = camera()
    assert detail(moving.capture(clock.now_ns()).pixels) < 0.5 * detail(still.capture(0).pixels)


def test_a_frame_taken_before_the_stand_has_settled_is_visibly_worse():
    stop_ms = 10_000.0
    hasty, _ = camera(braking(stop_ms, MIDDLE))
    patient, clock = camera(braking(stop_ms, MIDDLE))
    clock.wait_ms(120)
    worse, good = hasty.capture(0), patient.capture(clock.now_ns())
    assert detail(worse.pixels) < 0.8 * detail(good.pixels)


def test_the_swing_dies_away_within_the_settling_time():
    path, swing = braking(0.0, MIDDLE), Vibration()
    spans = []
    for after_ms in (1, 20, 40, 120):
        xs = [p.x_um for p in trail(MovingCarriage(path), after_ms * MS, 10 * MS, swing).places]
        spans.append(max(xs) - min(xs))
    assert spans == sorted(spans, reverse=True)
    assert spans[0] > 0.5
    assert spans[-1] == 0.0


def test_a_harder_stop_shakes_more():
    def span(braking_um_s2: float) -> float:
        went = trail(MovingCarriage(braking(0.0, MIDDLE, braking_um_s2)), 2 * MS, 10 * MS, Vibration())
        xs = [place.x_um for place in went.places]
        return max(xs) - min(xs)

    assert span(500_000) == pytest.approx(2 * span(250_000), rel=0.1)


def test_in_a_faster_world_the_swing_is_as_large_and_sooner_over():
    fast = Vibration().paced(10.0)
    # Ten times the speed is a hundred times the braking, as this machine's clock sees it.
    assert fast.swing_um(100 * 500_000, 0.0005) == pytest.approx(Vibration().swing_um(500_000, 0.005))


def test_a_lamp_that_is_off_half_the_exposure_gives_half_the_light():
    whole, _ = camera()
    half, clock = camera(light=lambda at_ms: 1.0 if (at_ms - 10_000) % (1000 / 30) < 5 else 0.0)
    ratio = half.capture(clock.now_ns()).pixels.mean() / whole.capture(0).pixels.mean()
    assert ratio == pytest.approx(0.5, abs=0.08)


def test_truth_is_asked_for_a_place_and_an_objective():
    watched, _ = camera()
    near, far = watched.truth(MIDDLE), watched.truth(MIDDLE, "20x")
    assert len(far) > 15 * len(near) > 0


def test_an_overview_camera_looks_aside_over_the_same_slide():
    watched, _ = camera()
    aside, _ = camera(Point(MIDDLE.x_um - 5_000, MIDDLE.y_um), aside_um=(5_000.0, 0.0))
    assert [c.cell for c in aside.truth(Point(MIDDLE.x_um - 5_000, MIDDLE.y_um))] == [
        c.cell for c in watched.truth(MIDDLE)
    ]
    assert np.abs(aside.capture(0).pixels.astype(int) - watched.capture(0).pixels).mean() < 3


def test_the_turret_turns():
    watched, _ = camera()
    fine = watched.capture(0).pixels
    watched.use("20x")
    assert not np.array_equal(watched.capture(0).pixels, fine)
    assert "20x" in watched.name


def test_oil_thins_out_over_long_moves():
    watched, clock = camera(
        lambda at_ms: Point(MIDDLE.x_um + 2_004 * ((at_ms + 500) // 1000 % 2), MIDDLE.y_um),
        immersion=Immersion(lasts_mm=10),
    )
    sharpness = []
    for _ in range(12):
        sharpness.append(detail(watched.capture(clock.now_ns()).pixels))
        clock.wait_ms(1000)
    assert sharpness[-1] < 0.7 * sharpness[0]


# Faults


def faulty(
    fault: CameraFault, captures_before: int = 1, by_s: float = 15.0
) -> tuple[FreshCamera, MicroscopeCamera]:
    watched, clock = camera()
    watched.faults.add(Scheduled(fault, captures_before, by_s))
    return FreshCamera(watched, FreshnessLimits(torn_rows=0.01), clock_ns=clock.now_ns), watched


def every_attempt(fault: CameraFault) -> FreshCamera:
    watched, clock = camera()
    watched.faults.add(*(Scheduled(fault, captures) for captures in (1, 2, 3)))
    fresh = FreshCamera(watched, clock_ns=clock.now_ns)
    fresh.capture(clock.now_ns())
    clock.wait_ms(500)
    with pytest.raises(NotFresh) as refused:
        fresh.capture(clock.now_ns())
    assert refused.value.reason == fault.value
    return fresh


@pytest.mark.parametrize("fault", [CameraFault.STALE, CameraFault.TORN])
def test_the_gate_sees_a_frame_that_is(fault):
    every_attempt(fault)


def test_the_gate_sees_a_repeated_frame():
    fresh, watched = faulty(CameraFault.REPEATED)
    first = fresh.capture(0)
    watched.faults.add(Scheduled(CameraFault.REPEATED), Scheduled(CameraFault.REPEATED))
    with pytest.raises(NotFresh, match="twice"):
        fresh.capture(0)
    assert watched.capture(0).start_ns > first.start_ns


@pytest.mark.parametrize("fault", [CameraFault.DARK, CameraFault.LATE])
def test_the_gate_gives_up_on_a_frame_that_is(fault):
    fresh, _ = faulty(fault, captures_before=0)
    with pytest.raises(NotFresh) as refused:
        fresh.capture(0)
    assert refused.value.reason == fault.value


def test_after_a_fault_that_may_pass_the_gate_gets_a_good_frame():
    fresh, _ = faulty(CameraFault.STALE, captures_before=0)
    assert fresh.capture(11_000 * MS).start_ns >= 11_000 * MS


def test_a_stale_frame_says_honestly_when_it_began():
    watched, clock = camera()
    watched.faults.add(Scheduled(CameraFault.STALE))
    clock.wait_ms(200)
    asked_ns = clock.now_ns()
    assert watched.capture(asked_ns).start_ns < asked_ns


def test_a_lost_camera_stays_lost_until_it_is_plugged_in_and_configured():
    watched, _ = camera()
    watched.faults.add(Scheduled(CameraFault.LOST))
    for _ in range(2):
        with pytest.raises(ApplianceError, match="lost"):
            watched.capture(0)
    watched.plug_in()
    watched.configure(WISH)
    assert watched.capture(0).pixels.any()


def test_unplugging_ends_a_capture_that_waits():
    watched = MicroscopeCamera(microscope(), MovingCarriage(lambda at_ms: MIDDLE))
    watched.configure(replace(WISH, exposure_us=2_000_000))
    failed: list[Exception] = []

    def take() -> None:
        try:
            watched.capture(0)
        except ApplianceError as error:
            failed.append(error)

    waiting = threading.Thread(target=take)
    waiting.start()
    watched.unplug()
    waiting.join(10.0)
    assert not waiting.is_alive()
    assert "lost" in str(failed[0])


def test_a_closed_camera_says_so():
    watched, _ = camera()
    watched.close()
    watched.close()
    with pytest.raises(ApplianceError, match="closed"):
        watched.capture(0)


# Pictures from elsewhere


def test_a_process_of_its_own_draws_the_same_pictures_and_says_what_it_used():
    elsewhere = RenderProcess(partial(microscope, seed=3), largest_px=(WIDTH_PX, HEIGHT_PX))
    try:
        here = microscope(seed=3)
        assert np.array_equal(elsewhere.render(view()), here.render(view()))
        assert elsewhere.truth(MIDDLE, "100x", WIDTH_PX, HEIGHT_PX) == here.truth(
            MIDDLE, "100x", WIDTH_PX, HEIGHT_PX
        )
        assert (elsewhere.digest, elsewhere.sensor) == (here.digest, here.sensor)
        assert elsewhere.cpu_s > 0
        with pytest.raises(ApplianceRefused, match="too large"):
            elsewhere.render(view(size=(1388, 1040)))
        with pytest.raises(ApplianceRefused, match="63x"):
            elsewhere.render(view(objective="63x"))
    finally:
        elsewhere.close()
    elsewhere.close()
    with pytest.raises(ApplianceError, match="gone"):
        elsewhere.render(view())


def refused_microscope() -> None:
    raise ApplianceRefused("There is no such slide.")


def test_a_microscope_that_cannot_be_built_elsewhere_says_why():
    with pytest.raises(ApplianceRefused, match="no such slide"):
        RenderProcess(refused_microscope)  # type: ignore[arg-type]


def test_a_rehearsed_run_finds_its_pictures(tmp_path: Path):
    first, again = Rehearsed(microscope(), tmp_path), Rehearsed(microscope(), tmp_path)
    drawn = [first.render(view(index=k)) for k in (0, 1)]
    found = [again.render(view(index=k)) for k in (0, 1)]
    assert (first.drawn, again.drawn, again.found) == (2, 0, 2)
    assert all(np.array_equal(one, other) for one, other in zip(drawn, found, strict=True))
