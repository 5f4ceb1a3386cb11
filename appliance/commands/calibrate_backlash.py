"""`hemadiff calibrate backlash`: what the axes lose when they turn round, and how well the stage returns."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import guided, recorded, single


@click.command()
@click.option("--returns", type=click.IntRange(min=10), default=30, show_default=True, help="To one place.")
@click.option("--drift", is_flag=True, help="Watch the stage stand still for ten minutes too.")
@recorded
@guided
@pass_session
def backlash(session: Session, /, returns: int, drift: bool, **said: Any) -> None:
    """Measure backlash and repeatability of the stage from pictures of a smear. Research use only.

    With --by it makes a calibration with what it found and all else of the one in force.

    \b
    Examples:
      hemadiff calibrate backlash --drift
      hemadiff calibrate backlash --by "R. Hooke"
    """
    from appliance.calibrating.whole import Extent

    single(session, said, "backlash", extent=Extent(returns, drift=drift))
