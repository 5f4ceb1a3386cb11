"""(c) From the start of a process until its networks are loaded and warmed, and (d) the most memory it takes.

Each is measured in a process of its own; files are in the system's cache, since one start goes before.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.options import Options, pin
from benchmarks.pictures import pictures
from benchmarks.row import Figure, compared

PUBLISHED_START_S = 3.56  # as published, on the authors' own machine
FIELDS = 10

OURS = """
from appliance.network_analyser import load_analyser
from appliance.frame import Frame, Point
from calibration import Scale
analyser = load_analyser("network", "smear-13", "blood")
def analyse(field, um_per_px):
    scale = Scale.stated(um_per_px, "benchmark")
    return analyser.analyse(Frame(0, "0", field, Point(0, 0), 0, None, None, scale.id), scale)
"""
PUBLISHED = """
import numpy
from benchmarks.published import PublishedMethod
method = PublishedMethod({cores})
method.classify(numpy.zeros((1, 96, 96, 3), numpy.uint8))
analyse = method.analyse
"""
READY = "print('ready', flush=True)"
PEAK = """
import numpy
fields = numpy.load({path!r})
for field in fields:
    analyse(numpy.ascontiguousarray(field), {um_per_px})
from benchmarks.start_up import peak_mib
print(peak_mib(), flush=True)
"""


def measure_start(options: Options) -> list[Figure]:
    """Return seconds from process start to ready."""
    cores = pin(options.cores)
    ours = seconds_to_ready(OURS + READY, options.repeats)
    published = None
    if _has_torch():
        published = seconds_to_ready(PUBLISHED.format(cores=cores) + READY, max(1, options.repeats // 3))
    note = f"loaded and warmed, warm cache; the published system's own figure is {PUBLISHED_START_S} s"
    return [compared("c", "process start to ready", "s", ours, published, note)]


def measure_memory(options: Options) -> list[Figure]:
    """Return the peak of resident memory over some fields, MiB."""
    cores = pin(options.cores)
    subject = pictures(min(options.cells, FIELDS), options.folder, options.simulated)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fields.npy"
        smallest = [min(field.shape[side] for field in subject.fields) for side in (0, 1)]
        np.save(path, np.stack([field[: smallest[0], : smallest[1]] for field in subject.fields]))
        work = PEAK.format(path=str(path), um_per_px=subject.um_per_px)
        ours = float(_output(OURS + work))
        published = float(_output(PUBLISHED.format(cores=cores) + work)) if _has_torch() else None
    note = f"resident, after {len(subject.fields)} {subject.what}"
    return [compared("d", "peak memory of a process", "MiB", ours, published, note)]


def seconds_to_ready(program: str, repeats: int) -> float:
    """Return the median time until a program has said that it is ready, after one start that does not count."""
    took = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        _output(program)
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def peak_mib() -> float:
    """Return the most resident memory that this process has had, MiB.

    From Linux' own record of this process image: `getrusage` would pass on the peak of the process that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("This system does not say how much memory a process has had.")


def _output(program: str) -> str:
    """Run a program and return its first line, as soon as it is there. Raises RuntimeError where it fails."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        process.kill()
    if not line:
        raise RuntimeError("The measured process ended without a word; its own message stands above.")
    return line


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None
