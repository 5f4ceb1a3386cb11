"""`hemadiff calibrate pixel-size`: from a stage micrometer or a grid."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import guided, recorded, ruled, single


@click.command("pixel-size")
@ruled
@recorded
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
    **said: Any,
) -> None:
    """Measure the pixel size with a ruler, at any angle, guided. Research use only.

    With --by it makes a calibration: of the pixel size alone where none is in force, and otherwise with all else of the
    one that is. Its stage map must then agree with the new pixel size to 0.5 %.

    \b
    Examples:
      hemadiff calibrate pixel-size --ruler-pitch-um 10 --by "R. Hooke" --ruler-serial SM-114
      hemadiff calibrate pixel-size --grid --ruler-pitch-um 50 --simulate
    """
    from appliance.calibrating.pixel_size import RulerOnStage

    ruler = RulerOnStage(ruler_pitch_um, grid, ruler_serial, ruler_certificate, ruler_uncertainty_um)
    single(session, said, "pixel_size", ruler)
