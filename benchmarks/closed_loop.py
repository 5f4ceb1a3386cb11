"""The closed loop: `hemadiff count --simulate` from power-on to a differential, against the truth of its slide.

python -m benchmarks.closed_loop FOLDER [--cells DIR] [--seeds 10] [--target 500] [--rate 20] [--json FILE]

A count for each seed: the first half blood, the others marrow, once with real cells (with ``--cells``) and once with
drawn ones. Real cells are those of the ``test`` split alone, which no network learnt from. Each count is a process of
its own with a store of its own in FOLDER; what it came to is written there as soon as it ends. The same command goes
on where it was interrupted, resumes a count that was paused, and prints the table of what there is.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from appliance.run import State
from appliance.simulator.truth import evidence_of_run
from appliance.store import Store
from appliance.version import version
from benchmarks.closed_loop_figures import Count, Pooled, pooled

SPECIMENS = ("blood", "marrow")
RESUMED_AT_MOST = 5
SHOWN = (
    ("counts", "seeds", "{}"),
    ("fields", "fields", "{}"),
    ("true cells in them", "true_cells", "{}"),
    ("detection recall", "detection_recall", "{:.3f}"),
    ("detection precision", "detection_precision", "{:.3f}"),
    ("classification accuracy", "classification_accuracy", "{:.3f}"),
    ("system accuracy", "system_accuracy", "{:.3f}"),
    ("counted twice", "counted_twice", "{}"),
    ("counted at the edge", "at_edge", "{}"),
    ("artefacts among the counted", "artefacts_counted", "{:.4f}"),
    ("95 % limits that hold", "covering", "{:.3f}"),
    ("… as its wrong names predict", "covering_predicted", "{:.3f}"),
)


def wished(seeds: int, kinds: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Yield what is to be counted (specimen, kind of cells, seed), real cells first, the specimens in turns."""
    for kind in kinds:
        for k in range(seeds):
            yield SPECIMENS[k % 2], kind, k + 1


def counted(
    folder: Path, specimen: str, kind: str, seed: int, cells: Path | None, target: int, rate: float
) -> Count | str:
    """Return a count that is on record, or make it; a sentence where it did not come to its end."""
    place = folder / f"{specimen}-{kind}-{seed}"
    record = place / "count.json"
    if record.is_file():
        return Count.from_json(json.loads(record.read_text(encoding="utf-8")))
    place.mkdir(parents=True, exist_ok=True)
    store = place / "store.db"
    began = time.monotonic()
    for _ in range(1 + RESUMED_AT_MOST):
        words = ["--resume", run] if (run := _unfinished(store)) else _words(specimen, seed, cells, target)
        _hemadiff(["count", *words], store, rate)
        if _unfinished(store) is None:
            break
    result = _ended(store, specimen, kind, seed, time.monotonic() - began)
    if isinstance(result, Count):
        record.write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
    return result


def _words(specimen: str, seed: int, cells: Path | None, target: int) -> list[str]:
    words = ["--simulate", "--seed", str(seed), "--specimen", specimen]
    words += ["--min-cells", str(target), "--max-cells", str(target)]
    return words if cells is None else [*words, "--cells", str(cells)]


def _hemadiff(words: Sequence[str], store: Path, rate: float) -> None:
    """Run the command as a person would, with no settings of this machine but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEMADIFF_")}
    settings = {"HEMADIFF_STORE__PATH": str(store.resolve()), "HEMADIFF_SIMULATOR__RATE": str(rate)}
    settings["PYTHONPATH"] = os.pathsep.join(path for path in (os.getcwd(), kept.get("PYTHONPATH")) if path)
    command = [sys.executable, "-c", "from appliance.cli import main; main()", *words]
    subprocess.run(command, env={**kept, **settings}, stdout=subprocess.DEVNULL, check=False)


def _unfinished(store: Path) -> str | None:
    """Return the run of a store that has not ended."""
    if not store.is_file():
        return None
    with Store.read_only(store) as opened:
        return next(iter(opened.unfinished_runs()), None)


def _ended(store: Path, specimen: str, kind: str, seed: int, seconds: float) -> Count | str:
    """Return what a store's run came to."""
    if not store.is_file():
        return "it never began; its own message stands above"
    with Store.read_only(store) as opened:
        run = opened.run(opened.runs()[0].id)
        fields = opened.fields_counted(run.id)
    if run.state is not State.COMPLETED:
        return f"{run.state}: {run.reason}"
    evidence = evidence_of_run(store, run.id)
    return Count(
        specimen, kind, seed, fields, seconds, asdict(evidence.comparison()),
        Counter((each.label, each.given) for each in evidence.named()), evidence.limits, evidence.true_percent,
    )  # fmt: skip


