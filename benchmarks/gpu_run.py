"""Parts in processes of their own, one after the other, each with a limit, and what came of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.gpu_child import PEAKS
from benchmarks.gpu_options import Options
from benchmarks.gpu_peaks import peaks_in
from benchmarks.gpu_row import Absent, Figure, Measured, figure, measured
from benchmarks.gpu_timing import tell_card, used_mib
from benchmarks.gpu_variants import VARIANTS

LEAST_S = 15.0  # with less left, no part is begun
STARTS = 2  # once everything was compiled and kept
SAID_CHARACTERS = 300
START = "process start to first field counted"


@dataclass(frozen=True, slots=True)
class Run:
    """Where parts are run. folder: of fields and figures.  limit_s: for one part.  until_s: monotonic, for all."""

    folder: Path
    limit_s: float
    until_s: float

    @property
    def fields(self) -> Path:
        """The file of the fields."""
        return self.folder / "fields.npz"


def run_all(
    parts: list[str], options: Options, run: Run, told: Callable[[str, list[Figure]], None]
) -> list[Figure]:
    """Run the parts in their order, the card's peaks first. told: is told after each which, and all figures by then."""
    figures: list[Figure] = []
    for part in parts:
        found = _part(part, options, run)
        if part == PEAKS:
            options = replace(options, peaks=peaks_in(found))
        figures += found
        told(part, against_published(figures))
    return against_published(figures)


def _part(part: str, options: Options, run: Run) -> list[Figure]:
    before = used_mib(tell_card())
    options = replace(options, used_mib=before or 0.0)
    found = once(part, options, run)
    ours = part != PEAKS and any(isinstance(each, Measured) for each in found)
    if not (ours and "e" in options.items and options.on_card):
        return found
    starts: list[float] = []
    for _ in range(STARTS):
        again = once(part, options, run, only_start=True)
        starts += [each.median for each in again if isinstance(each, Measured) and each.what == START]
    if starts:
        note = "again, with whatever was compiled kept"
        found.append(measured("e", part, START, "s", starts, note))
    return found


def once(part: str, options: Options, run: Run, *, only_start: bool = False) -> list[Figure]:
    """Run a part in a new process and return what it told; an Absent where it ended before its time."""
    title = "the card's peaks" if part == PEAKS else VARIANTS[part].title
    began = time.monotonic()
    left = min(run.limit_s, run.until_s - began)
    if left < LEAST_S:
        return [Absent("", part, title, "the time for the whole benchmark was up")]
    figures = run.folder / "figures.jsonl"
    figures.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.gpu_child", part, options.to_json()]
    command += [str(run.fields), str(figures), str(began), *(["--ready"] if only_start else [])]
    why = ""
    with (run.folder / "said.txt").open("w+", encoding="utf-8", errors="replace") as said:
        try:
            status = subprocess.run(command, stdout=said, stderr=said, check=False, timeout=left).returncode
            said.seek(0)
            last = "; ".join(line for line in said.read().splitlines() if line.strip())[-SAID_CHARACTERS:]
            why = f"its process ended with {status}: {last}" if status else ""
        except subprocess.TimeoutExpired:
            why = f"it was stopped after {left:.0f} s"
    found = told_in(figures)
    if why:
        found.append(Absent("", part, f"{title}: the rest" if found else title, why))
    return found


def told_in(path: Path) -> list[Figure]:
    """Return the figures that a process told, whole lines only."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [figure(json.loads(line)) for line in lines]


def against_published(figures: list[Figure]) -> list[Figure]:
    """Return the figures, with the published way's time over each one's where both did the same."""
    theirs = {
        (each.item, each.what): each.median
        for each in figures
        if isinstance(each, Measured) and each.who == "published" and each.item in "ab"
    }
    result: list[Figure] = []
    for each in figures:
        if (
            isinstance(each, Measured)
            and each.item in "ab"
            and (each.item, each.what) in theirs
            and each.median
        ):
            each = replace(each, ratio=theirs[each.item, each.what] / each.median)
        result.append(each)
    return result
