"""`hemadiff calibrate lenses`: where the overview camera looks, beside the objective."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.calibrating import guided, recorded, single


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
    single(session, said, "overview")
