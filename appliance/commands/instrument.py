"""`hemadiff instrument`: the instrument alone, as the service of a box that boots into it."""

from __future__ import annotations

import click

from appliance.cli import Session, pass_session


@click.command()
@pass_session
def instrument(session: Session) -> None:
    """Serve the instrument alone, without a page, until SIGTERM or Ctrl-C. A count that is running can be resumed.

    For services: `hemadiff serve --no-instrument` shows its page. Research use only.

    \b
    Example:
      hemadiff --config /etc/hemadiff/hemadiff.toml instrument
    """
    from appliance.instrument_process import run

    raise SystemExit(run([] if session.config_file is None else ["--config", str(session.config_file)]))
