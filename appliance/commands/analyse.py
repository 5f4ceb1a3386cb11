"""`hemadiff analyse`: every white cell of every image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import FAILED, Session, pass_session
from appliance.output_file import refuse_unwritable, write_json

if TYPE_CHECKING:
    from appliance.frame import Frame
    from calibration import Scale
    from models import Cell


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--um-per-px", type=float, metavar="F", help="Micrometres per pixel of the images.")
@click.option("--detector", type=click.Choice(["network", "saliency"]), help="Default: network.")
@click.option("--panel", metavar="PANEL", help="The cell types. Default: smear-13.")
@click.option(
    "--specimen",
    type=click.Choice(["marrow", "blood"]),
    help="What the smear is of: probabilities are calibrated for each, and `counted` is about its denominator. "
    "Default: blood.",
)
@click.option(
    "--json", "out", metavar="OUT", help="Write every cell as JSON to a file; - is standard output."
)
@click.pass_context
@pass_session
def analyse(
    session: Session,
    ctx: click.Context,
    paths: tuple[Path, ...],
    um_per_px: float | None,
    detector: str | None,
    panel: str | None,
    specimen: str | None,
    out: str | None,
) -> None:
    """Find and name every white cell of every image. Research use only.

    PATH is an image or a folder of them (read recursively). Without --um-per-px the settings or the images'
    metadata say the scale. A cell too near the border for its window is listed, and not counted. Under a measured
    calibration ([camera] calibration), which is for images of its own camera, they are evened by its flat field first.

    \b
    Examples:
      hemadiff analyse field.png --um-per-px 0.10
      hemadiff analyse smear/ --um-per-px 0.10 --json cells.json

    \b
    Exit status: 0 done (skipped images are named), 1 the analysis of an image failed, 2 nothing could be used.
    """
    refuse_unwritable(out)
    from appliance.equipment import network_analysers
    from appliance.image_command import of_image, specimen_said, work_through
    from appliance.image_input import stated_setup
    from appliance.marks import marks_of_expiry

    config = session.config
    setup = stated_setup(um_per_px, config)
    for mark in () if setup is None else marks_of_expiry(config, setup.scale):
        click.echo(f"Mark: {mark}", err=True)
    panel = panel or config.count.panel
    seen_as = specimen or config.count.specimen
    counted = _counted(panel, seen_as)
    load = network_analysers(config.engine_settings)
    analyser = load(detector or config.count.detector, panel, seen_as)
    if setup is not None:
        analyser.check(setup.scale)

    def work(path: Path, frame: Frame, its: Scale) -> dict[str, Any]:
        cells = [as_object(cell, its.um_per_px, counted) for cell in analyser.analyse(frame, its)]
        return {**of_image(frame, its, analyser.engine, analyser.weights, seen_as), "cells": cells}

    results, failed = work_through(paths, setup, work)
    if out is not None:
        write_json(results, out)
    if out != "-":
        _show(results, specimen_said(seen_as, assumed=specimen is None))
    ctx.exit(FAILED if failed else 0)


def as_object(cell: Cell, um_per_px: float, counted: frozenset[str]) -> dict[str, Any]:
    """Return a cell as published: coordinates and radius in the input's pixels; these keys are stable.

    counted: the labels of the denominator.
    """
    found, opinion = cell.detection, cell.opinion
    return {
        "x": round(float(found.x), 2),
        "y": round(float(found.y), 2),
        "radius": round(float(found.radius_um / um_per_px), 2),
        "score": round(float(found.score), 5),
        "label": opinion.label if opinion else None,
        "probability": round(float(opinion.probability), 5) if opinion else None,
        "label_single_view": opinion.label_single_view if opinion else None,
        "probability_single_view": round(float(opinion.probability_single_view), 5) if opinion else None,
        "views": opinion.views if opinion else 0,
        "counted": bool(opinion and opinion.label in counted),
    }


def _counted(panel: str, specimen: str) -> frozenset[str]:
    from appliance.rules import Rules
    from models.panel import Specimen, load_panel

    return frozenset(label.name for label in Rules.resolve(load_panel(panel), Specimen(specimen)).counted)


def _show(results: list[dict[str, Any]], specimen: str) -> None:
    totals: Counter[str] = Counter()
    for result in results:
        labels = Counter(cell["label"] or "at the border" for cell in result["cells"])
        totals += labels
        found = ", ".join(f"{n} {label}" for label, n in labels.most_common()) or "no white cell"
        click.echo(f"{result['image']}: {found}")
    from appliance.view import RESEARCH_USE_ONLY
    from appliance.wording import number_of

    counted = sum(cell["counted"] for result in results for cell in result["cells"])
    found = f"{number_of(len(results), 'image')}, {number_of(totals.total(), 'cell')}"
    count = "counts" if counted == 1 else "count"
    click.echo(f"{found}, {counted} of them {count}. {specimen} {RESEARCH_USE_ONLY}")
