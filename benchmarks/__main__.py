"""The command: every item one after the other, one table."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from benchmarks.item import ITEMS, measured
from benchmarks.options import Options
from benchmarks.row import Figure, Missing, table
from models.data_option import data_option


@click.command(
    epilog="Examples:  python -m benchmarks    python -m benchmarks --only a,c --simulated --json figures.json"
)
@click.option("--only", default="a,b,c,d,e,f", show_default=True, help="Which items, by their letters.")
@click.option(
    "--cells", default=500, show_default=True, type=click.IntRange(1), help="How many cells (a) analyses."
)
@click.option("--growth", default=5000, show_default=True, type=click.IntRange(1), help="How far (e) counts.")
@click.option(
    "--counted", default=500, show_default=True, type=click.IntRange(1), help="How many cells (f) counts."
)
@click.option(
    "--specimen", default="marrow", show_default=True, type=click.Choice(["marrow", "blood"]), help="Of what."
)
@click.option("--turns", default=3, show_default=True, type=click.IntRange(1), help="How often (f) counts.")
@click.option("--repeats", default=10, show_default=True, type=click.IntRange(1), help="Of short timings.")
@click.option("--cores", default=2, show_default=True, type=click.IntRange(1), help="How many cores to use.")
@data_option
@click.option("--simulated", is_flag=True, help="Use simulated fields even where real ones are at hand.")
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(
    only: str,
    cells: int,
    growth: int,
    counted: int,
    specimen: str,
    turns: int,
    repeats: int,
    cores: int,
    data: Path | None,
    simulated: bool,
    output: Path | None,
) -> None:
    """Measure Hemadiff against the published method, on the same images in one run. Research use only."""
    letters = [letter.strip() for letter in only.split(",")]
    for letter in letters:
        if letter not in ITEMS:
            raise click.BadParameter(
                f'there is no item "{letter}". Items: {", ".join(ITEMS)}.', param_hint="--only"
            )
    options = Options(
        cells,
        growth,
        repeats,
        cores,
        None if data is None else str(data),
        simulated,
        counted,
        specimen,
        turns,
    )
    console = Console()
    figures: list[Figure] = []
    for letter in letters:
        with console.status(f"({letter}) {ITEMS[letter][2]} …"):
            figures += measured(letter, options)
    machine = f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"
    console.print(table(figures, f"Hemadiff against the published method ({machine})"))
    if output is not None:
        content = {
            "machine": machine,
            "options": asdict(options),
            "figures": [asdict(found) for found in figures],
        }
        output.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if any(isinstance(found, Missing) and found.why.startswith("failed") for found in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
