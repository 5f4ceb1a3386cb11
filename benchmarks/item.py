"""One item in a process of its own: ``python -m benchmarks.item LETTER OPTIONS`` prints its figures as JSON.

A process each, so that one item's memory, threads and pinning do not touch another's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module

from benchmarks.options import Options
from benchmarks.row import Figure, Missing, Row

ITEMS = {
    "a": ("benchmarks.whole", "measure", "the whole analysis against the published method"),
    "b": ("benchmarks.stages", "measure", "detector, classifier and guidance alone"),
    "c": ("benchmarks.start_up", "measure_start", "start-up"),
    "d": ("benchmarks.start_up", "measure_memory", "peak memory"),
    "e": ("benchmarks.growth", "measure", "growth with the number of cells"),
    "f": ("benchmarks.acquisition", "measure", "a count on the simulated microscope, in real time"),
}


def measured(letter: str, options: Options) -> list[Figure]:
    """Run an item in a child process and return its figures; a failure is a Missing that says so."""
    command = [sys.executable, "-m", "benchmarks.item", letter, options.to_json()]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return [Missing(letter, ITEMS[letter][2], "failed; its own message stands above")]
    return [figure(entry) for entry in json.loads(done.stdout)]


def figure(entry: dict[str, object]) -> Figure:
    """Return what `main` printed, as a value again."""
    kind: type[Missing] | type[Row] = Missing if "why" in entry else Row
    return kind(**entry)  # type: ignore[arg-type]


def main(letter: str, options: str) -> None:
    """Measure one item here and print its figures."""
    module, name, _ = ITEMS[letter]
    measure: Callable[[Options], list[Figure]] = getattr(import_module(module), name)
    print(json.dumps([asdict(found) for found in measure(Options(**json.loads(options)))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
