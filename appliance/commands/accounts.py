"""`hemadiff accounts`: people, from the command line of the instrument, when nobody can sign in any more."""

from __future__ import annotations

import click

from appliance.accounts.roles import Role
from appliance.cli import Session, pass_session


@click.group()
def accounts() -> None:
    """List accounts, make one, and set a new password: for whoever has this machine's user. Research use only.

    \b
    Examples:
      hemadiff accounts list
      hemadiff accounts add robin --role reviewer
      hemadiff accounts password robin
    """


@accounts.command("list")
@pass_session
def list_accounts(session: Session) -> None:
    """List everybody.

    \b
    Example:
      hemadiff accounts list
    """
    from appliance.accounts.accounts import Accounts
    from appliance.store import Store

    with Store.read_only(session.config.store.path) as store:
        people = Accounts(store).all()
    for each in people:
        click.echo(f"{each.name}\t{each.role}{', shut' if each.disabled else ''}")
    if not people:
        click.echo(
            "Nobody has an account yet. Open the page at the instrument, or: hemadiff accounts add NAME."
        )


@accounts.command()
@click.argument("name")
@click.option("--role", type=click.Choice([str(role) for role in Role]), required=True)
@click.password_option(help="Asked for where it is not given; better not on the command line.")
@pass_session
def add(session: Session, name: str, role: str, password: str) -> None:
    """Make an account, with a password.

    \b
    Example:
      hemadiff accounts add robin --role reviewer
    """
    from appliance.accounts.secret import hash_password
    from appliance.audit import HERE
    from appliance.service_desk import desk

    kept = hash_password(password)
    with desk(session.config) as ask:
        ask("add_account", by=HERE, name=name, role=role, password=kept, pin=None)
    click.echo(f"{name} can sign in now, as {role}.")


@accounts.command("password")
@click.argument("name")
@click.password_option(help="Asked for where it is not given; better not on the command line.")
@pass_session
def set_password(session: Session, name: str, password: str) -> None:
    """Set a new password; it opens a shut or locked account, and ends its sessions.

    \b
    Example:
      hemadiff accounts password robin
    """
    from appliance.accounts.secret import hash_password
    from appliance.audit import HERE
    from appliance.service_desk import desk

    kept = hash_password(password)
    with desk(session.config) as ask:
        ask("change_account", by=HERE, name=name, password=kept, disabled=False)
    click.echo(f"{name} has a new password.")
