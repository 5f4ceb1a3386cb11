"""A calibration that was just measured: onto the record, into force where it may be, onto paper. It is never lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import Session
from appliance.commands.asking import Unanswered, said_what_stands
from appliance.errors import ApplianceRefused
from appliance.output_file import refuse_unwritable

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.servicing.measurement import Measurement
    from calibration.record import CalibrationRecord


def refuse_before(wanted: Measurement, pdf: Path | None) -> None:
    """Refuse, before anything is measured, what would be refused when it is put on record."""
    from appliance.service_desk import refuse_without_desk

    refuse_unwritable(None if pdf is None else str(pdf))
    if pdf is not None and wanted.by is None:
        raise ApplianceRefused(
            "A certificate is of a record, and a record says who measured. Give a name: --by NAME."
        )
    wanted.refuse_before()
    if wanted.by is not None:
        refuse_without_desk(wanted.config)


def put_away(
    session: Session,
    record: CalibrationRecord,
    pdf: Path | None,
    yes: bool,
    publish: Callable[[bool], None],
) -> None:
    """Put a calibration on record, publish whether it is in force, and write its certificate.

    Raises Unanswered where nobody says whether it shall be in force: all the rest is then done.
    """
    in_force, unanswered = False, None
    try:
        in_force = put_on_record(session, record, yes)
    except Unanswered as nobody:
        unanswered = nobody
    finally:
        publish(in_force)
    offer_certificate(session, record, in_force, pdf, yes or unanswered is not None)
    if unanswered is not None:
        raise unanswered


def put_on_record(session: Session, record: CalibrationRecord, yes: bool) -> bool:
    """Put a calibration on record and, where it is wished, in force; return whether it is in force.

    yes: nothing is asked, and what a person has to confirm does not come into force.
    Where it cannot be put on record it is kept in a file, and the refusal says where. Raises Unanswered where nobody
    says whether it is wished.
    """
    from appliance.calibrations import Calibrations
    from appliance.counting_scale import not_counted_with
    from appliance.servicing import measurement
    from appliance.store import Store

    ask = _asking(session.config)
    measurement.put_on_record(session.config, record, ask)
    click.echo(f"On record: {record.id}.", err=True)
    with Store.read_only(session.config.store.path) as store:
        to_confirm = list(Calibrations(store).to_confirm(record))
    for sentence in to_confirm:
        click.echo(sentence, err=True)
    later = f"hemadiff calibrate use {record.id} --by NAME."
    with said_what_stands(f"{record.id} is on record and not in force. Put it in force: {later}"):
        wished = (
            not to_confirm if yes else click.confirm("Put it in force?", default=not to_confirm, err=True)
        )
    if not wished:
        click.echo(f"It is not in force. Later: {later}", err=True)
        return False
    ask("use_calibration", name=record.id, by=record.by, confirmed=to_confirm)
    click.echo(f"In force for {record.setup}.", err=True)
    for sentence in not_counted_with(session.config):
        click.echo(sentence, err=True)
    return True


def offer_certificate(
    session: Session, record: CalibrationRecord, in_force: bool, pdf: Path | None, yes: bool
) -> None:
    """Write the certificate where it is wished."""
    from appliance.calibrations import Calibrations
    from appliance.certificate import certificate_pdf
    from appliance.output_file import write_bytes
    from appliance.store import Store

    if pdf is None and not yes:
        later = f"hemadiff calibrate certificate {record.id} --pdf FILE."
        with said_what_stands(f"{record.id} is on record. Write its certificate: {later}"):
            if click.confirm("Write its certificate?", default=True, err=True):
                pdf = Path(f"{record.id}.pdf")
    if pdf is not None:
        with Store.read_only(session.config.store.path) as store:
            before = Calibrations(store).before(record)
        write_bytes(certificate_pdf(record, before, in_force=in_force, now=datetime.now(UTC)), pdf)
        click.echo(f"Written: {pdf}", err=True)


def _asking(config: Config) -> Callable[..., dict[str, Any]]:
    """Ask whoever has the store by then, one thing at a time."""
    from appliance.service_desk import desk

    def ask(what: str, **arguments: Any) -> dict[str, Any]:
        with desk(config) as asked:
            return asked(what, **arguments)

    return ask
