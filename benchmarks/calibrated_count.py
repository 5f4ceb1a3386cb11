"""A simulated instrument with every error at once is calibrated from nothing, then counts beside a perfect one.

python -m benchmarks.calibrated_count FOLDER [--instrument 13] [--seed 1] [--target 300] [--rate 20] [--json FILE]

As docs/calibrating.md has it: `hemadiff calibrate all`, its lines into the settings, `hemadiff count`. Each
command is a
process of its own with a store of its own in FOLDER, and settings of its own; what it came to stays there, and the same
command goes on where it was interrupted.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from appliance.simulator.imperfect import Imperfect

SHOWN = {
    "true_cells": "true cells in the fields counted",
    "counted": "counted",
    "detection_recall": "detection recall",
    "detection_precision": "detection precision",
    "classification_accuracy": "classification accuracy",
    "system_accuracy": "system accuracy",
    "counted_twice": "counted twice",
    "at_edge": "counted at the edge",
    "artefacts_counted": "artefacts among the counted",
    "intervals_covering": "95 % limits that hold",
}


def counted(
    place: Path, settings: Mapping[str, str], seed: int, target: int, calibrate: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what was calibrated (empty where nothing was) and the count's truth, from the folder where "
    "they are there."""
    place.mkdir(parents=True, exist_ok=True)
    store = {"HEMADIFF_STORE__PATH": str((place / "store.db").resolve())}
    calibration: dict[str, Any] = {}
    if calibrate:
        words = ["calibrate", "all", "--simulate", "--seed", str(seed), "--by", "benchmark", "--yes"]
        calibration = _made(place / "calibration.json", words, {**settings, **store})
        settings = {**settings, **as_environment(calibration["settings"])}
    words = [
        "count",
        "--simulate",
        "--seed",
        str(seed),
        "--min-cells",
        str(target),
        "--max-cells",
        str(target),
        "--truth",
    ]
    return calibration, _made(place / "count.json", words, {**settings, **store})["truth"]


def as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the lines for the settings ("[stage.x] backlash_um") as variables."""
    return {
        "HEMADIFF_" + key.strip("[").replace("] ", "__").replace(".", "__").upper(): value
        for key, value in settings.items()
    }


def _made(out: Path, words: Sequence[str], settings: Mapping[str, str]) -> dict[str, Any]:
    if not out.is_file():
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEMADIFF_")}
        kept["PYTHONPATH"] = os.pathsep.join(path for path in (os.getcwd(), kept.get("PYTHONPATH")) if path)
        command = [sys.executable, "-c", "from appliance.cli import main; main()", *words, "--json", str(out)]
        done = subprocess.run(command, env={**kept, **settings}, stdout=subprocess.DEVNULL, check=False)
        if not out.is_file():
            raise click.ClickException(
                f"hemadiff {words[0]} ended with {done.returncode}; its message stands above."
            )
    made: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return made


def truths(imperfect: Imperfect) -> dict[str, float]:
    """Return what is true of the values that a calibration holds, as far as one number says it."""
    import numpy as np

    row, stage = imperfect.on_slide[0], imperfect.stage_map
    return {
        "um_per_px": float(np.hypot(*row)),
        "stage_um_per_px_x": 1 / float(np.hypot(*stage[:, 0])),
        "stage_um_per_px_y": 1 / float(np.hypot(*stage[:, 1])),
        "stage_rotation_deg": math.degrees(math.atan2(stage[1, 0], stage[0, 0])),
        "backlash_x_um": imperfect.backlash_um[0],
        "backlash_y_um": imperfect.backlash_um[1],
        "red_gain": imperfect.colour_gains[0],
        "blue_gain": imperfect.colour_gains[1],
    }


def calibrated(calibration: Mapping[str, Any], imperfect: Imperfect) -> Table:
    """Return what was measured beside what is true."""
    table = Table(
        "value", "measured", "standard uncertainty", "true", title="What was calibrated", title_justify="left"
    )
    values = {
        name: each for found in calibration["routines"].values() for name, each in found["values"].items()
    }
    for name, truth in truths(imperfect).items():
        each = values[name]
        table.add_row(
            name, f"{each['value']:.6g}", f"{each['uncertainty']:.2g}", f"{truth:.6g} {each['unit']}"
        )
    return table


def beside(perfect: Mapping[str, Any], imperfect: Mapping[str, Any], number: int) -> Table:
    """Return both counts."""
    table = Table("", "perfect", f"instrument {number}, calibrated", title="The counts", title_justify="left")
    for name, title in SHOWN.items():
        table.add_row(title, *(_shown(truth[name]) for truth in (perfect, imperfect)))
    return table


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--instrument", default=13, show_default=True, type=click.IntRange(1), help="Which imperfect one."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Which smear.")
@click.option("--target", default=300, show_default=True, type=click.IntRange(1), help="Cells of each count.")
@click.option("--rate", default=20.0, show_default=True, help="How many times faster than real time.")
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(folder: Path, instrument: int, seed: int, target: int, rate: float, output: Path | None) -> None:
    """Calibrate an imperfect simulated instrument and count with it beside a perfect one. Research use only."""
    console = Console()
    paced = {"HEMADIFF_SIMULATOR__RATE": str(rate)}
    _, perfect = counted(folder / "perfect", paced, seed, target, calibrate=False)
    settings = {**paced, "HEMADIFF_SIMULATOR__INSTRUMENT": str(instrument)}
    calibration, imperfect = counted(
        folder / f"instrument-{instrument}", settings, seed, target, calibrate=True
    )
    console.print(calibrated(calibration, Imperfect.drawn(instrument)))
    console.print(beside(perfect, imperfect, instrument))
    if output is not None:
        figures = {
            "seed": seed,
            "target": target,
            "instrument": instrument,
            "perfect": perfect,
            "calibrated": imperfect,
        }
        output.write_text(
            json.dumps({**figures, "calibration": calibration}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.calibrated_count")
