"""`hemadiff calibrate list|show|use|export|import|certificate`: the calibrations on record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import Session, pass_session
from appliance.commands.asking import said_what_stands
from appliance.errors import ApplianceRefused

if TYPE_CHECKING:
    from appliance.calibrations import Calibrations, Held

WIDTH_IN_A_PIPE = 200
NONE_YET = (
    "No calibrations yet. hemadiff calibrate measures one, hemadiff calibrate import takes one from a file."
)


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="The same as one list.")
@pass_session
def list_records(session: Session, as_json: bool) -> None:
    """List every calibration on record, the newest first, and which are in force.

    \b
    Example:
      hemadiff calibrate list
    """
    held = _all(session)
    if as_json:
        _write_json([_summary(each) for each in held])
        return
    if not held:
        click.echo(NONE_YET)
        return
    from rich.table import Table

    from appliance.run_table import local_time
    from calibration.record import PIXEL_SIZE

    table = Table("calibration", "made", "by", "pixel size", "setup", "expires", "", box=None)
    for each in held:
        record = each.record
        expires = "never" if record.expires is None else f"{record.expires:%Y-%m-%d}"
        table.add_row(
            record.id,
            local_time(record.made),
            record.by,
            str(record.claimed[PIXEL_SIZE]),
            str(record.setup),
            expires,
            _state(each),
        )
    _print(table)


@click.command()
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The same as one object, without the pictures' bytes.")
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show a calibration: who, when, with what, its values, and how they changed. ID may be its beginning.

    \b
    Example:
      hemadiff calibrate show cal-3fa2
    """
    from calibration.change import compare

    with _calibrations(session) as calibrations:
        held = calibrations.get(name)
        before = calibrations.before(held.record)
    if as_json:
        _write_json({**_summary(held), **held.record.contents()})
        return
    for line in _lines(held):
        click.echo(line)
    _print(_values(held))
    if before is not None:
        click.echo(f"Against {before.id} of {before.made:%Y-%m-%d}, which was in force before:")
        for change in compare(before, held.record):
            click.echo(f"  {change}")


@click.command()
@click.argument("name", metavar="ID")
@click.option("--by", required=True, metavar="NAME", help="Who puts it in force.")
@click.option("--yes", is_flag=True, help="Confirm changes without being asked.")
@pass_session
def use(session: Session, name: str, by: str, yes: bool) -> None:
    """Put a calibration in force for its setup. A value that changed far from the last one is asked about.

    A count that is going on keeps the calibration that it began with.

    \b
    Example:
      hemadiff calibrate use cal-3fa2 --by "R. Hooke"
    """
    from appliance.service_desk import desk
    from calibration.record import PIXEL_SIZE

    with _calibrations(session) as calibrations:
        record = calibrations.get(name).record
        confirmed = list(calibrations.to_confirm(record))
    for sentence in confirmed:
        click.echo(sentence)
    if confirmed and not yes:
        with said_what_stands(f"{record.id} is not in force. Confirm it at a terminal, or with --yes."):
            click.confirm("Is that right?", abort=True)
    with desk(session.config) as ask:
        ask("use_calibration", name=record.id, by=by, confirmed=confirmed)
    click.echo(f"In force for {record.setup}: {record.id}, {record.claimed[PIXEL_SIZE]}.")


@click.command()
@click.argument("name", metavar="ID")
@click.option(
    "-o",
    "--output",
    default="-",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write to a file instead of standard output.",
)
@pass_session
def export(session: Session, name: str, output: str) -> None:
    """Export a calibration with its evidence as one JSON file. One that is damaged or edited by hand is found out.

    \b
    Example:
      hemadiff calibrate export cal-3fa2 -o 100x.json
    """
    from appliance.output_file import write_text
    from calibration.record_json import to_json

    with _calibrations(session) as calibrations:
        write_text(to_json(calibrations.get(name).record), output)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_session
