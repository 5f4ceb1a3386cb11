"""`hemadiff backup` and `hemadiff restore`: whole copies of the store, while it is in use, and back again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli import Session, pass_session

if TYPE_CHECKING:
    from appliance.backup import Backup
    from appliance.config import Config


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--keep",
    type=click.IntRange(1, 10_000),
    default=14,
    show_default=True,
    help="How many backups stay in FOLDER; older ones are removed once the new one is whole.",
)
@pass_session
def backup(session: Session, folder: Path, keep: int) -> None:
    """Copy the database into FOLDER, also while a count goes on, and check the copy. Research use only.

    \b
    Examples:
      hemadiff backup /var/backups/hemadiff
      hemadiff backup /media/usb --keep 30
    """
    from appliance.backup import back_up
    from appliance.wording import number_of

    made = back_up(session.config.store.path, folder, keep)
    click.echo(f"{made.path}: {number_of(made.runs, 'count')}, {made.size / 1e6:.1f} MB, checked.")
    _put_on_record(session.config, made)


def _put_on_record(config: Config, made: Backup) -> None:
    from appliance.errors import ApplianceError, ApplianceRefused
    from appliance.service_desk import desk

    try:
        with desk(config) as ask:
            ask("record_backup", by=_who(), name=made.path.name, runs=made.runs)
    except (ApplianceError, ApplianceRefused) as error:
        click.echo(f"The backup is made, but is not on the audit trail: {error}", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask before the database is replaced.")
@pass_session
def restore(session: Session, file: Path, yes: bool) -> None:
    """Put the backup FILE in place of the database. The replaced one is kept beside it. Research use only.

    Stop the instrument first; accounts and the audit trail are those of the backup again. One that was downloaded
    from the page holds no passwords and no PINs: set them anew with hemadiff accounts password.

    \b
    Example:
      sudo systemctl stop hemadiff-instrument hemadiff-web
      sudo -u hemadiff hemadiff restore /var/backups/hemadiff/hemadiff-20260301T023000Z.sqlite
    """
    from appliance.accounts.accounts import Accounts
    from appliance.backup import check, restore
    from appliance.store import Store
    from appliance.wording import number_of

    store = session.config.store.path
    if not yes:
        click.confirm(
            f"{file} holds {number_of(check(file), 'count')}. Put it in place of {store}?", abort=True
        )
    kept = restore(file, store, _who())
    click.echo(f"{store} is now what {file.name} holds.")
    if kept is not None:
        click.echo(f"The database before is kept as {kept}.")
    with Store.read_only(store) as restored:
        if Accounts(restored).without_secrets():
            click.echo(
                "It came without passwords and PINs, and nobody can sign in yet. Set them anew, name by name: "
                "hemadiff accounts list, then hemadiff accounts password NAME."
            )


def _who() -> str:
    import getpass

    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"
