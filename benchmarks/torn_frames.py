"""How well the freshness gate sees a seam, on labelled fields: whole ones, and ones torn at a random row.

python -m benchmarks.torn_frames [--data DIR]

Below the seam lies another field of the same laboratory, or the same field moved sideways by some pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from appliance.cameras.freshness import FreshnessLimits
from appliance.cameras.torn import seam
from models.data import data_folder, labelled_fields, read_rgb
from models.data_option import data_option
from models.errors import ModelRefused

MOVED_PX = (1, 3, 10, 37)
BORDER = 20


@click.command()
@data_option
def main(data: Path | None) -> None:
    """Measure how often whole and torn fields are called torn. Research use only."""
    try:
        fields = labelled_fields(data_folder(data))
    except ModelRefused as error:
        raise click.UsageError(str(error)) from error
    factors: dict[tuple[str, str], list[float]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for source in sorted({field.source for field in fields}):
        pictures = (read_rgb(field.path) for field in fields if field.source == source)
        for how, pixels in kinds(pictures, rng):
            factors[source, how].append(seam(pixels)[1])
    Console().print(table(factors))


def kinds(
    pictures: Iterator[NDArray[np.uint8]], rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Give every picture whole and torn in every way, with what was done to it."""
    before: NDArray[np.uint8] | None = None
    for pixels in pictures:
        yield "whole", pixels
        row = int(rng.integers(BORDER, pixels.shape[0] - BORDER))
        if before is not None and before.shape == pixels.shape:
            yield "over another field", np.concatenate([pixels[:row], before[row:]])
        for moved in MOVED_PX:
            yield (
                f"over itself, moved {moved} px",
                np.concatenate([pixels[:row], np.roll(pixels[row:], moved, axis=1)]),
            )
        before = pixels


def table(factors: dict[tuple[str, str], list[float]]) -> Table:
    """Return the shares that the gate calls torn, by laboratory and by what was done."""
    limit = FreshnessLimits().seam
    assert limit is not None
    result = Table(title=f"Fields called torn (one row's step over {limit:g} times the steps around it)")
    for name in ("fields of", "which are", "how many", "called torn", "smallest factor", "largest"):
        result.add_column(name)
    for (source, how), found in factors.items():
        torn = float(np.mean([factor > limit for factor in found]))
        result.add_row(source, how, str(len(found)), f"{torn:.1%}", f"{min(found):.1f}", f"{max(found):.1f}")
    return result


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.torn_frames")
