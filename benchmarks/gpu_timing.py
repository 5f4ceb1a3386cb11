"""Wall times, repeated; time by CUDA's events; and the card warmed up before both."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from shutil import which

TELL = "name,driver_version,clocks.sm,clocks.mem,temperature.gpu,power.draw,memory.used,memory.total"


def milliseconds(work: Callable[[], object], repeats: int, most_s: float) -> list[float]:
    """Return what each call took, after one that does not count; at least one, fewer than `repeats` if time is up."""
    work()
    took: list[float] = []
    until = time.perf_counter() + most_s
    while not took or (len(took) < repeats and time.perf_counter() < until):
        began = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - began))
    return took


def event_milliseconds(queue: Callable[[], object], repeats: int, each: int = 10) -> list[float]:
    """Return the time of one call between two CUDA events around so many, queued without waiting.

    queue: puts PyTorch's work on its present stream.
    """
    import torch

    took: list[float] = []
    queue()
    for _ in range(repeats):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(each):
            queue()
        end.record()
        end.synchronize()
        took.append(start.elapsed_time(end) / each)
    return took


def warm(work: Callable[[], object], seconds: float) -> None:
    """Work for so long, so that the card's clocks are up; once at least."""
    until = time.perf_counter() + seconds
    while True:
        work()
        if time.perf_counter() >= until:
            return


def tell_card() -> dict[str, str]:
    """Return what nvidia-smi says of the first GPU just now; empty where there is no nvidia-smi."""
    if which("nvidia-smi") is None:
        return {}
    command = ["nvidia-smi", "--id=0", f"--query-gpu={TELL}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return {}
    values = [value.strip() for value in done.stdout.splitlines()[0].split(",")] if done.stdout else []
    names = TELL.split(",")
    return dict(zip(names, values, strict=True)) if len(values) == len(names) else {}


def used_mib(told: dict[str, str]) -> float | None:
    """Return the card's memory in use, MiB; None where nvidia-smi did not say."""
    try:
        return float(told["memory.used"])
    except (KeyError, ValueError):
        return None
