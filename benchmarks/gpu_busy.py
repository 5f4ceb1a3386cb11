"""How long a GPU was at work, from the trace that CUDA's own profiler (CUPTI) makes of a whole process.

PyTorch only switches it on: kernels of ONNX Runtime, TensorRT and PyCUDA in the same process are on the trace too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
KERNELS = ("kernel",)


def gpu_seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return for how long the GPU did anything while `work` ran, and for how long it ran kernels, s.

    Raises RuntimeError where nothing of the GPU is on the trace, ModuleNotFoundError without PyTorch.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        work()
        torch.cuda.synchronize()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        trace.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    busy = busy_seconds(events, ON_DEVICE)
    if busy == 0:
        raise RuntimeError("CUDA's profiler recorded nothing")
    return busy, busy_seconds(events, KERNELS)


def busy_seconds(events: Iterable[Mapping[str, Any]], kinds: tuple[str, ...]) -> float:
    """Return how long any event of these kinds lasted; what overlaps counts once. Times in a trace are in µs."""
    spans = sorted((float(e["ts"]), float(e["dur"])) for e in events if e.get("cat") in kinds and "dur" in e)
    total = end = 0.0
    for start, lasted in spans:
        total += max(0.0, start + lasted - max(start, end))
        end = max(end, start + lasted)
    return total / 1e6
