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
    from appliance.tally import Tally


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
    with _store(session) as store:
        record = store.run(run)
        tally = store.tally(record.id)
        skipped, counted = store.skipped(record.id), store.fields_counted(record.id)
    _print(f"Run {record.id}, {_local(record)}: {record.state}. {record.reason}")
    _print(_differential(tally))
    _print(_outside(tally))
    fields = f"{counted} fields counted"
    if skipped:
        fields += (
            f", {sum(skipped.values())} skipped ({', '.join(f'{n} {why}' for why, n in skipped.items())})"
        )
    _print(f"Panel {record.plan.panel}, {record.plan.specimen}. {fields}.")
    _print(f"{_camera(record)}; {record.scale.um_per_px:.4g} µm/px ({record.scale.source}).")
    _print(f"Engine {record.engine}; weights {record.weights}; hemadiff {record.version}.")
    _print(_research_use_only())


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
                store.skipped(record.id),
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


def _differential(tally: Tally) -> object:
    from rich.table import Table

    table = Table("", "count", "%", "95 % limits", "reference", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in tally.rows:
        usual = "" if row.reference is None else f"{row.reference[0]:g}–{row.reference[1]:g}"
        table.add_row(row.title, str(row.count), f"{row.percent:.1f}", f"{row.low:.1f}–{row.high:.1f}", usual)
    table.add_row("Counted", str(tally.counted))
    return table


def _outside(tally: Tally) -> str:
    parts = [f"Unidentified: {tally.unidentified}"]
    titles = {label.name: label.title for label in tally.rules.panel.labels}
    parts += [f"{titles[name]}: {count}" for name, count in tally.not_counted.items()]
    if tally.at_border:
        parts.append(f"at the border: {tally.at_border}")
    if tally.me_ratio is not None:
        parts.insert(0, f"M:E {tally.me_ratio:.2f} ({tally.me_formula})")
    if tally.nrbc_per_100 is not None:
        parts.insert(0, f"Erythroblasts per 100 white cells: {tally.nrbc_per_100:.1f}")
    return "; ".join(parts) + "."


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
        console = Console(highlight=False, markup=False, width=200)
    console.print(what, soft_wrap=isinstance(what, str))
