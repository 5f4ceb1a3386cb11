"""What focus tells: the depth of an objective, how a slide lies, how objectives differ in height and in place."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from builders_light import honesty

from calibration import CalibrationRefused
from calibration.focus_checks import (
    FocusHeight,
    SlideTilt,
    measure_focus_depth,
    measure_parfocal,
    measure_tilt,
)
from calibration.focus_curve import Sample
from calibration.lens_offset import LensOffset, Look, measure_lens_offset


def stack(
    width: float = 2.0,
    peak: float = 0.1,
    count: int = 15,
    noise: float = 0.01,
    reach: float = 2.2,
    seed: int = 0,
) -> list[Sample]:
    """A stack's contrast: a peak so wide at half its rise, with noise as a share."""
    rng = np.random.default_rng([seed, 7])
    opened = math.sqrt(2 ** (1 / 1.5) - 1)
    z = np.linspace(-reach * width, reach * width, count)
    contrast = 0.1 + (1 + (2 * opened * (z - peak) / width) ** 2) ** -1.5
    return [
        Sample(float(a), float(c))
        for a, c in zip(z, contrast * (1 + rng.normal(0, noise, count)), strict=True)
    ]


def half_way(width: float, peak: float, reach: float = 2.2) -> float:
    """The true width of such a stack half-way between its top and the lower of its ends."""
    opened = math.sqrt(2 ** (1 / 1.5) - 1)
    low = (1 + (2 * opened * (reach * width + abs(peak)) / width) ** 2) ** -1.5
    return width / opened * math.sqrt(((1 + low) / 2) ** (-1 / 1.5) - 1)


def places(
    seed: int = 0, count: int = 12, noise: float = 0.2, x: float = 0.8, y: float = -0.5, bow: float = 0.03
) -> list[FocusHeight]:
    """Heights of a slide that rises so, µm/mm, about its middle."""
    rng = np.random.default_rng([seed, 8])
    at = rng.uniform([-9000, -4000], [9000, 4000], (count, 2)) / 1000
    at -= at.mean(axis=0)
    z = 20 + x * at[:, 0] + y * at[:, 1] + bow * np.sum(at**2, axis=1) + rng.normal(0, noise, count)
    return [FocusHeight(1000 * float(a), 1000 * float(b), float(c)) for (a, b), c in zip(at, z, strict=True)]


def test_depth_of_focus_and_peak_are_as_uncertain_as_claimed() -> None:
    depths, peaks = [], []
    for seed in range(60):
        rng = np.random.default_rng([seed, 9])
        width, peak, noise = rng.uniform(0.5, 8), rng.uniform(-0.3, 0.3), rng.uniform(0.003, 0.03)
        found = measure_focus_depth(stack(width, peak, 11 + seed % 12, noise, seed=seed))
        depths.append((half_way(width, peak), found.depth))
        peaks.append((peak, found.peak))
    for cases in (depths, peaks):
        within, squared = honesty(cases)
        assert within >= 0.9
        assert 0.65 <= squared <= 1.5


def two_sizes(aside: np.ndarray) -> np.ndarray:
    """The contrast of fine and of coarse detail together, so far from focus: no single power."""
    return np.asarray(0.02 + 0.7 / (1 + (aside / 1.2) ** 2) ** 2 + 0.3 / (1 + (aside / 3.0) ** 2) ** 1.5)


def test_flanks_that_fall_unlike_the_fitted_curve_are_no_noise() -> None:
    depths, peaks = [], []
    z, fine = np.linspace(-6.0, 6.0, 17), np.linspace(0.0, 6.0, 6001)
    for seed in range(40):
        rng = np.random.default_rng([seed, 14])
        peak = rng.uniform(-0.3, 0.3)
        level = two_sizes(z - peak) * (1 + rng.normal(0, 0.006, 17))
        found = measure_focus_depth([Sample(float(a), float(c)) for a, c in zip(z, level, strict=True)])
        ends = two_sizes(np.array([0.0, 6.0 + abs(peak)]))
        depths.append((2 * float(fine[np.argmax(two_sizes(fine) < ends.mean())]), found.depth))
        peaks.append((float(peak), found.peak))
    for cases in (depths, peaks):
        within, squared = honesty(cases)
        assert within >= 0.9
        assert 0.5 <= squared <= 1.5


