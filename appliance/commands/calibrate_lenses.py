"""`hemadiff calibrate lenses`: where the overview camera looks, beside the objective."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import bench, guided, measured_map, show


@click.command()
@guided
@pass_session
def lenses(session: Session, /, **said: Any) -> None:
    """Measure where the overview camera looks and at which height, on a smear. Research use only.

    \b
    Example:
      hemadiff calibrate lenses
    """
    from appliance.calibrating.lenses import lenses as routine
    from appliance.errors import ApplianceRefused

    with bench(session, said) as opened:
        above = opened.known.overview
        if above is None:
            raise ApplianceRefused(
                "No overview camera is set. Give [microscope.overview] source in the settings, as in v4l2:/dev/video2."
            )
        found = opened.runner.run(routine(opened.known, measured_map(opened), above))
    show(found, said["out"])
