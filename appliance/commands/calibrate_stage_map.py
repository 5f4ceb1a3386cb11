"""`hemadiff calibrate stage-map`: how the picture lies on the stage."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import bench, guided, show


@click.command("stage-map")
@guided
@pass_session
def stage_map(session: Session, /, **said: Any) -> None:
    """Measure how far and which way the picture moves with the stage, on a smear. Research use only.

    \b
    Example:
      hemadiff calibrate stage-map --simulate
    """
    from appliance.calibrating.stage import stage_map as routine

    with bench(session, said) as opened:
        found, _ = opened.runner.run(routine(opened.known))
    show(found, said["out"])