def test_a_stack_that_tells_no_depth_is_refused() -> None:
    with pytest.raises(CalibrationRefused, match="8 heights are too few"):
        measure_focus_depth(stack(count=8))
    with pytest.raises(CalibrationRefused, match="no peak: The contrast"):
        measure_focus_depth(stack(peak=9.0))
    with pytest.raises(CalibrationRefused, match="down to half the contrast"):
        measure_focus_depth([Sample(s.z_um, max(s.contrast, 0.9 if s.z_um > 0 else 0)) for s in stack()])
    with pytest.raises(CalibrationRefused, match="no smooth peak"):
        measure_focus_depth(
            [
                Sample(s.z_um, s.contrast + 0.4 * (k % 2) * (k != 7))
                for k, s in enumerate(stack(count=15, width=3.0))
            ]
        )


def test_tilt_and_bow_are_as_uncertain_as_claimed() -> None:
    along, down, bows = [], [], []
    for seed in range(200):
        rng = np.random.default_rng([seed, 10])
        x, y, bow = rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5), rng.uniform(-0.04, 0.04)
        found = measure_tilt(places(seed, 9 + seed % 12, rng.uniform(0.05, 0.5), x, y, bow))
        along.append((x, found.x))
        down.append((y, found.y))
        bows.append((bow, found.bow))
    for cases in (along, down, bows):
        within, squared = honesty(cases)
        assert within >= 0.9
        assert 0.65 <= squared <= 1.5


def test_a_place_whose_focus_went_wrong_drops_out() -> None:
    heights = places(count=14, x=0.8)
    heights[4] = FocusHeight(heights[4].x_um, heights[4].y_um, heights[4].z_um + 25)
    found = measure_tilt(heights)
    assert found.left_out == 1
    assert found.x.value == pytest.approx(0.8, abs=0.1)
    assert found.residual_um < 0.5


def test_a_bow_is_told_from_a_tilt_and_shown_in_micrometres() -> None:
    found = measure_tilt(places(count=20, noise=0.05, bow=0.03))
    assert found.bow.value == pytest.approx(0.03, abs=0.005)
    assert 0.3 < found.curved_um < 1.5
    assert "rises by" in found.sentence
    assert "chip" not in found.sentence


def test_a_slide_on_a_chip_of_glass_is_named() -> None:
    assert "chip of glass" in measure_tilt(places(x=7.0)).sentence


def refused_tilt(heights: list[FocusHeight]) -> str:
    with pytest.raises(CalibrationRefused) as caught:
        measure_tilt(heights)
    return str(caught.value)


def test_heights_that_tell_no_tilt_are_refused() -> None:
    assert "8 places are too few" in refused_tilt(places(count=8))
    assert "along one line" in refused_tilt([FocusHeight(h.x_um, 0.1 * h.x_um, h.z_um) for h in places()])
    assert "too near one another" in refused_tilt(
        [FocusHeight(h.x_um / 50, h.y_um / 50, h.z_um) for h in places()]
    )
    assert "scatter by" in refused_tilt(places(count=16, noise=15.0, seed=1))
    assert "no slide that lies in its holder" in refused_tilt(places(x=14.0))
    wild = [
        FocusHeight(h.x_um, h.y_um, h.z_um + (40 if k in (1, 5, 8, 11, 13) else 0))
        for k, h in enumerate(places(count=16))
    ]
    assert "do not fit one surface" in refused_tilt(wild)


def test_a_ring_of_places_tells_tilt_though_no_bow() -> None:
    ring = [
        FocusHeight(4000 * math.cos(a), 4000 * math.sin(a), 3 * math.cos(a))
        for a in np.arange(12) * math.pi / 6
    ]
    found: SlideTilt = measure_tilt(ring)
    assert found.x.value == pytest.approx(0.75, abs=1e-6)
    assert found.y.value == pytest.approx(0, abs=1e-6)


def test_the_parfocal_offset_is_as_uncertain_as_claimed() -> None:
    cases = []
    for seed in range(200):
        rng = np.random.default_rng([seed, 11])
        offset, count = rng.uniform(-10, 10), 5 + seed % 6
        first = rng.normal(0, 3, count)
        cases.append((offset, measure_parfocal(first, first + offset + rng.normal(0, 0.3, count)).offset))
    within, squared = honesty(cases)
    assert within >= 0.9
    assert 0.65 <= squared <= 1.4


