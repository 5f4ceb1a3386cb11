"""The kernels of the GPU give the very levels of the processor's path, here run by the processor."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders_gpu import brought, drawn_picture, field_of, flat_field_of_size, front_end, noise, optics, whole
from standin_pycuda import KERNELS, StandInDriver, on_device

from models.resample import to_scale

CAPABILITIES = (75, 80, 87, 90, 100, 110)
FINE = [0.05, 0.0667, 0.08, 0.1, 0.1337, 0.15, 0.19, 0.1999]
COARSE = [0.2003, 0.205, 0.21, 0.22, 0.4]


@pytest.fixture(scope="module")
def driver() -> StandInDriver:
    return StandInDriver()


@pytest.fixture
def opencv_itself() -> Iterator[None]:
    """Without the library for Intel's processors, which rounds some levels of a cubic otherwise."""
    had = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    yield
    cv2.ipp.setUseIPP(had)


@pytest.mark.parametrize("um_per_px", FINE)
@pytest.mark.parametrize("size", [(403, 301), (256, 192), (131, 97), (1000, 24)])
def test_a_picture_shrinks_to_the_very_levels_of_opencv(
    driver: StandInDriver, um_per_px: float, size: tuple[int, int]
) -> None:
    for target in (0.2, 0.4):
        for picture in (noise(*size), drawn_picture(*size)):
            expected = to_scale(picture, um_per_px, target)
            assert np.array_equal(brought(driver, picture, um_per_px, target), expected)


@pytest.mark.parametrize("steps", range(2, 13))
def test_whole_shares_of_a_scale_are_means_of_whole_blocks(driver: StandInDriver, steps: int) -> None:
    for width, height in ((steps * 31, steps * 17), (steps * 49, steps * 41), (steps * 93, steps * 3 + 1)):
        picture = noise(width, height)
        expected = to_scale(picture, 0.4 / steps, 0.4)
        assert np.array_equal(brought(driver, picture, 0.4 / steps, 0.4), expected)


@pytest.mark.usefixtures("opencv_itself")
@pytest.mark.parametrize("um_per_px", COARSE)
@pytest.mark.parametrize("size", [(403, 301), (256, 192), (131, 97), (5, 3)])
def test_a_picture_grows_to_the_very_levels_of_opencv(
    driver: StandInDriver, um_per_px: float, size: tuple[int, int]
) -> None:
    for picture in (noise(*size), drawn_picture(*size)):
        expected = to_scale(picture, um_per_px, 0.2)
        assert np.array_equal(brought(driver, picture, um_per_px, 0.2), expected)


@pytest.mark.parametrize("um_per_px", COARSE)
def test_a_picture_grows_within_a_level_whatever_else_opencv_uses(
    driver: StandInDriver, um_per_px: float
) -> None:
    picture = noise(403, 301)
    expected = to_scale(picture, um_per_px, 0.2).astype(int)
    assert np.abs(brought(driver, picture, um_per_px, 0.2) - expected).max() <= 1


@pytest.mark.parametrize("dark", [0.0, 3.7])
def test_a_frame_is_made_even_to_the_very_levels_of_the_flat_field(
    driver: StandInDriver, dark: float
) -> None:
    flat_field = flat_field_of_size(243, 162, dark)
    for picture in (noise(243, 162), drawn_picture(243, 162), np.full((162, 243, 3), 255, np.uint8)):
        # At the canonical scale already, the corrected frame is its own canonical picture.
        field = field_of(front_end(driver, optics(243, 162, um_per_px=0.2), flat_field), picture)
        assert np.array_equal(whole(field.picture), flat_field.apply(picture))


@pytest.mark.parametrize(("width", "height"), [(320, 240), (321, 241), (335, 255)])
def test_the_detectors_picture_is_padded_by_its_edge(driver: StandInDriver, width: int, height: int) -> None:
    picture = noise(width, height)
    for um_per_px in (0.2, 0.4, 0.13):
        field = field_of(front_end(driver, optics(width, height, um_per_px)), picture)
        small = to_scale(picture, um_per_px, 0.4)
        rows, columns = small.shape[:2]
        expected = np.pad(small, ((0, -rows % 16), (0, -columns % 16), (0, 0)), mode="edge")
        assert np.array_equal(on_device(field.batch.address, field.batch.shape)[0], expected)


def test_the_kernels_compile_for_every_gpu_and_fuse_no_product_with_a_sum(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("CUDA's compiler nvcc is not installed")
    told = subprocess.run(
        [nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True
    ).stdout.split()
    known = [name for name in (f"compute_{number}" for number in CAPABILITIES) if name in told]
    source = tmp_path / "all.cu"
    source.write_text("".join(f'#include "{path}"\n' for path in sorted(KERNELS.glob("*.cu"))))
    options = [
        "-fatbin",
        "-fmad=false",
        "-std=c++17",
        "-Werror",
        "all-warnings",
        "-keep",
        "-keep-dir",
        str(tmp_path),
    ]
    targets = [f"-gencode=arch={name},code={name}" for name in known]
    made = ["-o", str(tmp_path / "all.fatbin")]
    subprocess.run([nvcc, *options, *targets, str(source), *made], check=True, cwd=tmp_path)
    texts = [path.read_text() for path in tmp_path.glob("*.ptx")]
    assert len(texts) == len(known) >= 4
    assert not [text for text in texts if "fma." in text]
