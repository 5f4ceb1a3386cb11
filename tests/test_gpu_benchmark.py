"""The benchmark on a GPU counts rightly, knows the card's floor, and says of every part that is absent why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_gpu import front_end, optics, stand_in
from builders_smear import photograph
from standin_pycuda import EngineOnStandIn, StandInCompiler, StandInDriver

from benchmarks import gpu_measure, gpu_variants
from benchmarks.gpu_busy import KERNELS, ON_DEVICE, busy_seconds
from benchmarks.gpu_fields import Fields, keep, read_fields, ways
from benchmarks.gpu_measure import _against_floor, _part, open_and_warm
from benchmarks.gpu_options import Options
from benchmarks.gpu_paths import DevicePath, HostPath, Seen, places_of
from benchmarks.gpu_peaks import BANDWIDTH, peaks_in
from benchmarks.gpu_roofline import DATA_SHEETS, FP16, FP32, Card, floor_of
from benchmarks.gpu_row import Absent, Figure, Measured, markdown, measured
from benchmarks.gpu_run import Run, against_published, once, told_in
from benchmarks.gpu_timing import milliseconds, tell_card, used_mib
from benchmarks.gpu_variants import VARIANTS, chosen
from models.card import BUNDLED
from models.cascade import load_cascade
from models.cascade_file import Precision
from models.detector import NetworkDetector
from models.engines.box import Box
from models.engines.engine import DeviceBatch
from models.errors import AnalysisError, EngineRefused

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[train]'")

from benchmarks.gpu_graph import Cost, cost_of  # noqa: E402

SIMULATED_UM_PER_PX = 0.1


def graph_file(
    folder: Path, nodes: list[Any], constants: dict[str, np.ndarray], shape: tuple[Any, ...], output: str
) -> Path:
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = folder / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def convolution(**more: Any) -> Any:
    given = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1], **more}
    return onnx.helper.make_node("Conv", ["x", "w", "b"], ["c"], **given)


def test_a_convolution_costs_its_products_and_sums(tmp_path: Path) -> None:
    path = graph_file(
        tmp_path, [convolution()], {"w": zeros(8, 3, 3, 3), "b": zeros(8)}, ("n", 3, 10, 12), "c"
    )
    cost = cost_of(path, (2, 3, 10, 12))
    assert cost.flops == 2 * 8 * 10 * 12 * (2 * 3 * 3 * 3 + 1)
    assert cost.weights == 8 * 27 + 8
    assert cost.answered == 2 * 8 * 10 * 12


def test_a_convolution_of_each_channel_alone_costs_its_own_products_only(tmp_path: Path) -> None:
    node = convolution(group=4, strides=[2, 2])
    path = graph_file(tmp_path, [node], {"w": zeros(4, 1, 3, 3), "b": zeros(4)}, (1, 4, 8, 8), "c")
    assert cost_of(path, (1, 4, 8, 8)).flops == 4 * 4 * 4 * (2 * 9 + 1)


def test_a_dense_layer_costs_its_products_and_sums(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    path = graph_file(tmp_path, [node], {"w": zeros(5, 7), "b": zeros(5)}, (3, 7), "y")
    cost = cost_of(path, (3, 7))
    assert cost.flops == 3 * 5 * (2 * 7 + 1)
    assert cost.weights == 40


def test_a_pool_reads_its_window_for_every_number_it_writes(tmp_path: Path) -> None:
    node = onnx.helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2])
    cost = cost_of(graph_file(tmp_path, [node], {}, (1, 3, 8, 8), "p"), (1, 3, 8, 8))
    assert cost.flops == 3 * 4 * 4 * 4
    assert cost.layers[0].activations == 3 * 4 * 4  # what it reads are pictures here: see the next line
    assert cost.layers[0].images == 3 * 8 * 8


def test_a_rectifier_is_done_on_the_way_and_a_way_around_is_read(tmp_path: Path) -> None:
    make = onnx.helper.make_node
    second = make("Conv", ["r", "v"], ["d"], kernel_shape=[1, 1], strides=[1, 1])
    nodes = [convolution(), make("Relu", ["c"], ["r"]), second, make("Add", ["d", "r"], ["s"])]
    constants = {"w": zeros(4, 4, 3, 3), "b": zeros(4), "v": zeros(4, 4, 1, 1)}
    cost = cost_of(graph_file(tmp_path, nodes, constants, (1, 4, 5, 5), "s"), (1, 4, 5, 5))
    assert [layer.kind for layer in cost.layers] == ["Conv", "Conv", "Add"]
    assert [layer.activations for layer in cost.layers] == [100, 200, 100]


@pytest.mark.parametrize(("name", "multiplications"), [("cells", 0.07e9), ("cells-residual", 0.1e9)])
def test_the_bundled_classifiers_cost_what_their_documents_say(name: str, multiplications: float) -> None:
    assert cost_of(BUNDLED / f"{name}.onnx", (1, 96, 96, 3)).flops / 2 == pytest.approx(
        multiplications, rel=0.05
    )


def test_a_larger_batch_moves_the_weights_once() -> None:
    path = BUNDLED / "cells-residual.onnx"
    one, many = cost_of(path, (1, 96, 96, 3)), cost_of(path, (8, 96, 96, 3))
    assert many.flops == 8 * one.flops
    assert many.weights == one.weights
    assert many.least_bytes(4) - one.least_bytes(4) == 7 * (96 * 96 * 3 + 14 * 4)


def test_an_unknown_layer_is_not_counted_as_nothing(tmp_path: Path) -> None:
    path = graph_file(tmp_path, [onnx.helper.make_node("Erf", ["x"], ["y"])], {}, (1, 3), "y")
    with pytest.raises(ValueError, match="does not know the layer Erf"):
        cost_of(path, (1, 3))


def card(bytes_per_s: float, flops_per_s: float) -> Card:
    return Card("drawn", bytes_per_s, {FP32: flops_per_s, FP16: flops_per_s})


def test_the_floor_is_the_slower_of_memory_and_arithmetic() -> None:
    cost = Cost(flops=1000, weights=10, given=60, answered=5, layers=())
    assert floor_of(cost, card(120.0, 1e9), FP32).strict_s == pytest.approx((60 + 4 * 15) / 120)
    assert floor_of(cost, card(1e9, 100.0), FP32).strict_s == pytest.approx(10.0)


def test_the_floor_by_layer_is_never_under_the_strict_one_and_less_in_half_precision() -> None:
    cost = cost_of(BUNDLED / "cells.onnx", (256, 96, 96, 3))
    for each in DATA_SHEETS:
        whole, half = floor_of(cost, each, FP32), floor_of(cost, each, FP16)
        assert whole.by_layer_s >= whole.strict_s
        assert half.by_layer_s < whole.by_layer_s


def test_what_is_on_the_gpu_at_the_same_time_counts_once() -> None:
    events: list[dict[str, Any]] = [
        {"cat": "kernel", "ts": 10, "dur": 10},
        {"cat": "gpu_memcpy", "ts": 15, "dur": 10},
        {"cat": "kernel", "ts": 40, "dur": 5},
        {"cat": "cuda_runtime", "ts": 0, "dur": 100},
        {"cat": "kernel", "ts": 50},
    ]
    assert busy_seconds(events, ON_DEVICE) == pytest.approx(20e-6)
    assert busy_seconds(events, KERNELS) == pytest.approx(15e-6)


def test_a_figure_has_its_median_and_its_range() -> None:
    figure = measured("a", "onnx-cpu", "field", "ms", [3.0, 1.0, 2.0])
    assert (figure.median, figure.low, figure.high, figure.times) == (2.0, 1.0, 3.0, 3)


def test_the_table_says_what_is_absent_and_why() -> None:
    text = markdown([Absent("c", "tensorrt", "TensorRT", "TensorRT is not installed")])
    assert "| c | tensorrt | TensorRT | – | – | – |  |  | not measured: TensorRT is not installed |" in text


def test_ratios_are_to_the_published_way_where_both_did_the_same() -> None:
    ours = measured("b", "onnx-cuda", "500 cells", "s", [0.2])
    theirs = measured("b", "published", "500 cells", "s", [4.0])
    other = measured("b", "onnx-cuda", "500 cells, GPU work", "s", [0.1])
    ratios = [
        figure.ratio for figure in against_published([ours, theirs, other]) if not isinstance(figure, Absent)
    ]
    assert ratios == [pytest.approx(20), pytest.approx(1), None]


def test_a_time_stands_beside_the_floor_of_its_card() -> None:
    options = Options(peaks=((BANDWIDTH, 100.0), (FP32, 1e9)))
    cost = Cost(flops=1000, weights=10, given=60, answered=5, layers=())  # 1.2 s to move
    found = _against_floor("onnx-cuda", "cells, batch 1", [2400.0], cost, options)
    assert isinstance(found, Measured)
    assert found.ratio == pytest.approx(2.0)
    assert "strict 1.2e+03 ms" in found.note


def test_without_the_cards_peaks_there_is_no_ratio() -> None:
    found = _against_floor("onnx-cuda", "cells, batch 1", [2.0], Cost(1, 1, 1, 1, ()), Options())
    assert isinstance(found, Measured)
    assert found.ratio is None


def test_a_part_that_fails_keeps_what_it_told_and_says_why() -> None:
    told: list[Figure] = []

    def failing() -> Iterator[Figure]:
        yield measured("a", "onnx-cuda", "one", "ms", [1.0])
        raise AnalysisError("The GPU fell off.")

    _part(told.append, "a", "onnx-cuda", "a field", failing)
    assert [type(each) for each in told] == [Measured, Absent]
    assert "The GPU fell off" in markdown(told)


def test_what_nvidia_smi_says_is_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text('#!/bin/sh\necho "NVIDIA H100, 580.159.04, 1980, 2619, 40, 120.5, 1234, 81559"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    told = tell_card()
    assert told["clocks.sm"] == "1980"
    assert used_mib(told) == 1234.0


def test_without_nvidia_smi_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tell_card() == {}
    assert used_mib({}) is None


def test_peaks_become_the_cards_own_bytes_and_flops_a_second() -> None:
    figures: list[Figure] = [
        measured("d", "the card", "memory bandwidth", "GB/s", [3000.0]),
        measured("d", "the card", "peak fp16", "TFLOP/s", [800.0]),
    ]
    assert dict(peaks_in(figures)) == {"memory bandwidth": 3e12, "fp16": 8e14}


def test_options_reach_a_child_as_they_are() -> None:
    options = Options(peaks=(("fp16", 8e14),), used_mib=4.0)
    assert Options.from_json(options.to_json()) == options


def test_others_are_measured_for_their_item_alone() -> None:
    assert not any(name.startswith(("torch", "published")) for name in chosen(Options(items="ab")))
    assert set(chosen(Options())) == set(VARIANTS)


@pytest.mark.parametrize("name", ["tensorrt", "onnx-cuda", "onnx-cuda-host"])
def test_a_rehearsal_leaves_out_what_needs_a_gpu_and_says_so(name: str) -> None:
    with pytest.raises(EngineRefused, match="leaves the GPU's engines out"):
        VARIANTS[name].open(Options().rehearsal(), fields_of_one())


def fields_of_one() -> Fields:
    return Fields(photograph(nucleus_um=3.5, cell_um=6.0)[None], SIMULATED_UM_PER_PX)


def test_a_process_that_ends_early_leaves_a_reason(tmp_path: Path) -> None:
    found = once("onnx-cpu", Options().rehearsal(), Run(tmp_path, 60.0, float("inf")))
    assert isinstance(found[-1], Absent)
    assert "its process ended with 1" in found[-1].why
    assert "fields.npz" in found[-1].why


def test_without_time_left_no_part_is_begun(tmp_path: Path) -> None:
    found = once("onnx-cpu", Options(), Run(tmp_path, 60.0, 0.0))
    assert [each.why for each in found if isinstance(each, Absent)] == [
        "the time for the whole benchmark was up"
    ]


def test_a_line_cut_short_does_not_spoil_the_others(tmp_path: Path) -> None:
    whole = measured("a", "onnx-cpu", "field", "ms", [3.0])
    path = tmp_path / "figures.jsonl"
    path.write_text(json.dumps(asdict(whole)) + '\n{"item": "a", "wh')
    assert told_in(path) == [whole]


def test_a_timing_measures_once_at_least_and_stops_when_time_is_up() -> None:
    calls: list[int] = []
    took = milliseconds(lambda: calls.append(1), repeats=50, most_s=0.0)
    assert len(took) == 1
    assert len(calls) == 2


def test_fields_are_kept_as_they_are_in_every_way_that_keeps_their_size(tmp_path: Path) -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    fields = Fields(np.stack(ways(picture)), 0.1)
    keep(fields, tmp_path / "fields.npz")
    again = read_fields(tmp_path / "fields.npz")
    assert np.array_equal(again.pixels, fields.pixels)
    assert len({each.tobytes() for each in again.pixels}) == 4
    assert again.size == (3, 2)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    cells = [photograph(nucleus_um=n, cell_um=c) for n, c in ((3.5, 6.0), (4.5, 6.5), (2.5, 5.0))]
    return [np.hstack([cells[0], cells[1]]), np.hstack([cells[2], cells[0]]), np.hstack([cells[1], cells[2]])]


def test_both_ways_to_labels_see_the_same_and_fields_that_overlap_lose_none(frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    exact = load_cascade("smear-13", "blood", precision=Precision.FLOAT)
    host = HostPath(NetworkDetector(), exact, SIMULATED_UM_PER_PX)
    device = DevicePath(
        front_end(StandInDriver(), optics(width, height, SIMULATED_UM_PER_PX)),
        NetworkDetector(open_engine=EngineOnStandIn),
        load_cascade("smear-13", "blood", precision=Precision.FLOAT, open_engine=EngineOnStandIn),
    )
    seen = host.count(frames)
    assert seen.named >= 5
    assert device.count(frames) == seen
    places = places_of(device, frames[0], 5, 105.0)
    assert (
        device.look(frames[0], places, always=True) == host.look(frames[0], places, always=True) == Seen(5, 5)
    )


@pytest.fixture
def standing_in_for_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card by the stand-in, a profiler that always says the same, and an nvidia-smi."""
    driver = StandInDriver()
    monkeypatch.setattr(gpu_variants, "_box", lambda _: Box("GPU", "1", "9.0", "580", "13.0"))
    monkeypatch.setattr(gpu_variants, "_device", lambda: stand_in(driver))
    monkeypatch.setattr("models.gpu.nvrtc_library.find_nvrtc", lambda _: None)
    monkeypatch.setattr("models.gpu.program.Compiler", lambda _: StandInCompiler())
    monkeypatch.setattr("models.engines.onnx_engine.open_on_cuda", lambda path, gpu: EngineOnStandIn(path))

    def busy(work: Callable[[], object]) -> tuple[float, float]:
        work()
        return 0.2, 0.1

    def on_host(shape: tuple[int, int, int, int], _: Options) -> tuple[DeviceBatch, str]:
        pictures = np.zeros(shape, np.uint8)
        return DeviceBatch(pictures.ctypes.data, shape, pictures), "on the device"

    monkeypatch.setattr(gpu_measure, "gpu_seconds", busy)
    monkeypatch.setattr(gpu_measure, "_batch", on_host)
    command = tmp_path / "nvidia-smi"
    command.write_text('#!/bin/sh\necho "GPU, 580, 1980, 2619, 40, [N/A], 1234, 81559"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.usefixtures("standing_in_for_a_card")
def test_on_a_card_every_item_is_told(frames: list[np.ndarray]) -> None:
    peaks = ((BANDWIDTH, 3e12), (FP32, 5e13))
    options = Options(
        repeats=1, cells=(2,), batches=(2,), warm_s=0.0, most_s=0.0, peaks=peaks, used_mib=234.0
    )
    fields = Fields(np.stack(frames[:2]), SIMULATED_UM_PER_PX)
    told: list[Figure] = []
    opened = open_and_warm("onnx-cuda", options, fields, told.append, 0.0)
    assert opened is not None
    gpu_measure.measure("onnx-cuda", options, fields, opened, told.append)
    assert [each for each in told if isinstance(each, Absent)] == []
    by_name = {each.what: each for each in told if isinstance(each, Measured)}
    assert {each.item for each in told} == {"", "a", "b", "d", "e", "f"}
    assert by_name["GPU memory"].median == 1000.0
    assert by_name["SM clock, warmed up"].median == 1980
    assert by_name["cells, batch 2, GPU"].median == pytest.approx(10.0)  # a tenth of a second in ten rounds
    assert (by_name["cells, batch 2, GPU"].ratio or 0) > 100
    assert {"detector, batch 1, GPU", "cells-residual, batch 2, GPU", "500 cells, GPU work"} <= set(by_name)
