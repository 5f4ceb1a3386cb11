"""`hemadiff calibrate`: the guided routines, and the records that they make.

Each routine keeps its command in a module of its own; here they only come together.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, str] = {
    "all": "appliance.commands.calibrate_all:calibrate_all",
    "flat-field": "appliance.commands.calibrate_flat_field:flat_field",
    "pixel-size": "appliance.commands.calibrate_pixel_size:pixel_size",
    "stage-map": "appliance.commands.calibrate_stage_map:stage_map",
    "backlash": "appliance.commands.calibrate_backlash:backlash",
    "focus": "appliance.commands.calibrate_focus:focus",
    "lenses": "appliance.commands.calibrate_lenses:lenses",
    "red-cells": "appliance.commands.calibrate_red_cells:red_cells",
    "list": "appliance.commands.calibrate_records:list_records",
    "show": "appliance.commands.calibrate_records:show",
    "use": "appliance.commands.calibrate_records:use",
    "export": "appliance.commands.calibrate_records:export",
    "import": "appliance.commands.calibrate_records:import_record",
    "certificate": "appliance.commands.calibrate_records:certificate",
}
"""Where each command is (``module:attribute``), in the order in which help lists them."""


class RoutineGroup(click.Group):
    """Imports a routine when it runs: each has libraries of its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, in our order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=RoutineGroup)
def calibrate() -> None:
    """Calibrate the microscope, and keep its calibrations. For service. Research use only.

    \b
    Examples:
      hemadiff calibrate all --by "R. Hooke"
      hemadiff calibrate list
      hemadiff calibrate show cal-3fa2
      hemadiff calibrate certificate cal-3fa2 --pdf certificate.pdf
    """