def import_record(session: Session, file: Path) -> None:
    """Put an exported calibration on record. It is in force only when it is put so: hemadiff calibrate use.

    That asks whether it was measured on this very microscope: two of one type cannot be told apart by their setups.

    \b
    Example:
      hemadiff calibrate import 100x.json
    """
    from appliance.audit import HERE
    from appliance.service_desk import desk
    from calibration.file import read_calibration
    from calibration.record_json import to_json

    record = read_calibration(file).record
    if record is None:
        raise ApplianceRefused(
            f"{file} only states a scale (version 1): nobody measured it. "
            "Name it as [camera] calibration, or calibrate."
        )
    with desk(session.config) as ask:
        said = ask("import_calibration", by=HERE, record=to_json(record))
    name = said["calibration"]
    there = f"On record: {name}." if said["new"] else f"{name} is on record already."
    with _calibrations(session) as calibrations:
        held = calibrations.get(name)
    if held.in_force:
        click.echo(f"{there} It is in force.")
        return
    click.echo(f"{there} Put it in force: hemadiff calibrate use {name} --by NAME.")


@click.command()
@click.argument("name", metavar="ID")
@click.option("--pdf", "out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@pass_session
def certificate(session: Session, name: str, out: Path) -> None:
    """Write a calibration's certificate: one page with values, plots of what the fits left over, and evidence.

    \b
    Example:
      hemadiff calibrate certificate cal-3fa2 --pdf certificate.pdf
    """
    from appliance.certificate import certificate_pdf
    from appliance.output_file import refuse_unwritable, write_bytes

    refuse_unwritable(str(out))
    with _calibrations(session) as calibrations:
        held = calibrations.get(name)
        before = calibrations.before(held.record)
    write_bytes(certificate_pdf(held.record, before, in_force=held.in_force, now=datetime.now(UTC)), out)
    click.echo(f"Written: {out}")


@contextmanager
def _calibrations(session: Session) -> Iterator[Calibrations]:
    from appliance.calibrations import Calibrations
    from appliance.store import Store
    from appliance.store_place import is_there

    if not is_there(session.config.store.path):
        raise ApplianceRefused(NONE_YET)
    with Store.read_only(session.config.store.path) as store:
        yield Calibrations(store)


def _all(session: Session) -> list[Held]:
    from appliance.store_place import is_there

    if not is_there(session.config.store.path):
        return []
    with _calibrations(session) as calibrations:
        return calibrations.all()


def _summary(held: Held) -> dict[str, Any]:
    record = held.record
    return {
        "id": record.id,
        "digest": record.digest,
        "source": record.scale.source,
        "um_per_px": record.um_per_px.value,
        "origin": held.origin,
        "in_force": held.in_force,
        "expired": record.expired(datetime.now(UTC)),
        "made": record.made.isoformat(),
        "by": record.by,
    }


def _state(held: Held) -> str:
    force = "in force" if held.in_force else ""
    expired = "expired" if held.record.expired(datetime.now(UTC)) else ""
    return ", ".join(word for word in (force, expired) if word)


def _lines(held: Held) -> Iterator[str]:
    record, state = held.record, _state(held)
    yield f"{record.id}{f', {state}' if state else ''}"
    yield f"Setup: {record.setup}"
    yield f"Made: {record.made:%Y-%m-%d %H:%M} UTC by {record.by} ({held.origin})"
    yield "Expires: never" if record.expires is None else f"Expires: {record.expires:%Y-%m-%d}"
    if record.ruler is not None:
        ruler = record.ruler
        yield (
            f"Ruler: {ruler.kind}, {ruler.pitch_said}, serial {ruler.serial or '–'}, "
            f"certificate {ruler.certificate or '–'}"
        )
    yield f"Software: {record.software or '–'}; firmware: {record.firmware or '–'}"
    if record.evidence:
        yield f"Evidence: {', '.join(evidence.name for evidence in record.evidence)}"
    if record.note:
        yield f"Note: {record.note}"
    yield f"Digest: {record.digest}"


def _values(held: Held) -> Any:
    from rich.table import Table

    from calibration.change import title_of

    table = Table("value", "", "unit", "95 % limits", box=None)
    for name, value in held.record.claimed.items():
        low, high = value.interval
        table.add_row(
            title_of(name), value.shown(value.value), value.unit, f"{value.shown(low)} to {value.shown(high)}"
        )
    for name, residuals in held.record.residuals.items():
        table.add_row(
            f"residuals of {name.replace('_', ' ')}, RMS", f"{residuals.rms:.3g}", residuals.unit, ""
        )
    return table


def _write_json(value: Any) -> None:
    from appliance.output_file import write_json

    write_json(value, "-")


def _print(what: object) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_A_PIPE
    console.print(what)
