"""Where the labelled images are, as every command that reads them says it."""

from __future__ import annotations

from pathlib import Path

import click

DATA_VARIABLE = "HEMADIFF_DATA"
DATA_BESIDE = "../shared/data"  # where developers have them

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help=f"The folder of labelled images. Default: {DATA_VARIABLE}, else {DATA_BESIDE}.",
)
