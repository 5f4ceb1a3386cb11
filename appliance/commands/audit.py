"""`hemadiff audit`: who did what, and whether the trail is whole."""

from __future__ import annotations

import click

from appliance.cli import FAILED, Session, pass_session


@click.group()
def audit() -> None:
    """Read the audit trail, and check that nobody changed it. Research use only.

    \b
    Examples:
      hemadiff audit list --last 50
      hemadiff audit verify
    """


@audit.command()
@pass_session
def verify(session: Session) -> None:
    """Check the chain of the trail, line by line. Leaves with 1 where it is broken.

    \b
    Example:
      hemadiff audit verify
    """
    from appliance.audit import AuditTrail
    from appliance.store import Store

    with Store.read_only(session.config.store.path) as store:
        checked = AuditTrail(store).verify()
    click.echo(checked)
    if checked.broken is not None:
        raise SystemExit(FAILED)


@audit.command("list")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, metavar="N")
@pass_session
def list_entries(session: Session, last: int) -> None:
    """List the newest lines, the newest first.

    \b
    Example:
      hemadiff audit list --last 200
    """
    from appliance.audit import AuditTrail
    from appliance.run_table import local_time
    from appliance.store import Store

    with Store.read_only(session.config.store.path) as store:
        entries = AuditTrail(store).entries(last)
    for each in entries:
        details = "; ".join(f"{name}: {value}" for name, value in each.details.items())
        click.echo(f"{each.seq}\t{local_time(each.at)}\t{each.who}\t{each.what}\t{each.subject}\t{details}")
