"""`hemadiff calibrate focus`: how deep the objective is in focus, and how a slide lies."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import guided, recorded, single


@click.command()
@click.option(
    "--tilt/--no-tilt", default=True, show_default=True, help="Focus at nine places for the slide's tilt."
)
@recorded
@guided
@pass_session
def focus(session: Session, /, tilt: bool, **said: Any) -> None:
    """Measure depth of focus and tilt of the slide, on a smear. Research use only.

    With --by it makes a calibration with what it found and all else of the one in force.

    \b
    Examples:
      hemadiff calibrate focus --no-tilt
      hemadiff calibrate focus --by "R. Hooke"
    """
    from appliance.calibrating.whole import Extent

    single(session, said, "focus", extent=Extent(tilt=tilt))
