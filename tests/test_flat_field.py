"""An uneven lamp is made even: dirt drops out, nothing shows of the correction itself, and bad blank fields
are refused."""

from __future__ import annotations

import numpy as np
import pytest
from builders_light import Bench, Picture, honesty, speck

from calibration import CalibrationRefused
from calibration.blank_field import block_means
from calibration.flat_field import FlatField, measure_flat_field, read_flat_field
from calibration.measured import Measured


def blanks(bench: Bench, count: int = 5) -> list[Picture]:
    return [bench.look(number) for number in range(count)]


def refused(pictures: list[Picture], darks: list[Picture] | None = None) -> str:
    with pytest.raises(CalibrationRefused) as caught:
        measure_flat_field(pictures, darks or [])
    said = str(caught.value)
    assert said.endswith(".")
    return said


def known(light: np.ndarray, dark: float = 0.0) -> FlatField:
    """A flat field of light that is known, H×W×3."""
    few = block_means(light.astype(np.float32)).astype(np.float32)
    height, width = light.shape[:2]
    share = np.ascontiguousarray(few / few.max())
    return FlatField(width, height, share, np.full_like(share, dark), Measured(1.0, 0.01, ""), 0.001)


def test_a_blank_field_is_even_afterwards() -> None:
    bench = Bench(corner=0.6)
    even = block_means(measure_flat_field(blanks(bench, 9)).apply(bench.look(50)))
    assert even.std(axis=(0, 1)).max() < 0.6
    assert block_means(bench.look(50)).std(axis=(0, 1)).max() > 10


def test_dirt_on_the_slide_drops_out() -> None:
    bench = Bench(full_well_e=60_000)
    dirty = [bench.look(n, passes=speck(bench, 25 + 20 * n, 60, 7)) for n in range(7)]
    light = measure_flat_field(dirty).light[..., 1]
    clean = measure_flat_field(blanks(bench, 7)).light[..., 1]
    assert np.abs(light / clean - 1).max() < 0.02


def test_a_shadow_that_stays_in_the_camera_is_made_up_for() -> None:
    bench = Bench(full_well_e=60_000)
    shadow = speck(bench, 80, 60, 12, passes=0.8)
    field = measure_flat_field([bench.look(n, passes=shadow) for n in range(7)])
    even = field.apply(bench.look(50, passes=shadow)).astype(float)
    assert abs(even[56:64, 76:84].mean() / even[20:28, 76:84].mean() - 1) < 0.02


def test_what_the_sensor_says_in_the_dark_is_taken_off() -> None:
    bench = Bench(dark=12, read=1.0, corner=0.6)
    field = measure_flat_field(blanks(bench, 7), [bench.dark_frame(n) for n in range(3)])
    assert field.dark_level is not None
    assert abs(field.dark_level.value - 12) < 0.3
    half = block_means(field.apply(bench.look(60, exposure_us=500)))
    assert half.std(axis=(0, 1)).max() < 0.6