def test_heights_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(CalibrationRefused, match="are no pairs"):
        measure_parfocal([1, 2, 3, 4, 5], [1, 2, 3])
    with pytest.raises(CalibrationRefused, match="4 pairs of heights are too few"):
        measure_parfocal([1, 2, 3, 4], [1, 2, 3, 4])
    with pytest.raises(CalibrationRefused, match="does not find focus"):
        measure_parfocal([0, 0, 0, 0, 0], [0, 20, -20, 10, -10])


class Specks:
    """A slide of soft specks, 2 µm a pixel, seen by lenses that sit as they like."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 12])
        noise = rng.standard_normal((1200, 1200)).astype(np.float32)
        soft = sum(cv2.GaussianBlur(noise, (0, 0), size) * size for size in (4.0, 10.0))
        self._light = np.clip(190 + 45 * soft / soft.std(), 30, 250)

    def look(
        self, matrix: np.ndarray, stage: tuple[float, float], off: tuple[float, float] = (0, 0), seed: int = 0
    ) -> Look:
        """See the place stage + off in the middle of 320 × 240 px."""
        inverse = np.linalg.inv(matrix) / 2.0
        middle = np.array([600.0, 600.0]) + (np.array(stage) + off) / 2.0
        first = middle - inverse @ (159.5, 119.5)
        picture = cv2.warpAffine(
            self._light,
            np.column_stack([inverse, first]),
            (320, 240),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        noisy = picture + np.random.default_rng([seed, 13]).normal(0, 1.5, picture.shape)
        grey = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return Look(np.repeat(grey[..., None], 3, axis=2), *map(float, stage), matrix)


def lens(um_per_px: float, turned_deg: float = 0.0) -> np.ndarray:
    a = math.radians(turned_deg)
    return np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]) / um_per_px


def pairs(off: tuple[float, float], turned_deg: float = 0.0, count: int = 3) -> list[tuple[Look, Look]]:
    """The coarse lens sees what the stage says; the fine one a place that is off."""
    slide = Specks()
    at = [(-120.0, 40.0), (90.0, -70.0), (30.0, 150.0), (-60.0, -150.0)][:count]
    return [
        (
            slide.look(lens(5.0), place, seed=2 * n),
            slide.look(lens(2.5, turned_deg), place, off, seed=2 * n + 1),
        )
        for n, place in enumerate(at)
    ]


@pytest.mark.parametrize("turned_deg", [0.0, 6.0])
def test_the_offset_between_two_lenses_is_found_however_they_are_turned(turned_deg: float) -> None:
    found = measure_lens_offset(pairs((60.0, -35.0), turned_deg))
    # The fine lens sees 60, −35 too far: the stage goes back by that.
    assert abs(found.x.value + 60) < 0.5
    assert abs(found.y.value - 35) < 0.5
    assert found.x.uncertainty < 0.5


def test_offsets_of_steps_between_lenses_add_up() -> None:
    step = measure_lens_offset(pairs((60.0, -35.0)))
    both: LensOffset = step + step
    assert both.x.value == pytest.approx(2 * step.x.value)
    assert both.x.uncertainty == pytest.approx(math.sqrt(2) * step.x.uncertainty)


def test_pairs_that_tell_no_offset_are_refused() -> None:
    with pytest.raises(CalibrationRefused, match="2 pairs of pictures are too few"):
        measure_lens_offset(pairs((0, 0), count=2))
    three = pairs((0, 0))
    tiny = [(Look(c.pixels, c.x_um, c.y_um, lens(20.0)), f) for c, f in three]
    with pytest.raises(CalibrationRefused, match=r"Pair 1: the finer lens sees only 40 × 30 px"):
        measure_lens_offset(tiny)
    moved = [
        *three[:2],
        (three[2][0], Look(three[2][1].pixels, three[2][1].x_um + 30, three[2][1].y_um, three[2][1].matrix)),
    ]
    with pytest.raises(CalibrationRefused, match="stage loses its place"):
        measure_lens_offset(moved)
    other = Specks(1).look(lens(2.5), (0.0, 0.0))
    with pytest.raises(CalibrationRefused, match="Pair 2: The two pictures share nothing"):
        measure_lens_offset([three[0], (three[1][0], other), three[2]])
