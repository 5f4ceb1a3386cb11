"""`hemadiff calibrate focus`: how deep the objective is in focus, and how a slide lies."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import bench, guided, show


@click.command()
@click.option(
    "--tilt/--no-tilt", default=True, show_default=True, help="Focus at nine places for the slide's tilt."
)
@guided
@pass_session
def focus(session: Session, /, tilt: bool, **said: Any) -> None:
    """Measure depth of focus and tilt of the slide, on a smear. Research use only.

    \b
    Example:
      hemadiff calibrate focus --no-tilt
    """
    from appliance.calibrating.focus import focus as routine

    with bench(session, said) as opened:
        found = opened.runner.run(routine(opened.known, tilt))
    show(found, said["out"])
