"""How large a benchmark is, and on how many cores."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said.

    cells: how many (a) analyses.  growth: up to how many cells (e) goes.  repeats: of short timings.
    counted: how many cells (f) counts.  specimen: of what.  turns: how often, with analysis and without.
    data: the folder of labelled images; None looks for it.  simulated: leave real images alone.
    """

    cells: int = 500
    growth: int = 5000
    repeats: int = 10
    cores: int = 2
    data: str | None = None
    simulated: bool = False
    counted: int = 500
    specimen: str = "marrow"
    turns: int = 3

    @property
    def folder(self) -> Path | None:
        """`data` as a path."""
        return None if self.data is None else Path(self.data)

    def to_json(self) -> str:
        """Return it as text, for a child process."""
        return json.dumps(asdict(self))


def pin(cores: int) -> int:
    """Keep this process and its children to so many cores, where the system can; return how many it has."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    available = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, available)
    return len(available)
