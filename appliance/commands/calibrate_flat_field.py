"""`hemadiff calibrate flat-field`: lamp, sensor and evenness of the light."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import bench, guided, show


@click.command("flat-field")
@guided
@pass_session
def flat_field(session: Session, /, **said: Any) -> None:
    """Set exposure and white balance, check the sensor, and measure the evenness of the light. Research use only.

    \b
    Example:
      hemadiff calibrate flat-field --simulate
    """
    from appliance.calibrating.lamp import flat_field as routine

    with bench(session, said) as opened:
        found = opened.runner.run(routine(opened.known))
    show(found, said["out"])
