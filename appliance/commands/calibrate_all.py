"""`hemadiff calibrate all`: a whole calibration, guided, and its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import (
    as_object,
    bench,
    guided,
    ruled,
    say_settings,
)
from appliance.commands.new_record import put_away, refuse_before
from appliance.output_file import write_json


@click.command("all")
@ruled
@click.option("--by", required=True, metavar="NAME", help="Who calibrates.")
@click.option("--note", default="", metavar="TEXT", help="For the record.")
@click.option(
    "--returns", type=click.IntRange(min=10), default=30, show_default=True, help="For the repeatability."
)
@click.option(
    "--tilt/--no-tilt", default=True, show_default=True, help="Focus at nine places for the slide's tilt."
)
@click.option(
    "--overview/--no-overview",
    default=True,
    show_default=True,
    help="Measure where the overview camera looks, where there is one.",
)
@click.option("--drift", is_flag=True, help="Watch the stage stand still for ten minutes too.")
@click.option(
    "--pdf", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the certificate."
)
@guided
@pass_session
def calibrate_all(
    session: Session,
    /,
    ruler_pitch_um: float,
    grid: bool,
    ruler_uncertainty_um: float,
    ruler_serial: str,
    ruler_certificate: str,
    by: str,
    note: str,
    returns: int,
    tilt: bool,
    overview: bool,
    drift: bool,
    pdf: Path | None,
    **said: Any,
) -> None:
    """Calibrate everything, guided, in the order of docs/calibrating.md. Research use only.

    Lamp and flat field, pixel size, stage map, backlash, focus, overview camera. What is refused may be put right and
    begins again; nothing is on record before all of it has passed.

    \b
    Examples:
      hemadiff calibrate all --by "R. Hooke" --ruler-serial SM-114
      hemadiff calibrate all --by "R. Hooke" --simulate --yes --pdf certificate.pdf
    """
    from appliance.calibrating.pixel_size import RulerOnStage
    from appliance.calibrating.whole import Extent
    from appliance.servicing.measurement import Measurement
    from appliance.servicing.routines import WHOLE

    ruler = RulerOnStage(ruler_pitch_um, grid, ruler_serial, ruler_certificate, ruler_uncertainty_um)
    extent = Extent(returns, tilt, drift, overview=overview)
    wanted = Measurement(session.config, WHOLE, ruler, extent, by, note)
    refuse_before(wanted, pdf)
    with bench(session, said) as opened:
        found = wanted.found(opened, opened.known, opened.runner.run)
        record = wanted.record(opened, found)
    say_settings(found.settings, said["out"] == "-")
    result: dict[str, Any] = {
        "calibration": record.id,
        "in_force": False,
        "settings": found.settings,
        "routines": {name: as_object(each) for name, each in found.findings.items()},
    }

    def publish(in_force: bool) -> None:
        if said["out"] is not None:
            write_json({**result, "in_force": in_force}, said["out"])

    put_away(session, record, pdf, said["yes"], publish)
