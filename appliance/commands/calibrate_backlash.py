"""`hemadiff calibrate backlash`: what the axes lose when they turn round, and how well the stage returns."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import bench, guided, measured_map, show


@click.command()
@click.option("--returns", type=click.IntRange(min=10), default=30, show_default=True, help="To one place.")
@click.option("--drift", is_flag=True, help="Watch the stage stand still for ten minutes too.")
@guided
@pass_session
def backlash(session: Session, /, returns: int, drift: bool, **said: Any) -> None:
    """Measure backlash and repeatability of the stage from pictures of a smear. Research use only.

    \b
    Example:
      hemadiff calibrate backlash --drift
    """
    from appliance.calibrating.stage import backlash as routine

    with bench(session, said) as opened:
        found = opened.runner.run(routine(opened.known, measured_map(opened), returns, drift))
    show(found, said["out"])
