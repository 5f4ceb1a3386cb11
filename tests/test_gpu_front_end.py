"""A frame becomes a field on the GPU as it does on the processor, in order, and every error of CUDA is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from builders_gpu import (
    NAMES,
    drawn_picture,
    field_of,
    flat_field_of_size,
    front_end,
    noise,
    optics,
    stand_in,
    whole,
)
from standin_pycuda import StandInDriver, on_device

from models.errors import AnalysisError, EngineRefused
from models.gpu.device import Device
from models.gpu.memory import AT_ONCE, Lane
from models.resample import to_scale
from models.views import HostPicture, View


@pytest.fixture(scope="module")
def shared() -> StandInDriver:
    return StandInDriver()


def some_views(count: int, width: int, height: int) -> list[View]:
    random = np.random.default_rng(3)
    return [
        View(int(random.integers(width - 95)), int(random.integers(height - 95)), n % 8) for n in range(count)
    ]


@pytest.mark.parametrize("dark", [None, 0.0, 2.5])
def test_views_of_every_turn_are_those_of_the_processor(shared: StandInDriver, dark: float | None) -> None:
    flat_field = None if dark is None else flat_field_of_size(420, 380, dark)
    frame = drawn_picture(420, 380)
    picture = field_of(front_end(shared, optics(420, 380), flat_field), frame).picture
    even = frame if flat_field is None else flat_field.apply(frame)
    same = HostPicture(to_scale(even, 0.1, 0.2), 96)
    views = some_views(24, same.width, same.height)
    assert (picture.width, picture.height, picture.side) == (same.width, same.height, same.side)
    batch = picture.cut(views)
    assert np.array_equal(on_device(batch.address, batch.shape), same.cut(views))


def test_patches_to_keep_are_the_views_and_stay_when_others_are_cut(shared: StandInDriver) -> None:
    picture = field_of(front_end(shared, optics(420, 380)), drawn_picture(420, 380)).picture
    views = some_views(9, 210, 190)
    batch = picture.cut(views)
    kept = picture.patches(views)
    seen = on_device(batch.address, batch.shape)
    picture.patches(some_views(9, 210, 190)[::-1])
    assert np.array_equal(np.stack(kept), seen)


def test_more_views_than_there_was_room_for_get_more_room(shared: StandInDriver) -> None:
    frame = noise(420, 380)
    picture = field_of(front_end(shared, optics(420, 380)), frame).picture
    views = some_views(700, 210, 190)
    batch = picture.cut(views)
    assert np.array_equal(
        on_device(batch.address, batch.shape), HostPicture(to_scale(frame, 0.1, 0.2), 96).cut(views)
    )


def test_no_views_are_an_empty_batch(shared: StandInDriver) -> None:
    picture = field_of(front_end(shared, optics(420, 380)), noise(420, 380)).picture
    assert picture.cut([]).shape == (0, 96, 96, 3)
    assert picture.patches([]) == []


@pytest.mark.parametrize("view", [View(-1, 0), View(0, 95), View(115, 0), View(0, 0, 8)])
def test_a_view_that_leaves_the_picture_is_an_error(shared: StandInDriver, view: View) -> None:
    picture = field_of(front_end(shared, optics(420, 380)), noise(420, 380)).picture
    with pytest.raises(AnalysisError, match="inside the picture"):
        picture.cut([view])


def test_the_next_frame_may_come_while_a_field_is_looked_at(shared: StandInDriver) -> None:
    end = front_end(shared, optics(420, 380), flat_field_of_size(420, 380))
    frames = [noise(420, 380, seed) for seed in range(5)]
    even = [flat_field_of_size(420, 380).apply(frame) for frame in frames]
    begun = end.begin(frames[0])
    for number in range(5):
        field = end.field(begun)
        if number < 4:
            begun = end.begin(frames[number + 1])
        assert np.array_equal(whole(field.picture), to_scale(even[number], 0.1, 0.2))


def test_a_frame_may_change_once_its_upload_was_begun(shared: StandInDriver) -> None:
    end = front_end(shared, optics(420, 380))
    frame = noise(420, 380)
    expected = to_scale(frame, 0.1, 0.2)
    begun = end.begin(frame)
    frame[:] = 0
    assert np.array_equal(whole(end.field(begun).picture), expected)


def test_a_third_frame_is_an_error(shared: StandInDriver) -> None:
    end = front_end(shared, optics(420, 380))
    end.begin(noise(420, 380))
    end.begin(noise(420, 380))
    with pytest.raises(AnalysisError, match="a further one came"):
        end.begin(noise(420, 380))


def test_a_dropped_frame_leaves_its_place_to_another(shared: StandInDriver) -> None:
    end = front_end(shared, optics(420, 380))
    end.begin(noise(420, 380, 1))
    end.drop(end.begin(noise(420, 380, 2)))
    last = noise(420, 380, 3)
    assert np.array_equal(whole(field_of(end, last).picture), to_scale(last, 0.1, 0.2))


def test_a_frame_is_asked_for_once(shared: StandInDriver) -> None:
    end = front_end(shared, optics(420, 380))
    begun = end.begin(noise(420, 380))
    end.field(begun)
    with pytest.raises(AnalysisError, match="asked for twice"):
        end.field(begun)


def test_a_picture_is_gone_once_another_field_took_its_place(shared: StandInDriver) -> None:
    end = front_end(shared, optics(420, 380))
    first = field_of(end, noise(420, 380))
    field_of(end, noise(420, 380))
    with pytest.raises(AnalysisError, match="was replaced"):
        first.picture.cut([View(0, 0)])


def test_a_frame_of_another_size_is_an_error(shared: StandInDriver) -> None:
    with pytest.raises(AnalysisError, match="380 × 421 × 3"):
        front_end(shared, optics(420, 380)).begin(noise(421, 380))


def test_a_flat_field_of_another_size_is_an_error(shared: StandInDriver) -> None:
    with pytest.raises(AnalysisError, match="flat field"):
        front_end(shared, optics(420, 380), flat_field_of_size(400, 380))


def test_light_is_judged_by_every_eighth_pixel_of_the_corrected_frame(shared: StandInDriver) -> None:
    flat_field = flat_field_of_size(421, 387)
    frame = noise(421, 387)
    field = field_of(front_end(shared, optics(421, 387), flat_field), frame)
    assert np.array_equal(field.sample, flat_field.apply(frame)[::8, ::8])


def test_the_detectors_field_tells_its_sizes(shared: StandInDriver) -> None:
    shrunk = field_of(front_end(shared, optics(421, 387)), noise(421, 387)).shrunk
    assert (shrunk.columns, shrunk.rows, shrunk.width, shrunk.height) == (105, 97, 421, 387)


def test_a_table_larger_than_what_is_copied_at_once_is_copied_whole(shared: StandInDriver) -> None:
    table = np.random.default_rng(1).integers(0, 256, AT_ONCE + 1001, np.uint8)
    memory = Lane(stand_in(shared)).holding(table)
    assert np.array_equal(on_device(memory.address, table.shape), table)


def test_memory_is_taken_once_for_a_run() -> None:
    driver = StandInDriver()
    end = front_end(driver, optics(420, 380), flat_field_of_size(420, 380))
    taken = len(driver.allocated)
    for seed in range(3):
        field_of(end, noise(420, 380, seed)).picture.cut(some_views(40, 210, 190))
    assert len(driver.allocated) == taken


Step = Callable[[StandInDriver], object]


def beginning(driver: StandInDriver) -> object:
    end = front_end(driver, optics(420, 380))
    driver.fails = "cuMemcpyHtoDAsync failed: out of memory"
    return end.begin(noise(420, 380))


def making_a_field(driver: StandInDriver) -> object:
    end = front_end(driver, optics(420, 380))
    begun = end.begin(noise(420, 380))
    driver.fails = "cuLaunchKernel failed: out of memory - too many"
    return end.field(begun)


def cutting(driver: StandInDriver) -> object:
    picture = field_of(front_end(driver, optics(420, 380)), noise(420, 380)).picture
    driver.fails = "cuLaunchKernel failed: out of memory"
    return picture.cut([View(0, 0)])


def keeping(driver: StandInDriver) -> object:
    picture = field_of(front_end(driver, optics(420, 380)), noise(420, 380)).picture
    driver.fails = "cuStreamSynchronize failed: out of memory"
    return picture.patches([View(0, 0)])


def taking_memory(driver: StandInDriver) -> object:
    lane = Lane(stand_in(driver))
    driver.fails = "cuMemAlloc failed: out of memory"
    return lane.allocate(1000)


@pytest.mark.parametrize("step", [beginning, making_a_field, cutting, keeping, taking_memory])
def test_an_error_of_cuda_is_an_analysis_error_with_its_name(step: Step) -> None:
    with pytest.raises(AnalysisError, match="CUDA_ERROR_OUT_OF_MEMORY") as caught:
        step(StandInDriver())
    assert caught.value.reason == "GPU failed"


def test_a_gpu_that_cannot_be_had_is_refused_with_the_name_of_cudas_error() -> None:
    driver = StandInDriver()
    driver.fails = "cuInit failed: no device"
    with pytest.raises(EngineRefused, match="CUDA_ERROR_NO_DEVICE"):
        Device(0, driver, NAMES)


def test_another_thread_may_not_use_the_gpu(shared: StandInDriver) -> None:
    lane = Lane(stand_in(shared))
    caught: list[Exception] = []

    def use() -> None:
        try:
            lane.synchronise()
        except AnalysisError as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "belongs to the thread" in str(caught[0])


def test_the_primary_context_is_taken_and_let_go_of_once() -> None:
    driver = StandInDriver()
    with stand_in(driver) as device:
        assert (device.name, device.capability, device.cuda) == ("stand-in", (9, 0), (13, 0))
    device.close()
    assert driver.context.said == ["retain", "push", "pop", "detach"]