def table(columns: Sequence[tuple[str, Pooled]]) -> Table:
    """Return the pooled figures, a column for each group."""
    result = Table(title="The closed loop", title_justify="left")
    result.add_column("")
    for name, _ in columns:
        result.add_column(name, justify="right")
    for what, attribute, form in SHOWN:
        result.add_row(what, *(_shown(getattr(figures, attribute), form) for _, figures in columns))
    labels = dict.fromkeys(label for _, figures in columns for label in figures.recall_by_label)
    for label in labels:
        shares = [figures.recall_by_label.get(label) for _, figures in columns]
        result.add_row(
            f"named right: {label.replace('_', ' ')}", *("" if n is None else f"{n:.3f}" for n in shares)
        )
    return result


def _shown(figure: float, form: str) -> str:
    return "–" if math.isnan(figure) else form.format(figure)


def groups(counts: Sequence[Count]) -> list[tuple[str, Pooled]]:
    """Pool counts by kind of cells: all of a kind, then by specimen."""
    columns = []
    for kind in ("real", "drawn"):
        mine = [count for count in counts if count.cells == kind]
        parts = [
            (f"{kind}, {specimen}", [count for count in mine if count.specimen == specimen])
            for specimen in SPECIMENS
        ]
        columns += [(name, pooled(some)) for name, some in [(f"{kind} cells", mine), *parts] if some]
    return columns


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--cells",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of labelled cells (with cells.csv). Without it, drawn cells alone.",
)
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(1), help="Counts of each kind.")
@click.option("--target", default=500, show_default=True, type=click.IntRange(1), help="Cells of each count.")
@click.option("--rate", default=20.0, show_default=True, help="How many times faster than real time.")
@click.option("--kinds", default="real,drawn", show_default=True, help="Which cells.")
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(
    folder: Path, cells: Path | None, seeds: int, target: int, rate: float, kinds: str, output: Path | None
) -> None:
    """Count on simulated slides and compare with their truth. Research use only."""
    console = Console()
    counts = []
    chosen = [kind for kind in kinds.split(",") if kind == "drawn" or cells is not None]
    for specimen, kind, seed in wished(seeds, chosen):
        result = counted(folder, specimen, kind, seed, cells if kind == "real" else None, target, rate)
        said = result if isinstance(result, str) else _line(result)
        console.print(f"{specimen}, {kind} cells, seed {seed}: {said}", soft_wrap=True, highlight=False)
        if isinstance(result, Count):
            counts.append(result)
    columns = groups(counts)
    console.print(table(columns))
    if output is not None:
        content = {
            "version": version(),
            "target": target,
            "pooled": {name: _known(figures) for name, figures in columns},
            "counts": [count.to_json() for count in counts],
        }
        output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _known(figures: Pooled) -> dict[str, object]:
    """Return the figures by name; what is not known is None."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(figures).items()
    }


def _line(count: Count) -> str:
    names = ("detection_recall", "detection_precision", "classification_accuracy", "system_accuracy")
    shares = ", ".join(f"{name.replace('_', ' ')} {count.truth[name]:.3f}" for name in names)
    return f"{shares}; {count.fields} fields, {count.seconds:.0f} s"


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.closed_loop")
