"""`hemadiff calibrate pixel-size`: from a stage micrometer or a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import (
    author,
    bench,
    guided,
    offer_certificate,
    put_on_record,
    ruled,
    show,
)


@click.command("pixel-size")
@ruled
@click.option("--by", metavar="NAME", help="Who measures. With it, the pixel size is put on record.")
@click.option(
    "--pdf", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write its certificate."
)
@guided
@pass_session
def pixel_size(
    session: Session,
    /,
    ruler_pitch_um: float,
    grid: bool,
    ruler_uncertainty_um: float,
    ruler_serial: str,
    ruler_certificate: str,
    by: str | None,
    pdf: Path | None,
    **said: Any,
) -> None:
    """Measure the pixel size with a ruler, at any angle, guided. Research use only.

    With --by it makes a calibration of the pixel size alone; hemadiff calibrate all makes a whole one.

    \b
    Examples:
      hemadiff calibrate pixel-size --ruler-pitch-um 10 --by "R. Hooke" --ruler-serial SM-114
      hemadiff calibrate pixel-size --grid --ruler-pitch-um 50 --simulate
    """
    from appliance.calibrating.again import until_mended
    from appliance.calibrating.pixel_size import RulerOnStage
    from appliance.calibrating.pixel_size import pixel_size as routine
    from appliance.calibrating.whole import Found

    ruler = RulerOnStage(ruler_pitch_um, grid, ruler_serial, ruler_certificate, ruler_uncertainty_um)
    with bench(session, said) as opened:
        found = opened.runner.run(until_mended(opened.known, lambda: routine(opened.known, ruler)))
        made = author(session, opened, by or "nobody")
    show(found, said["out"])
    if by:
        record = Found({"pixel_size": found}).record(opened.setup, made)
        in_force = put_on_record(session, record, said["yes"])
        offer_certificate(session, record, in_force, pdf, said["yes"])
