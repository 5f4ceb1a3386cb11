"""On a real card: what it makes of a frame is what the processor makes of it.

These run where PyCUDA, NVRTC and a GPU are. Nothing else in the product waits for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builders_gpu import drawn_picture, field_of, flat_field_of_size, noise, optics, whole

from models.errors import AnalysisError, EngineRefused
from models.gpu.device import Device
from models.gpu.front_end import FrontEnd
from models.gpu.memory import Lane
from models.gpu.nvrtc_library import find_nvrtc
from models.gpu.program import Compiler
from models.resample import to_scale
from models.views import HostPicture, View

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    try:
        device = Device()
    except EngineRefused as error:
        pytest.skip(f"no GPU here: {error}")
    with device:
        yield device


@pytest.fixture(scope="module")
def compiler(device: Device) -> Compiler:
    return Compiler(find_nvrtc(newest=device.cuda[0]))


@pytest.fixture
def opencv_itself() -> Iterator[None]:
    had = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    yield
    cv2.ipp.setUseIPP(had)


def read(device: Device, address: int, shape: tuple[int, ...]) -> Any:
    lane = Lane(device)
    host = lane.page_locked(int(np.prod(shape)))
    lane.to_host(host, address)
    lane.synchronise()
    return host.reshape(shape).copy()


@pytest.mark.usefixtures("opencv_itself")
@pytest.mark.parametrize("um_per_px", [0.05, 0.0667, 0.1, 0.1337, 0.19, 0.2, 0.21, 0.22])
@pytest.mark.parametrize("dark", [None, 0.0, 3.1])
def test_the_card_gives_the_very_levels_of_the_processor(
    device: Device, compiler: Compiler, um_per_px: float, dark: float | None
) -> None:
    width, height = 1923, 1081
    flat_field = None if dark is None else flat_field_of_size(width, height, dark)
    end = FrontEnd(device, compiler, optics(width, height, um_per_px), flat_field)
    for frame in (noise(width, height), drawn_picture(width, height)):
        even = frame if flat_field is None else flat_field.apply(frame)
        field = field_of(end, frame)
        small = to_scale(even, um_per_px, 0.4)
        rows, columns = small.shape[:2]
        padded = np.pad(small, ((0, -rows % 16), (0, -columns % 16), (0, 0)), mode="edge")
        assert np.array_equal(read(device, field.batch.address, field.batch.shape)[0], padded)
        assert np.array_equal(whole(field.picture), to_scale(even, um_per_px, 0.2))
        assert np.array_equal(field.sample, even[::8, ::8])


def test_the_card_cuts_the_processors_views(device: Device, compiler: Compiler) -> None:
    frame = drawn_picture(1600, 1200)
    picture = field_of(FrontEnd(device, compiler, optics(1600, 1200)), frame).picture
    random = np.random.default_rng(5)
    views = [View(int(random.integers(705)), int(random.integers(505)), n % 8) for n in range(900)]
    expected = HostPicture(to_scale(frame, 0.1, 0.2), 96).cut(views)
    batch = picture.cut(views)
    assert np.array_equal(read(device, batch.address, batch.shape), expected)
    assert np.array_equal(np.stack(picture.patches(views)), expected)


def test_frames_that_come_early_do_not_disturb_the_field_that_is_looked_at(
    device: Device, compiler: Compiler
) -> None:
    end = FrontEnd(device, compiler, optics(1600, 1200), flat_field_of_size(1600, 1200, 2.0))
    frames = [noise(1600, 1200, seed) for seed in range(6)]
    begun = end.begin(frames[0])
    for number, frame in enumerate(frames):
        field = end.field(begun)
        if number + 1 < len(frames):
            begun = end.begin(frames[number + 1])
        even = flat_field_of_size(1600, 1200, 2.0).apply(frame)
        assert np.array_equal(whole(field.picture), to_scale(even, 0.1, 0.2))


def test_memory_that_the_card_has_not_got_is_an_error_with_its_name(device: Device) -> None:
    with pytest.raises(AnalysisError, match="CUDA_ERROR_OUT_OF_MEMORY"):
        Lane(device).allocate(1 << 46)


def test_the_kernels_are_kept_and_loaded_again(device: Device, tmp_path: Path) -> None:
    for _ in range(2):
        compiler = Compiler(find_nvrtc(newest=device.cuda[0]), tmp_path)
        assert field_of(FrontEnd(device, compiler, optics(420, 380)), noise(420, 380)).picture.width == 210
    assert len(list(tmp_path.iterdir())) == 2
