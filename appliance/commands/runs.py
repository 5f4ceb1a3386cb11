"""`hemadiff runs`: past counts, from the store, without touching it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli import Session, pass_session

if TYPE_CHECKING:
    from appliance.store import Store

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
    """List every count, the newest first, as review has it now.

    \b
    Example:
      hemadiff runs list
    """
    from appliance.store_place import is_there

    if not is_there(session.config.store.path):
        click.echo("No counts yet. hemadiff count makes the first.")
        return
    from rich.table import Table

    from appliance.review.listed import listed
    from appliance.run_table import local_time

    with _store(session) as store:
        found = listed(store, store.runs())
    runs = [one.run for one in found]
    columns = ("run", "started", "specimen", "state", "counted", "unidentified", "standing", "camera")
    table = Table(*columns, box=None)
    for one in found:
        run = one.run
        cells = ["–" if value is None else str(value) for value in (run.counted, run.unidentified)]
        camera = f"{run.camera} (simulated)" if run.simulated else run.camera
        facts = (run.id, local_time(run.started), run.specimen or "–", run.state)
        table.add_row(*facts, *cells, str(one), camera)
    _print(table if runs else "No counts yet. hemadiff count makes the first.")
    for run in runs:
        if run.problem is not None:
            _print(f"{run.id} cannot be read by this version: {run.problem}")
    _print(_research_use_only())


@runs.command()
@click.argument("run")
@pass_session
def show(session: Session, run: str) -> None:
    """Show a count: its differential with limits as review has it now, and how it was made.

    RUN is an id or the beginning of one.

    \b
    Example:
      hemadiff runs show 3f2a
    """
    from rich.console import Console

    from appliance.reports.result import result_of, said_of_review
    from appliance.run_table import print_run
    from appliance.stored_view import stored_view

    with _store(session) as store:
        result = result_of(store, run, unmasked=False)
        skipped = store.skipped_fields(result.run.id)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_A_PIPE
    view = stored_view(session.config.store.path, result.run.id, result.tally)
    print_run(console, view, skipped, said_of_review(result))


@runs.command()
@click.argument("run")
@click.option("--csv", "form", flag_value="csv", help="The differential, one row per label.")
@click.option(
    "--json", "form", flag_value="json", default="json", help="Everything, with every cell (default)."
)
@click.option(
    "-o",
    "--output",
    default="-",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write to a file instead of standard output.",
)
@pass_session
def export(session: Session, run: str, form: str, output: str) -> None:
    """Export a count as CSV or JSON, as review has it now. RUN is an id or the beginning of one.

    \b
    Examples:
      hemadiff runs export 3f2a --csv > differential.csv
      hemadiff runs export 3f2a --json -o run.json
    """
    from appliance.output_file import write_json, write_text
    from appliance.reports.exports import as_csv, as_object
    from appliance.reports.result import result_of

    with _store(session) as store:
        result = result_of(store, run, unmasked=False)
        if form == "csv":
            write_text(as_csv(result), output)
        else:
            write_json(as_object(store, result), output)


def _store(session: Session) -> Store:
    from appliance.store import Store

    return Store.read_only(session.config.store.path)


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
