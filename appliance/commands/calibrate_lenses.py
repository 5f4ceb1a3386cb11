"""`hemadiff calibrate lenses`: where the overview camera looks, beside the objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import guided, measured_map, recorded, single

if TYPE_CHECKING:
    from appliance.calibrating.bench import Bench
    from appliance.calibrating.steps import Finding, Known


@click.command()
@recorded
@guided
@pass_session
def lenses(session: Session, /, **said: Any) -> None:
    """Measure where the overview camera looks and at which height, on a smear. Research use only.

    With --by it makes a calibration with what it found and all else of the one in force.

    \b
    Examples:
      hemadiff calibrate lenses
      hemadiff calibrate lenses --by "R. Hooke"
    """
    from appliance.calibrating.lenses import lenses as routine
    from appliance.errors import ApplianceRefused

    def measured(opened: Bench, known: Known) -> Finding:
        above = known.overview
        if above is None:
            raise ApplianceRefused(
                "No overview camera is set. Give [microscope.overview] source in the settings, as in v4l2:/dev/video2."
            )
        stage = measured_map(opened, known)
        return opened.run(known, lambda: routine(known, stage, above))

    single(session, said, "overview", measured)
