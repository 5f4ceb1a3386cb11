"""`hemadiff runs`: past counts, from the store, without touching it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli import Session, pass_session
from appliance.errors import ApplianceRefused

if TYPE_CHECKING:
    from appliance.store import Store
    from appliance.store_records import RunRecord

WIDTH_IN_A_PIPE = 200


@click.group()
def runs() -> None:
    """List, show and export past counts. Research use only.

    \b
    Examples:
      hemadiff runs list
      hemadiff runs show 3f2a
      hemadiff runs export 3f2a --csv > differential.csv
    """


@runs.command("list")
@pass_session
def list_runs(session: Session) -> None:
    """List every count, the newest first.

    \b
    Example:
      hemadiff runs list
    """
    if not session.config.store.path.is_file():
        click.echo("No counts yet. hemadiff count makes the first.")
        return
    from rich.table import Table

    with _store(session) as store:
        table = Table("run", "started", "specimen", "state", "counted", "unidentified", "camera", box=None)
        for record in store.runs():
            tally = store.tally(record.id)
            table.add_row(
                record.id,
                _local(record),
                str(record.plan.specimen),
                str(record.state),
                str(tally.counted),
                str(tally.unidentified),
                _camera(record),
            )
    _print(table if table.row_count else "No counts yet. hemadiff count makes the first.")
    _print(_research_use_only())


@runs.command()
@click.argument("run")
@pass_session
def show(session: Session, run: str) -> None:
    """Show a count: its differential with limits, and how it was made. RUN is an id or the beginning of one.

    \b
    Example:
      hemadiff runs show 3f2a
    """
    from rich.console import Console

    from appliance.run_table import print_run
    from appliance.stored_view import stored_view

    with _store(session) as store:
        record = store.run(run)
        skipped = store.skipped_fields(record.id)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_A_PIPE
    print_run(console, stored_view(session.config.store.path, record.id), skipped)


@runs.command()
@click.argument("run")
@click.option("--csv", "form", flag_value="csv", help="The differential, one row per label.")
@click.option(
    "--json", "form", flag_value="json", default="json", help="Everything, with every cell (default)."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to a file instead of standard output.",
)
@pass_session
def export(session: Session, run: str, form: str, output: Path | None) -> None:
    """Export a count as CSV or JSON. RUN is an id or the beginning of one.

    \b
    Examples:
      hemadiff runs export 3f2a --csv > differential.csv
      hemadiff runs export 3f2a --json -o run.json
    """
    from appliance import run_export

    with _store(session) as store:
        record = store.run(run)
        tally = store.tally(record.id)
        if form == "csv":
            text = run_export.to_csv(run_export.rows(record, tally))
        else:
            whole = run_export.to_object(
                record,
                tally,
                store.skipped_fields(record.id),
                store.fields_counted(record.id),
                store.cells(record.id),
            )
            text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ApplianceRefused(f"{path} cannot be written: {error.strerror or error}.") from error


def _store(session: Session) -> Store:
    from appliance.store import Store

    return Store.read_only(session.config.store.path)


def _camera(record: RunRecord) -> str:
    return f"{record.camera} (simulated)" if record.simulated else record.camera


def _local(record: RunRecord) -> str:
    return f"{record.started.astimezone():%Y-%m-%d %H:%M}"


def _research_use_only() -> str:
    from appliance.view import RESEARCH_USE_ONLY

    return RESEARCH_USE_ONLY


def _print(what: object) -> None:
    """Print text or a table; into a pipe without wrapping or colour."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_A_PIPE
    console.print(what, soft_wrap=isinstance(what, str))
