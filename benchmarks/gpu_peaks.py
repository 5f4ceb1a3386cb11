"""(d) What this very card can do: memory bandwidth, and the peak of matrix products."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.gpu_options import Options
from benchmarks.gpu_roofline import FP16, FP32
from benchmarks.gpu_row import Absent, Figure, Measured, measured
from benchmarks.gpu_timing import event_milliseconds, milliseconds, warm

if TYPE_CHECKING:
    import torch

WHO = "the card"
BANDWIDTH = "memory bandwidth"
COPIED_BYTES, SIDE = 1 << 30, 8192
REHEARSED_BYTES, REHEARSED_SIDE = 1 << 22, 128
TERA, GIGA = 1e12, 1e9


def measure_peaks(options: Options) -> list[Figure]:
    """Return bandwidth (read and written) and matrix products in FP32 without TF32, and in FP16."""
    if find_spec("torch") is None:
        return [Absent("d", WHO, "its peaks", "needs PyTorch: pip install 'hemadiff[train]'")]
    import torch

    if options.on_card and not torch.cuda.is_available():
        return [Absent("d", WHO, "its peaks", "PyTorch sees no GPU")]
    torch.backends.cuda.matmul.allow_tf32 = False
    found: list[Figure] = [_bandwidth(options), _product(options, FP32, torch.float32)]
    # A processor's float16 is emulated: there its stand-in is bfloat16, and it is a rehearsal.
    half = torch.float16 if options.on_card else torch.bfloat16
    return [*found, _product(options, FP16, half)]


def _bandwidth(options: Options) -> Measured:
    import torch

    size = COPIED_BYTES if options.on_card else REHEARSED_BYTES
    source = torch.zeros(size, dtype=torch.uint8, device=options.device)
    target = torch.empty_like(source)
    took = _times(options, lambda: target.copy_(source))
    note = f"a copy of {size >> 20} MiB, bytes read and written"
    return measured("d", WHO, BANDWIDTH, "GB/s", [2 * size / (ms / 1000) / GIGA for ms in took], note)


def _product(options: Options, precision: str, kind: torch.dtype) -> Measured:
    import torch

    side = SIDE if options.on_card else REHEARSED_SIDE
    one, other = (torch.randn(side, side, device=options.device).to(kind) for _ in range(2))
    took = _times(options, lambda: one @ other)
    note = f"matrix product of {side}×{side}×{side}" + (", TF32 off" if precision == FP32 else "")
    values = [2 * side**3 / (ms / 1000) / TERA for ms in took]
    return measured("d", WHO, f"peak {precision}", "TFLOP/s", values, note)


def _times(options: Options, work: Callable[[], object]) -> list[float]:
    if not options.on_card:
        return milliseconds(work, options.repeats, options.most_s)
    import torch

    def wait() -> None:
        work()
        torch.cuda.synchronize()

    warm(wait, options.warm_s / 2)
    return event_milliseconds(work, options.repeats, 5)


def peaks_in(figures: list[Figure]) -> tuple[tuple[str, float], ...]:
    """Return what the floor is reckoned from, by name, in bytes and FLOPs a second."""
    of_card = [each for each in figures if isinstance(each, Measured) and each.who == WHO]
    factor = {"GB/s": GIGA, "TFLOP/s": TERA}
    return tuple((each.what.removeprefix("peak "), each.median * factor[each.unit]) for each in of_card)
