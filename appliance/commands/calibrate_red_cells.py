"""`hemadiff calibrate red-cells`: the pixel size that the red cells of a smear speak for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.output_file import refuse_unwritable, write_json

if TYPE_CHECKING:
    from calibration.red_cells import RedCellRuler
    from calibration.single_cells import SingleCell


@click.command("red-cells")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option(
    "--json", "out", metavar="OUT", help="Write the result as JSON to a file; - is standard output."
)
def red_cells(paths: tuple[Path, ...], out: str | None) -> None:
    """Measure the pixel size by the red cells of any smear. Research use only.

    PATH is an image or a folder of them (read recursively), all of one scale. Nothing but the pictures is used:
    no metadata, no setting. Patients differ, so this checks a calibration and does not replace one.

    \b
    Examples:
      hemadiff calibrate red-cells smear/
      hemadiff calibrate red-cells field-1.png field-2.png --json -

    \b
    Exit status: 0 done (skipped images are named), 2 too few red cells lie alone, or nothing could be read.
    """
    refuse_unwritable(out)
    from appliance.image_file import find_images
    from calibration.red_cells import red_cell_ruler

    ruler = red_cell_ruler(list(_cells_of(find_images(paths))))
    if out is not None:
        write_json(as_object(ruler), out)
    if out != "-":
        for line in sentences(ruler):
            click.echo(line)


def as_object(ruler: RedCellRuler) -> dict[str, Any]:
    """Return what is published; these keys are stable. Uncertainties are standard uncertainties, µm/px."""
    return {
        "um_per_px": ruler.um_per_px.value,
        "uncertainty": ruler.um_per_px.uncertainty,
        "uncertainty_of_measurement": ruler.of_measurement,
        "uncertainty_between_patients": ruler.between_patients,
        "cells": ruler.cells,
        "images": ruler.images,
        "diameter_px": ruler.diameter_px.value,
        "diameter_uncertainty_px": ruler.diameter_px.uncertainty,
        "median_diameter_px": ruler.median_px,
        "scatter_percent": 100 * ruler.scatter,
    }


def sentences(ruler: RedCellRuler) -> list[str]:
    """Return the result in words."""
    from appliance.view import RESEARCH_USE_ONLY
    from appliance.wording import number_of
    from calibration.red_cells import DIAMETER_UM

    value = ruler.um_per_px.value
    return [
        f"{value:.4g} µm/px, by {number_of(ruler.cells, 'single red cell')} of "
        f"{number_of(ruler.images, 'image')}: {ruler.diameter_px.value:.1f} px wide, taken as {DIAMETER_UM:g} µm.",
        f"Standard uncertainty: {ruler.of_measurement / value:.1%} of the measurement, "
        f"{ruler.between_patients / value:.1%} between patients, {ruler.um_per_px.relative:.1%} in all.",
        RESEARCH_USE_ONLY,
    ]


def _cells_of(images: Iterable[Path]) -> Iterable[list[SingleCell]]:
    """Give the single cells of every image that can be read; say which cannot."""
    from appliance.errors import ApplianceRefused
    from appliance.image_file import ImageRefused, read_image
    from calibration.single_cells import find_single_cells

    read = 0
    for path in images:
        try:
            pixels = read_image(path).pixels
        except ImageRefused as refusal:
            click.echo(f"Skipped: {refusal}", err=True)
            continue
        read += 1
        yield find_single_cells(pixels)
    if not read:
        raise ApplianceRefused("None of the images can be used; the reasons are above.")
