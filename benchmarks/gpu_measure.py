"""One variant, measured in this process; every figure is handed over as soon as it is there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu_busy import gpu_seconds
from benchmarks.gpu_fields import WHAT, Fields
from benchmarks.gpu_graph import Cost, cost_of
from benchmarks.gpu_options import Options
from benchmarks.gpu_paths import FieldPath, places_of
from benchmarks.gpu_peaks import BANDWIDTH
from benchmarks.gpu_roofline import Card, floor_of
from benchmarks.gpu_row import Absent, Figure, measured
from benchmarks.gpu_timing import event_milliseconds, milliseconds, tell_card, used_mib, warm
from benchmarks.gpu_variants import NETWORKS, VARIANTS, Opened
from models.card import read_card
from models.engines.engine import Batch, DeviceBatch
from models.errors import AnalysisError, ModelRefused

if TYPE_CHECKING:
    from benchmarks.gpu_torch import TorchEngine

Tell = Callable[[Figure], None]
MARGIN_UM = 10.5  # half a view, and what guidance shifts it by
CANNOT = (AssertionError, AnalysisError, ModelRefused, ImportError, OSError, RuntimeError, ValueError)


def open_and_warm(who: str, options: Options, fields: Fields, tell: Tell, began_s: float) -> Opened | None:
    """Open a variant and tell how long it took from the start of the process; None where it is absent."""
    variant = VARIANTS[who]
    try:
        opened = variant.open(options, fields)
        opened.path.look(fields.pixels[0])
    except CANNOT as error:
        tell(Absent("", who, variant.title, str(error).rstrip(".")))
        return None
    note = "this process, with whatever it compiles and has not kept"
    tell(measured("e", who, "process start to first field counted", "s", [time.monotonic() - began_s], note))
    return opened


def measure(who: str, options: Options, fields: Fields, opened: Opened, tell: Tell) -> None:
    """Tell the figures of (a), (b), (f) and (d), in this order: what loads more comes last."""
    path = opened.path
    items = options.items if VARIANTS[who].ours or "c" not in options.items else options.items + "ab"
    _part(tell, "c", who, "PyTorch against ONNX Runtime", lambda: _agreement(who, options, opened, fields))
    warm(partial(path.look, fields.pixels[0]), options.warm_s)
    if options.on_card:
        _part(tell, "", who, "SM clock", lambda: _clock(who))
    if "a" in items:
        _part(tell, "a", who, "a field", lambda: _field(who, options, fields, path))
    if "b" in items:
        _part(tell, "b", who, "500 cells", lambda: _count(who, options, fields, path))
    if "f" in options.items and options.on_card:
        _part(tell, "f", who, "GPU memory", lambda: _memory(who, options))
    if "b" in items and options.on_card:
        _part(tell, "b", who, "GPU work", lambda: _gpu_work(who, fields, path))
    if "d" in options.items and opened.open_engine is not None:
        for network in NETWORKS:
            _part(tell, "d", who, network, partial(_network, who, options, fields, opened, network))


def _part(tell: Tell, item: str, who: str, what: str, work: Callable[[], Iterable[Figure]]) -> None:
    """Tell what a part gives, or why it gives nothing: the others are measured all the same."""
    try:
        for figure in work():
            tell(figure)
    except CANNOT as error:
        tell(Absent(item, who, what, f"failed: {error}"))


def _field(who: str, options: Options, fields: Fields, path: FieldPath) -> Iterator[Figure]:
    frame = np.ascontiguousarray(fields.pixels[0])
    width, height = fields.size
    times = partial(milliseconds, repeats=options.repeats, most_s=options.most_s)
    note = f"{width}×{height} px at {fields.um_per_px:.3g} µm/px, wall time"
    yield measured("a", who, "detector, per field", "ms", times(partial(path.detect, frame)), note)
    for cells in options.cells:
        places = places_of(path, frame, cells, MARGIN_UM / fields.um_per_px)
        named = path.look(frame, places)
        said = f"{named.again} of {named.named} looked at again"
        what = f"field with {cells} cells, to labels"
        yield measured("a", who, what, "ms", times(partial(path.look, frame, places)), said)
        if named.again < named.named and path.look(frame, places, always=True).again:
            always = times(partial(path.look, frame, places, always=True))
            yield measured("a", who, f"{what}, all looked at again", "ms", always)


def _count(who: str, options: Options, fields: Fields, path: FieldPath) -> list[Figure]:
    seen = path.count(list(fields.pixels))
    repeats = max(1, options.repeats // 4)
    took = [
        ms / 1000
        for ms in milliseconds(partial(path.count, list(fields.pixels)), repeats, 2 * options.most_s)
    ]
    said = f"{len(fields)} {WHAT}; {seen.named} cells, {seen.again} looked at again; wall time"
    found: list[Figure] = [measured("b", who, "all fields", "s", took, said)]
    if seen.named:
        each = [500 * s / seen.named for s in took]
        found.append(measured("b", who, "500 cells", "s", each, "at that rate"))
    return found


def _gpu_work(who: str, fields: Fields, path: FieldPath) -> list[Figure]:
    seen = path.count(list(fields.pixels))
    pairs = [gpu_seconds(partial(path.count, list(fields.pixels))) for _ in range(3)]
    if not seen.named:
        return []
    busy, kernels = ([500 * pair[side] / seen.named for pair in pairs] for side in (0, 1))
    note = "by CUDA's profiler: when any kernel or copy ran, at the rate of all fields"
    return [
        measured("b", who, "500 cells, GPU work", "s", busy, note),
        measured("b", who, "500 cells, GPU kernels alone", "s", kernels, note),
    ]


def _clock(who: str) -> list[Figure]:
    told = tell_card().get("clocks.sm", "")
    return [measured("", who, "SM clock, warmed up", "MHz", [float(told)])] if told.isdigit() else []


def _memory(who: str, options: Options) -> list[Figure]:
    used = used_mib(tell_card())
    if used is None:
        return [Absent("f", who, "GPU memory", "nvidia-smi does not say")]
    note = "by nvidia-smi: the card's memory in use, less what was in use before; after (a) and (b)"
    return [measured("f", who, "GPU memory", "MiB", [used - options.used_mib], note)]


def _network(who: str, options: Options, fields: Fields, opened: Opened, name: str) -> Iterator[Figure]:
    """A network alone, its batch on the device where that can be, against the floor of its card."""
    assert opened.open_engine is not None
    path = read_card(name).path
    engine: Any = opened.open_engine(path)
    for shape in _shapes(name, options, fields):
        batch, where = _batch(shape, options)
        times = milliseconds(partial(engine.run, batch), options.repeats, options.most_s)
        what = f"{name}, batch {shape[0]}"
        yield measured("d", who, what, "ms", times, f"{where}, the answer copied back; wall time")
        if options.on_card:
            try:
                gpu = _device_times(engine, batch, options)
            except CANNOT as error:
                yield Absent("d", who, f"{what}, GPU", f"failed: {error}")
                continue
            yield _against_floor(who, what, gpu, cost_of(path, shape), options)


def _against_floor(who: str, what: str, gpu_ms: list[float], cost: Cost, options: Options) -> Figure:
    precision, card = VARIANTS[who].precision, _card(options)
    note, ratio = f"GPU time; {precision}", None
    if card is not None:
        floor = floor_of(cost, card, precision)
        ratio = statistics.median(gpu_ms) / (1000 * floor.by_layer_s)
        each = f"{1000 * floor.by_layer_s:.3g} ms, strict {1000 * floor.strict_s:.3g} ms"
        note += f"; ratio: to the floor by layer ({each})"
    return measured("d", who, f"{what}, GPU", "ms", gpu_ms, note, ratio)


def _device_times(engine: Any, batch: Batch, options: Options) -> list[float]:
    """The GPU's own time of a batch, ms: by events where PyTorch queues it, else by CUDA's profiler."""
    if hasattr(engine, "queue"):
        pictures = engine.upload(batch)
        return event_milliseconds(partial(engine.queue, pictures), max(3, options.repeats // 2))
    rounds = 10

    def run() -> None:
        for _ in range(rounds):
            engine.run(batch)

    return [1000 * gpu_seconds(run)[1] / rounds for _ in range(3)]


def _shapes(name: str, options: Options, fields: Fields) -> list[tuple[int, int, int, int]]:
    from models.engines.profiles import field_size

    card = read_card(name)
    if name == "detector":
        size = field_size(fields.size, fields.um_per_px, card.um_per_px)
        return [(1, size.height, size.width, 3)]
    side = int(card.setting("patch_px"))
    return [(batch, side, side, 3) for batch in options.batches]


def _batch(shape: tuple[int, int, int, int], options: Options) -> tuple[Batch, str]:
    """A batch of noise, on the device where PyTorch can put it there, and where it lies."""
    pictures: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    if not options.on_card:
        return pictures, "from host memory"
    try:
        import torch
    except ImportError:
        return pictures, "from host memory"
    held = torch.from_numpy(pictures).to(options.device)
    torch.cuda.synchronize()
    return DeviceBatch(held.data_ptr(), shape, held), "on the device"


def _card(options: Options) -> Card | None:
    peaks = dict(options.peaks)
    if BANDWIDTH not in peaks:
        return None
    bandwidth = peaks.pop(BANDWIDTH)
    return Card("this card", bandwidth, peaks, measured=True)


def _agreement(who: str, options: Options, opened: Opened, fields: Fields) -> list[Figure]:
    """Raises AnalysisError where PyTorch's networks answer otherwise than ONNX Runtime's."""
    if not who.startswith("torch") or opened.open_engine is None:
        return []
    from benchmarks.gpu_torch import agreement

    found: list[Figure] = []
    for name in NETWORKS:
        path: Path = read_card(name).path
        engine: TorchEngine = opened.open_engine(path)  # type: ignore[assignment]
        shape = (2, *_shapes(name, options, fields)[0][1:])
        pictures = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
        found.append(
            measured(
                "c",
                who,
                f"{name}: largest deviation from ONNX Runtime",
                "",
                [agreement(path, engine, pictures)],
                "relative to the output's size",
            )
        )
    return found