def test_corner_light_and_gain_are_as_uncertain_as_claimed() -> None:
    corners, gains = [], []
    for seed in range(100):
        rng = np.random.default_rng([seed, 3])
        bench = Bench(seed, 128, 96, rng.uniform(0.6, 1), rng.uniform(180, 215), rng.uniform(6000, 25000))
        field = measure_flat_field(blanks(bench, 5 + seed % 5))
        true = known(np.repeat(bench.light[..., 1:2], 3, axis=2))
        rows, columns = (side // 8 for side in true.light.shape[:2])
        light = true.light[..., 1].astype(float)
        at = [
            light[y, x].mean()
            for y in (slice(rows), slice(-rows, None))
            for x in (slice(columns), slice(-columns, None))
        ]
        inner = [slice(s // 4, s - s // 4) for s in light.shape]
        inside = light[inner[0], inner[1]]
        inside = inside[inside.shape[0] // 4 : inside.shape[0] - inside.shape[0] // 4]
        inside = inside[:, inside.shape[1] // 4 : inside.shape[1] - inside.shape[1] // 4]
        corners.append((float(np.mean(at) / inside.mean()), field.corner_light))
        ratio = field.gain[..., 1] * bench.shading
        ratio /= ratio.mean()
        place = rng.integers(0, 96), rng.integers(0, 128)
        gains.append((1.0, Measured(float(ratio[place]), field.noise, "")))
    for cases in (corners, gains):
        within, squared = honesty(cases)
        assert within >= 0.9
        assert 0.6 <= squared <= 1.5


def test_each_pixel_is_rounded_once() -> None:
    bench = Bench(corner=0.6)
    field = measure_flat_field(blanks(bench))
    picture = bench.look(50)
    exact = np.minimum(picture * field.gain.astype(float), 255)
    assert np.abs(field.apply(picture) - exact).max() <= 0.501


def test_a_smooth_field_has_no_new_steps() -> None:
    light = np.repeat(Bench(corner=0.6, width=640, height=480).light[..., 1:2], 3, axis=2)
    slope = np.linspace(0.5, 1.0, 640)[None, :, None]
    field = known(light)
    even = field.apply(np.rint(light * slope).astype(np.uint8)).astype(int)
    wanted = slope * (light * field.gain).mean()
    assert np.abs(even - wanted).max() <= 1.5  # a level, of which half was lost before
    assert np.abs(np.diff(even, axis=1)).max() <= 2
    assert np.abs(np.diff(even, axis=0)).max() <= 2


def test_what_is_saturated_stays_so_with_and_without_dark() -> None:
    light = Bench(corner=0.6).light
    white = np.full(light.shape, 255, np.uint8)
    assert known(light).apply(white).min() == 255
    assert known(light, dark=14.0).apply(white).min() == 255


def test_black_stays_black_and_the_frame_given_is_not_changed() -> None:
    field, bench = known(Bench().light, dark=5.0), Bench()
    frame = bench.look(1)
    before = frame.copy()
    field.apply(frame)
    assert np.array_equal(frame, before)
    assert field.apply(np.zeros_like(frame)).max() == 0


def test_a_frame_of_another_size_is_refused() -> None:
    field = known(Bench().light)
    with pytest.raises(
        CalibrationRefused, match=r"160 × 121 × 3 px .* does not fit the flat field of 160 × 120 px"
    ):
        field.apply(np.zeros((121, 160, 3), np.uint8))
    with pytest.raises(CalibrationRefused, match="in RGB"):
        field.apply(np.zeros((120, 160), np.uint8))


def test_a_flat_field_is_the_same_after_writing_and_reading() -> None:
    bench = Bench(dark=8, read=1.0)
    field = measure_flat_field(blanks(bench), [bench.dark_frame()])
    again = read_flat_field(field.to_bytes())
    assert again.corner_light == field.corner_light
    assert again.dark_level == field.dark_level
    assert np.abs(again.gain / field.gain - 1).max() < 5e-4
    assert again.to_bytes() == read_flat_field(again.to_bytes()).to_bytes()


@pytest.mark.parametrize(
    "harm", [lambda b: b"x" + b, lambda b: b[:-20], lambda b: b[:30], lambda b: b.replace(b"120", b"1e9")]
)
def test_a_damaged_flat_field_is_refused(harm: object) -> None:
    assert callable(harm)
    with pytest.raises(CalibrationRefused, match="damaged"):
        read_flat_field(harm(measure_flat_field(blanks(Bench())).to_bytes()))


def test_too_few_blank_fields_are_refused() -> None:
    assert "4 blank fields are too few" in refused(blanks(Bench(), 4))


def test_one_picture_given_twice_is_refused() -> None:
    pictures = blanks(Bench())
    assert "Blank field 5 is the same picture" in refused([*pictures[:4], pictures[1]])


def test_pictures_of_unlike_sizes_are_refused() -> None:
    assert "Blank field 5 has 128 × 96 px" in refused(
        [*blanks(Bench(), 4), Bench(width=128, height=96).look()]
    )


def test_what_is_no_picture_in_colour_is_refused() -> None:
    assert "no picture in RGB" in refused([np.zeros((80, 80), np.uint8)] * 5)
    assert "too small" in refused([np.zeros((20, 80, 3), np.uint8)] * 5)


def test_a_saturated_lamp_is_refused() -> None:
    assert "Blank field 1 is saturated" in refused(blanks(Bench(level=270)))


def test_a_lamp_that_is_too_dark_is_refused_by_its_weakest_colour() -> None:
    assert "its blue reaches" in refused(blanks(Bench(colour=(1.0, 1.0, 0.2))))


def test_a_field_with_something_on_it_is_refused_by_its_number() -> None:
    bench = Bench()
    assert "Blank field 3 is no bare glass" in refused(
        [bench.look(n, passes=speck(bench, 60, 60, 40) if n == 2 else 1.0) for n in range(6)]
    )


def test_cells_everywhere_are_refused() -> None:
    bench = Bench()

    def smear(number: int) -> np.ndarray:
        rng = np.random.default_rng(number)
        return np.asarray(np.kron(rng.uniform(0.5, 1.0, (12, 16)), np.ones((10, 10)))[..., None])

    assert "do not show bare glass" in refused([bench.look(n, passes=smear(n)) for n in range(6)])


def test_corners_without_light_are_refused() -> None:
    assert "Centre the lamp" in refused(blanks(Bench(corner=0.15)))


def test_dark_frames_with_light_are_refused() -> None:
    bench = Bench()
    assert "Dark frame 2 is not dark" in refused(blanks(bench), [bench.dark_frame(), bench.look(9)])
