"""The command `hemadiff`: its commands, its exit status, and what a person reads when something is wrong.

A command's module is imported only when that command runs, so that `hemadiff --version` costs nothing. Rooms
below this one add their commands through the entry-point group `hemadiff.commands`.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, cast

import click

if TYPE_CHECKING:
    from appliance.config import Config

FAILED, REFUSED, INSUFFICIENT, INTERRUPTED = 1, 2, 3, 130


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is (``module:attribute``) and what `hemadiff --help` says of it."""

    path: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.path.partition(":")
        return cast(click.Command, getattr(importlib.import_module(module), attribute))


COMMANDS = {
    "analyse": Lazy("appliance.commands.analyse:analyse", "Find and name every white cell of every image."),
    "classify": Lazy(
        "appliance.commands.classify:classify", "Name the cell in images of one centred cell each."
    ),
    "count": Lazy(
        "appliance.commands.count:count", "Count a differential, field by field, until it is decided."
    ),
    "runs": Lazy("appliance.commands.runs:runs", "List, show and export past counts."),
    "stage": Lazy("appliance.commands.stage:stage", "Look at, home and move the stage (service)."),
    "camera": Lazy(
        "appliance.commands.camera:camera", "Try a camera, or serve it to an instrument elsewhere (service)."
    ),
    "calibrate": Lazy(
        "appliance.commands.calibrate:calibrate", "Calibrate the microscope, and keep its records (service)."
    ),
    "qc": Lazy("appliance.commands.qc:qc", "Record and review the daily quality control."),
    "labels": Lazy(
        "appliance.commands.labels:labels", "Export and import labelled sets; propose cells to label."
    ),
    "config": Lazy(
        "appliance.commands.config:config", "Show the settings in force and where each comes from."
    ),
    "doctor": Lazy("appliance.commands.doctor:doctor", "Check the whole instrument, and say what to do."),
    "engines": Lazy("appliance.commands.engines:engines", "List, build and verify what runs the networks."),
    "backup": Lazy("appliance.commands.backup:backup", "Back the database up, while it is in use."),
    "restore": Lazy("appliance.commands.backup:restore", "Put a backup in place of the database."),
    "accounts": Lazy("appliance.commands.accounts:accounts", "List, make and open accounts of the page."),
    "audit": Lazy("appliance.commands.audit:audit", "Read the audit trail, and check that it is whole."),
    "instrument": Lazy(
        "appliance.commands.instrument:instrument", "Serve the instrument alone, without a page."
    ),
}
ENTRY_POINTS = "hemadiff.commands"
ADDED = {
    "evaluate": "Measure the networks on labelled cells and fields.",
    "serve": "Serve the live page, with its instrument.",
}


@dataclass(frozen=True)
class Session:
    """What was said before the command. The configuration is read when a command first asks for it."""

    config_file: Path | None = None
    debug: bool = False

    @cached_property
    def config(self) -> Config:
        """The settings in force. Raises ApplianceRefused for a file that is missing or wrong."""
        return self.settings[0]

    @cached_property
    def settings(self) -> tuple[Config, Mapping[str, str]]:
        """The settings in force, and where each comes from (by its dotted key)."""
        from appliance.config import load_config_with_origins

        return load_config_with_origins(self.config_file)


pass_session = click.make_pass_decorator(Session, ensure=True)


class LazyGroup(click.Group):
    """Imports a command when it runs, and turns every error into a sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, in the order in which a newcomer needs them."""
        return [*COMMANDS, *sorted(self._entry_points())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None where there is none of that name."""
        if cmd_name in COMMANDS:
            return COMMANDS[cmd_name].load()
        entry = self._entry_points().get(cmd_name)
        return None if entry is None else cast(click.Command, entry.load())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was asked for, or say which one is nearest."""
        name = args[0]
        if name not in COMMANDS and name not in self._entry_points() and not name.startswith("-"):
            names = self.list_commands(ctx)
            near = difflib.get_close_matches(name, names, 1)
            hint = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(names)}."
            raise click.UsageError(f'There is no command "{name}". {hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of ours."""
        rows = [(name, lazy.help) for name, lazy in COMMANDS.items()]
        rows += [(name, ADDED.get(name, "")) for name in sorted(self._entry_points())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; leave with 0, or with a sentence on standard error and 1, 2, 3 or 130."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - the last place that can turn a bug into a sentence
            _leave(ctx, error)

    @staticmethod
    def _entry_points() -> Mapping[str, Any]:
        from importlib.metadata import entry_points

        return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _leave(ctx: click.Context, error: Exception) -> Never:
    """Say what happened in one sentence and leave with the status that fits."""
    if ctx.params.get("debug"):
        traceback.print_exception(error)
    status, sentence = _verdict(error, ctx.invoked_subcommand)
    click.echo(sentence, err=True)
    ctx.exit(status)


def _verdict(error: Exception, command: str | None) -> tuple[int, str]:
    from appliance.errors import ApplianceError, ApplianceRefused
    from calibration.errors import CalibrationRefused
    from models.errors import AnalysisError, ModelRefused

    if isinstance(error, ApplianceRefused | CalibrationRefused | ModelRefused):
        return REFUSED, str(error)
    if isinstance(error, ApplianceError | AnalysisError):
        return FAILED, str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    name = f" {command}" if command else ""
    return FAILED, (
        f"hemadiff{name} failed in a way it did not foresee{where}: {said}. "
        f"For the whole trace: hemadiff --debug{name} …"
    )


def _show_version(ctx: click.Context) -> Never:
    from appliance.version import version

    click.echo(f"hemadiff {version()}. Research use only: not for diagnosis.")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Research use only: not for diagnosis.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings (TOML). Otherwise: $HEMADIFF_CONFIG, ./hemadiff.toml, ~/.config/hemadiff/hemadiff.toml, "
    "/etc/hemadiff/hemadiff.toml; the first that exists.",
)
@click.option("--debug", is_flag=True, help="Print the whole trace of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, asked: _show_version(ctx) if asked else None,
    help="Show the version.",
)
@click.pass_context
def cli(ctx: click.Context, config_file: Path | None, debug: bool) -> None:
    """Count white cells on stained smears of bone marrow and blood.

    \b
    Examples:
      hemadiff count --camera folder:smear/ --um-per-px 0.10 --specimen blood
      hemadiff analyse smear/ --um-per-px 0.10 --json cells.json
      hemadiff serve --simulate
      hemadiff runs list
      hemadiff stage info --port grbl:/dev/ttyUSB0

    \b
    Exit status: 0 done, 1 failure, 2 bad usage or input, 3 a count that ended insufficient, 130 interrupted.
    """
    ctx.obj = Session(config_file, debug)


def main() -> None:
    """Run `hemadiff`."""
    sys.exit(cli.main(prog_name="hemadiff"))
