"""`hemadiff calibrate flat-field`: lamp, sensor and evenness of the light."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import guided, recorded, single


@click.command("flat-field")
@recorded
@guided
@pass_session
def flat_field(session: Session, /, **said: Any) -> None:
    """Set exposure and white balance, check the sensor, and measure the evenness of the light. Research use only.

    With --by it makes a calibration with a new flat field and all else of the one in force: after a change of the lamp.

    \b
    Examples:
      hemadiff calibrate flat-field --simulate
      hemadiff calibrate flat-field --by "R. Hooke" --note "A new lamp."
    """
    single(session, said, "flat_field")
