"""`hemadiff config`: the settings in force, and where each comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import Session, pass_session

if TYPE_CHECKING:
    from appliance.config import Config


@click.group()
def config() -> None:
    """Show the settings in force and where each comes from.

    \b
    Examples:
      hemadiff config show
      HEMADIFF_COUNT__MIN_CELLS=400 hemadiff config show
    """


@config.command()
@click.option("--json", "as_json", is_flag=True, help="A list of {key, value, origin}.")
@pass_session
def show(session: Session, as_json: bool) -> None:
    """Print every setting, its value and its origin: a file's line, an environment variable, or the default.

    What is printed is a settings file.

    \b
    Examples:
      hemadiff config show
      hemadiff --config lab.toml config show --json
    """
    from appliance.config import flat

    settings, origins = session.settings
    rows = [(key, value, origins[".".join(key)]) for key, value in flat(settings)]
    if as_json:
        table = [{"key": ".".join(key), "value": value, "origin": origin} for key, value, origin in rows]
        click.echo(json.dumps(table, indent=1, ensure_ascii=False))
        return
    section = None
    for (*above, name), value, origin in rows:
        if above != section:
            click.echo(f"{'' if section is None else chr(10)}[{'.'.join(above)}]")
            section = above
        click.echo(f"{_setting(name, value):<60}  # {origin}")
    for warning in _contradictions(settings):
        click.echo(f"Warning: {warning}", err=True)


def _contradictions(settings: Config) -> Iterator[str]:
    """Give a sentence for each height that the microscope will refuse."""
    scope, limits = settings.microscope, settings.stage.z.limits_um
    if scope.heights_um is None:
        return
    low, high = scope.heights_um
    if scope.focus_um is not None and not low <= scope.focus_um <= high:
        yield f"[microscope] focus_um ({scope.focus_um:g}) is outside heights_um, {low:g} to {high:g} µm."
    if limits is not None and not (limits[0] <= low and high <= limits[1]):
        yield (
            f"[microscope] heights_um, {low:g} to {high:g} µm, reach beyond the limits of z, [stage.z] limits_um, "
            f"{limits[0]:g} to {limits[1]:g} µm."
        )


def _setting(name: str, value: Any) -> str:
    """Return a line of TOML; what is not set is a comment."""
    if value is None:
        return f"# {name} is not set"
    # JSON's texts, numbers, lists and truth values are TOML's; an empty table is written the same too.
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"
