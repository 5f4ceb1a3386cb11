"""`hemadiff calibrate stage-map`: how the picture lies on the stage."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import guided, recorded, single


@click.command("stage-map")
@recorded
@guided
@pass_session
def stage_map(session: Session, /, **said: Any) -> None:
    """Measure how far and which way the picture moves with the stage, on a smear. Research use only.

    With --by it makes a calibration with the new map and all else of the one in force; both must agree to 0.5 %.

    \b
    Examples:
      hemadiff calibrate stage-map --simulate
      hemadiff calibrate stage-map --by "R. Hooke"
    """
    single(session, said, "stage_map")
