"""On a GPU: from a frame to labels by every engine and by others, against the least time that the card can take.

``python -m benchmarks.gpu --json gpu.json`` is told in docs/performance.md.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console

from benchmarks.gpu_child import PEAKS
from benchmarks.gpu_fields import draw_fields, keep
from benchmarks.gpu_options import ITEMS, Options
from benchmarks.gpu_row import Figure, console_table, markdown
from benchmarks.gpu_run import Run, run_all
from benchmarks.gpu_timing import tell_card
from benchmarks.gpu_variants import VARIANTS, chosen

PUBLISHED = (
    "Published, 500 cells: 20 to 25 s on a GTX 980; 10.2 s on four TITAN RTX; 22.5 s on two GTX 1080 Ti. "
    "Ratios in (a) and (b): the published way's time, measured here, over each one's."
)
OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="Examples:  python -m benchmarks.gpu --json gpu.json    python -m benchmarks.gpu --device cpu --only a,b"
)
@click.option("--only", default=",".join(ITEMS), show_default=True, help="Which items, by their letters.")
@click.option("--variants", default="", help=f"Which variants; by themselves all: {', '.join(VARIANTS)}.")
@click.option("--repeats", default=20, show_default=True, type=click.IntRange(1), help="Of each timing.")
@click.option("--fields", default=40, show_default=True, type=click.IntRange(1), help="How many (b) counts.")
@click.option(
    "--device", default="cuda", show_default=True, type=click.Choice(["cuda", "cpu"]), help="cpu rehearses."
)
@click.option(
    "--limit", default=150.0, show_default=True, type=click.FloatRange(20), help="Seconds for a part."
)
@click.option(
    "--time", "whole_s", default=3600.0, show_default=True, type=click.FloatRange(20), help="Seconds for all."
)
@click.option("--plans", default="", help="Keep TensorRT's plans in this folder.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Labelled images, whose cells are blended in.",
)
@click.option("--json", "output", type=OUT, help="Write the figures here, anew after every part.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table for a document.")
def main(
    only: str,
    variants: str,
    repeats: int,
    fields: int,
    device: str,
    limit: float,
    whole_s: float,
    plans: str,
    data: Path | None,
    output: Path | None,
    as_markdown: bool,
) -> None:
    """Measure the engines of a GPU, others on the same card, and how far each is from the card's floor."""
    until_s = time.monotonic() + whole_s
    options = Options(device, _letters(only), repeats, fields, plans=plans)
    options = options if options.on_card else options.rehearsal()
    parts = ([PEAKS] if "d" in options.items else []) + _variants(variants, options)
    console = Console(stderr=True)
    machine = _machine(options)

    def write(figures: list[Figure]) -> None:
        if output is not None:
            content = {
                "machine": machine,
                "options": asdict(options),
                "figures": [asdict(f) for f in figures],
            }
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            output.write_text(text, encoding="utf-8")

    with TemporaryDirectory() as folder:
        run = Run(Path(folder), limit, until_s)
        console.print(f"Drawing {options.fields} fields ...")
        keep(draw_fields(options.fields, data), run.fields)

        def told(part: str, figures: list[Figure]) -> None:
            console.print(f"{part}: done, {until_s - time.monotonic():.0f} s left")
            machine.setdefault("after", {})[part] = tell_card()
            write(figures)

        figures = run_all(parts, options, run, told)
    title = f"Hemadiff on {machine['card'].get('name', 'a processor: a rehearsal')}"
    if as_markdown:
        click.echo(markdown(figures) + "\n" + PUBLISHED)
    else:
        Console(width=None if sys.stdout.isatty() else 200).print(console_table(figures, title), PUBLISHED)


def _letters(only: str) -> str:
    letters = [letter.strip() for letter in only.split(",")]
    for letter in letters:
        if letter not in ITEMS:
            raise click.BadParameter(
                f'there is no item "{letter}". Items: {", ".join(ITEMS)}.', param_hint="--only"
            )
    return "".join(letters)


def _variants(names: str, options: Options) -> list[str]:
    if not names:
        return chosen(options)
    asked = [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in VARIANTS:
            raise click.BadParameter(
                f'there is no variant "{name}". Variants: {", ".join(VARIANTS)}.', param_hint="--variants"
            )
    return asked


def _machine(options: Options) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {"processor": platform.machine(), "python": platform.python_version()}
    for package in ("onnxruntime", "onnxruntime-gpu", "torch", "tensorrt", "pycuda", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found | {"card": tell_card() if options.on_card else {}}


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.gpu")
