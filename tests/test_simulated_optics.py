"""What the simulated lens and sensor make of a slide."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from builders_microscope import (
    MIDDLE,
    PITCH_UM,
    RADIUS_UM,
    above,
    blank_microscope,
    centre_of_dot,
    detail,
    flat,
    microscope,
    view,
)

from appliance.errors import ApplianceRefused
from appliance.simulator.immersion import Immersion
from appliance.simulator.mount import Mount
from appliance.simulator.objectives import OBJECTIVES, objective_named
from appliance.simulator.sensor import Sensor
from appliance.simulator.trail import Trail
from calibration.contrast import contrast
from firmware_bridge.point import Point

HEIGHTS_UM = (0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 13.0)


def test_the_same_view_gives_the_same_picture():
    assert np.array_equal(microscope().render(view()), microscope().render(view()))


def test_another_exposure_of_the_same_place_has_other_noise():
    scope = microscope()
    one, other = scope.render(view(index=0)), scope.render(view(index=1))
    assert 0 < np.abs(one.astype(int) - other).mean() < 3


def test_another_seed_has_other_noise():
    assert not np.array_equal(microscope(seed=1).render(view()), microscope(seed=2).render(view()))


# Scale


@pytest.mark.parametrize("name", ["100x", "50x", "40x", "20x"])
def test_pixels_have_the_size_that_the_objective_states(name):
    objective = OBJECTIVES[name]
    place = Point(MIDDLE.x_um, MIDDLE.y_um, objective.parfocal_um)
    pixels = microscope().render(view(place, name, size=(1200, 400)))
    level = pixels[..., 1].astype(float)
    share = (level < 0.5 * (level.max() + level.min())).mean()
    # Dots cover a known share of the slide, and a frame holds as many periods as its width in micrometres.
    line = level[level.shape[0] // 2] - level[level.shape[0] // 2].mean()
    spectrum = np.abs(np.fft.rfft(line * np.hanning(len(line)), 16 * len(line)))
    period_px = 16 * len(line) / (np.argmax(spectrum[40:]) + 40)
    assert period_px * objective.um_per_px == pytest.approx(PITCH_UM, rel=0.04)
    assert share == pytest.approx(np.pi * RADIUS_UM**2 / PITCH_UM**2, rel=0.12)


def test_an_overview_sees_most_of_a_slide_at_once():
    overview = objective_named("overview")
    assert overview.um_per_px * 1388 > 13_000
    assert overview.depth_um > 500


def test_an_unknown_objective_is_refused_with_those_that_there_are():
    with pytest.raises(ApplianceRefused, match="100x"):
        microscope().render(view(objective="63x"))


def test_the_place_looked_at_is_in_the_middle_of_the_picture():
    x, y = centre_of_dot(microscope().render(view()), (160, 120))
    assert (x, y) == (pytest.approx(160, abs=0.3), pytest.approx(120, abs=0.3))


@pytest.mark.parametrize("by_um", [0.03, 0.05, 0.30, -1.27])
def test_the_picture_moves_by_parts_of_a_pixel_as_the_carriage_does(by_um):
    scope = microscope()
    still = centre_of_dot(scope.render(view()), (160, 120))
    moved = centre_of_dot(scope.render(view(Point(MIDDLE.x_um + by_um, MIDDLE.y_um))), (160, 120))
    assert moved[0] - still[0] == pytest.approx(-by_um / 0.1, abs=0.15)


def test_sharpness_does_not_depend_on_where_a_pixel_begins():
    scope = microscope()
    places = [Point(MIDDLE.x_um + k * 0.01, MIDDLE.y_um + k * 0.01) for k in range(0, 10, 2)]
    sharpness = [detail(scope.render(view(place))) for place in places]
    assert max(sharpness) / min(sharpness) < 1.06


# Focus


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["100x", "20x"])
def test_contrast_falls_evenly_on_both_sides_of_focus(name, sign):
    objective = OBJECTIVES[name]
    scope, unit = microscope(), objective.depth_um / OBJECTIVES["100x"].depth_um
    curve = [
        contrast(
            scope.render(view(above(objective.parfocal_um + sign * unit * height), name)), objective.um_per_px
        )
        for height in HEIGHTS_UM
    ]
    # Once everything is washed out, only the shading of the field is left.
    assert all(near > far for near, far in pairwise(curve) if near > 2 * min(curve))
    assert curve[0] > 20 * curve[-1]


def test_half_the_depth_of_field_away_a_point_is_blurred_by_half_as_much_again():
    for objective in OBJECTIVES.values():
        ratio = objective.blur_um(objective.depth_um / 2) / objective.blur_um(0)
        assert ratio == pytest.approx(2**0.5)


def test_a_large_aperture_has_little_depth():
    assert OBJECTIVES["100x"].depth_um < 0.6 < 3 < OBJECTIVES["20x"].depth_um


def test_blur_grows_without_a_leap_where_the_picture_is_made_small_first():
    scope = microscope(flat())
    heights = np.arange(1.0, 1.5, 0.02)  # across 4 px of blur
    spread = [scope.render(view(above(height)))[..., 1].astype(float).std() for height in heights]
    steps = -np.diff(spread)
    assert steps.max() < 3 * np.median(steps) + 0.15


def test_a_picture_made_small_first_stays_where_it_was():
    scope = microscope()
    for height in (0.0, 1.0, 1.4, 3.0):
        x, y = centre_of_dot(scope.render(view(above(height))), (160, 120))
        assert (x, y) == (pytest.approx(160, abs=0.4), pytest.approx(120, abs=0.4))


def test_focus_follows_tilt_and_bow():
    mount = Mount(z_um=5, middle_x_um=10_000, middle_y_um=5_000, tilt_x=1.0, tilt_y=-2.0, bow=0.1)
    assert mount.surface_um(10_000, 5_000) == pytest.approx(5)
    assert mount.surface_um(11_000, 5_000) == pytest.approx(5 + 1 + 0.1)
    assert mount.surface_um(10_000, 7_000) == pytest.approx(5 - 4 + 0.4)


def test_a_tilted_slide_is_in_focus_where_its_surface_is():
    mount = Mount(x_um=300, y_um=-200, z_um=5, middle_x_um=10_000, middle_y_um=5_000, tilt_x=1.5)
    scope = microscope(mount)
    best = mount.stage_place(4_002, 3_006)
    sharpness = {
        off: detail(scope.render(view(Point(best.x_um, best.y_um, best.z_um + off))))
        for off in (-1.0, 0.0, 1.0)
    }
    assert best.z_um == pytest.approx(5 - 1.5 * 5.998)
    assert sharpness[0.0] > 1.3 * max(sharpness[-1.0], sharpness[1.0])


def test_a_slide_as_people_leave_it_is_tilted_by_micrometres_and_not_more():
    mounts = [Mount.drawn(seed, 24_000, 12_000) for seed in range(20)]
    rises = [
        max(abs(m.surface_um(x, y) - m.surface_um(12_000, 6_000)) for x in (0, 24_000) for y in (0, 12_000))
        for m in mounts
    ]
    assert mounts[0] == Mount.drawn(0, 24_000, 12_000) != mounts[1]
    assert 2 < max(rises) < 60


def test_the_corners_of_the_field_are_in_focus_elsewhere_than_its_middle():
    scope = microscope()
    size = (1388, 1040)
    in_focus, higher = (
        scope.render(view(above(h), size=size)) for h in (0.0, OBJECTIVES["100x"].curvature_um)
    )
    middle, corner = (slice(420, 620), slice(594, 794)), (slice(0, 200), slice(0, 200))
    assert detail(in_focus[middle]) > detail(higher[middle])
    assert detail(in_focus[corner]) < detail(higher[corner])


# The lens' own faults


def test_the_corners_are_darker_than_the_middle():
    pixels = blank_microscope().render(view(size=(1388, 1040))).astype(float)
    corner, middle = pixels[:20, :20].mean(), pixels[510:530, 684:704].mean()
    assert corner / middle == pytest.approx(OBJECTIVES["100x"].corner_light, abs=0.02)


def test_red_is_seen_larger_than_green_and_blue_smaller():
    whole = view(size=(1388, 1040), exposure_us=8_000)
    shade = blank_microscope().render(whole).astype(float)
    pixels = (microscope().render(whole) * (200 / shade)).astype(np.uint8)
    # The dot nearest a corner that lies whole in the frame.
    near = (694 + 5 * 120, 520 - 3 * 120)
    red, green, blue = (np.hypot(*(np.array(centre_of_dot(pixels, near, c)) - (694, 520))) for c in range(3))
    far = green / 867
    assert red - green == pytest.approx(OBJECTIVES["100x"].red_px * far, abs=0.2)
    assert blue - green == pytest.approx(OBJECTIVES["100x"].blue_px * far, abs=0.2)


def test_without_oil_an_oil_lens_sees_softly_and_through_a_haze():
    scope = microscope()
    wet, dry = scope.render(view(oil=1.0)), scope.render(view(oil=0.0))
    assert detail(dry) < 0.6 * detail(wet)
    assert np.ptp(dry[..., 1].astype(int)) < 0.85 * np.ptp(wet[..., 1].astype(int))


def test_a_dry_lens_needs_no_oil():
    scope = microscope()
    place = above(OBJECTIVES["20x"].parfocal_um)
    wet, dry = (scope.render(view(place, "20x", oil=oil)).astype(float).mean() for oil in (1.0, 0.0))
    assert wet == pytest.approx(dry, abs=0.2)


def test_long_moves_leave_the_oil_behind_and_short_ones_take_it_along():
    short, long = Immersion(lasts_mm=10), Immersion(lasts_mm=10)
    for step in range(100):
        short.moved_to(Point(130.0 * step, 0))
        long.moved_to(Point(5_000.0 * (step % 2), 0))
    assert short.share == 1.0
    assert long.share < 0.1
    long.renew()
    assert long.share == 1.0


# The sensor


def flat_patch(
    exposure_us: int = 10_000, gain: float = 1.0, light: float = 1.0, **more: object
) -> np.ndarray:
    pixels = blank_microscope().render(
        view(exposure_us=exposure_us, gain=gain, light=light, **more)  # type: ignore[arg-type]
    )
    return pixels[60:180, 80:240].astype(float)


def test_an_empty_slide_is_white_and_grey_with_neutral_gains():
    red, green, blue = flat_patch().mean(axis=(0, 1))
    assert green == pytest.approx(235, abs=4)
    assert red == pytest.approx(green, abs=1)
    assert blue == pytest.approx(green, abs=1)


def test_colour_gains_change_red_and_blue_alone():
    red, green, blue = flat_patch(5000, colour_gains=(3.2, 0.675)).mean(axis=(0, 1)) / flat_patch(5000).mean(
        axis=(0, 1)
    )
    assert (red, green, blue) == (
        pytest.approx(2, rel=0.02),
        pytest.approx(1, rel=0.01),
        pytest.approx(0.5, rel=0.02),
    )


def test_brightness_is_exposure_times_gain_times_light():
    assert flat_patch(5000).mean() == pytest.approx(flat_patch().mean() / 2, rel=0.01)
    assert flat_patch(2500, gain=2.0).mean() == pytest.approx(flat_patch().mean() / 2, rel=0.01)
    assert flat_patch(light=0.25).mean() == pytest.approx(flat_patch().mean() / 4, rel=0.02)


def test_too_much_light_saturates_and_does_not_wrap():
    assert flat_patch(20_000).min() == 255


def test_no_light_is_black_but_for_read_noise():
    dark = flat_patch(light=0.0)
    assert dark.max() < 6
    assert dark.mean() < 1.5


def test_the_variance_of_noise_grows_with_the_light():
    sensor = Sensor()
    levels = [flat_patch(exposure)[..., 1] for exposure in (1000, 2500, 5000, 9000)]
    slope = np.polyfit([level.mean() for level in levels], [level.var() for level in levels], 1)[0]
    # Of green noise an interpolated mosaic keeps 5 parts in 8: half its sites are measured, half are means of four.
    assert slope == pytest.approx(sensor.level_per_electron(1.0) * 5 / 8, rel=0.15)


def test_a_higher_gain_is_noisier_at_the_same_brightness():
    assert flat_patch(2000, gain=4.0)[..., 1].std() > 1.6 * flat_patch(8000)[..., 1].std()


# Motion


def gone(by_x_um: float, light: tuple[float, ...] | None = None) -> Trail:
    places = tuple(Point(MIDDLE.x_um + by_x_um * (k / 12 - 0.5), MIDDLE.y_um) for k in range(13))
    shares = light or (1 / 13,) * 13
    return Trail(places, shares, 1.0)


def test_motion_during_the_exposure_smears_along_the_path_alone():
    scope = microscope()
    still, moved = scope.render(view()), scope.render(view(trail=gone(4.0)))

    def steps(pixels: np.ndarray, axis: int) -> float:
        # Through the middle of the dots, where a path along x leaves borders across y as they are.
        band = pixels[100:140, 140:180, 1] if axis == 1 else pixels[60:180, 150:170, 1]
        return float(np.abs(np.diff(band.astype(float), n=1, axis=axis)).mean())

    assert detail(moved) < 0.6 * detail(still)
    assert steps(moved, 0) > 0.8 * steps(still, 0)


def test_a_long_path_leaves_streaks():
    moved = microscope().render(view(trail=gone(240.0)))[..., 1].astype(float)
    assert moved.mean(axis=1).std() > 4 * moved.mean(axis=0).std()


def test_a_short_flash_freezes_the_motion():
    scope = microscope()
    flash = tuple(1.0 if k == 6 else 0.0 for k in range(13))
    assert detail(scope.render(view(trail=gone(1.5, flash)))) == pytest.approx(
        detail(scope.render(view())), rel=0.1
    )


# Truth


def test_truth_says_where_every_cell_of_a_frame_is_drawn():
    scope = microscope()
    place = Point(MIDDLE.x_um + 1.7, MIDDLE.y_um - 0.6)
    found = scope.truth(place, "100x", 320, 240)
    pixels = scope.render(view(place))
    inside = [c for c in found if 60 < c.x_px < 260 and 60 < c.y_px < 180]
    assert len(found) == 6 or len(found) == 4 or len(found) == 9
    assert inside
    for cell in inside:
        x, y = centre_of_dot(pixels, (cell.x_px, cell.y_px))
        assert (cell.x_px, cell.y_px) == (pytest.approx(x, abs=0.4), pytest.approx(y, abs=0.4))
        assert cell.radius_px == pytest.approx(RADIUS_UM / 0.1)
