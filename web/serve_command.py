"""The command `hemadiff serve`: the page, with an instrument beside it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

import click

from appliance.cli import Session, pass_session

if TYPE_CHECKING:
    from appliance.channel_client import InstrumentClient
    from appliance.config import Config
    from web.hub import Hub

log = logging.getLogger(__name__)

INSTRUMENT = [sys.executable, "-m", "appliance.instrument_process"]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--simulate", is_flag=True, help="Count on a simulated microscope.")
@click.option("--start", is_flag=True, help="Start a count as soon as the instrument is ready.")
@click.option("--host", help="Address to listen on; 0.0.0.0 lets others watch. [web] host, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on. [web] port, else 8080.")
@click.option(
    "--instrument/--no-instrument",
    "with_instrument",
    default=True,
    help="Whether to start an instrument where none works on the store.",
)
@pass_session
def serve(
    session: Session, simulate: bool, start: bool, host: str | None, port: int | None, with_instrument: bool
) -> None:
    """Serve the live page, with its instrument.

    An instrument is started beside the page unless one already works on the same store: that one is followed.
    Ctrl-C ends both; a count that is running can be resumed afterwards. With --simulate, --start does so, unless a
    person had paused it.

    \b
    Examples:
      hemadiff serve --simulate --start
      hemadiff serve --host 0.0.0.0 --port 80
    """
    env = _environment(session.config_file, simulate, host, port)
    from appliance.config import load_config

    _serve(load_config(session.config_file, env), env, start, simulate, with_instrument)


def _environment(
    file: Path | None, simulate: bool, host: str | None = None, port: int | None = None
) -> dict[str, str]:
    """Return the environment in which page and instrument read the same settings."""
    env = dict(os.environ)
    if file is not None:
        env["HEMADIFF_CONFIG"] = str(file.absolute())
    if simulate:
        env["HEMADIFF_CAMERA__SOURCE"] = "simulated"
    if host is not None:
        env["HEMADIFF_WEB__HOST"] = host
    if port is not None:
        env["HEMADIFF_WEB__PORT"] = str(port)
    return env


def _serve(
    config: Config, env: dict[str, str], start: bool, simulate: bool, with_instrument: bool = True
) -> None:
    from appliance.channel_client import InstrumentClient
    from appliance.countable import countables
    from appliance.notify import Notifier
    from appliance.store_lock import is_held
    from web.app import create_app, hub_for
    from web.heartbeat import Heartbeat
    from web.server import make_server
    from web.supervisor import REFUSED, Supervisor

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for talkative in ("waitress", "fontTools"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    instrument = InstrumentClient(config.socket_path)
    hub = hub_for(config)
    server = make_server(
        create_app(config, hub, instrument), config.web.host, config.web.port, config.web.threads
    )
    supervisor = Supervisor(
        INSTRUMENT, env, partial(is_held, config.lock_path), hub.say, refused=_end_this_process
    )
    threading.Thread(
        target=countables, args=(config,), daemon=True
    ).start()  # reads all weights: nobody waits for that
    heartbeat = Heartbeat(Notifier.from_environment(env), config.web.host, int(server.effective_port))
    with _ending(hub), heartbeat:
        try:
            hub.start()
            if with_instrument:
                supervisor.start()
            if start:
                begin = partial(_start_when_ready, hub, instrument, resume_simulated=simulate)
                threading.Thread(target=begin, daemon=True).start()
            _announce(config, int(server.effective_port))
            server.run()
        finally:
            supervisor.close()
            if supervisor.refused.is_set():  # its own sentence stands on stderr already
                raise SystemExit(REFUSED)


def _end_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)  # the same way out as for everyone else


@contextlib.contextmanager
def _ending(hub: Hub) -> Iterator[None]:
    """End the server in order at SIGTERM and Ctrl-C: first the streams, whose threads it waits for."""

    def end(number: int, frame: Any) -> Never:
        for each in before:
            signal.signal(each, signal.SIG_IGN)  # once is enough
        hub.close()
        raise SystemExit(0)

    before = {each: signal.signal(each, end) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        hub.close()


def _start_when_ready(hub: Hub, instrument: InstrumentClient, resume_simulated: bool) -> None:
    """Start a count once the instrument answers; one that goes on, or that a person must resume, is left alone."""
    from appliance.broadcast import BroadcastClosed
    from appliance.errors import ApplianceError, ApplianceRefused

    hub.note("Starting", "The count begins by itself.")
    with contextlib.suppress(BroadcastClosed), hub.viewer() as follower:
        while True:
            state = follower.next()
            if state is None or state["event"] != "snapshot" or not state["link"]["up"]:
                continue
            try:
                _begin(state["run"], instrument, resume_simulated)
            except (ApplianceError, ApplianceRefused) as refusal:
                log.error("%s", refusal)
                hub.note("Not started", str(refusal))
            return


def _begin(run: Mapping[str, Any] | None, instrument: InstrumentClient, resume_simulated: bool) -> None:
    from appliance.errors import ApplianceRefused

    if run is None or run["ended"]:
        instrument.start()
    elif resume_simulated and run["simulated"] and run["state"] == "paused" and _interrupted(run):
        try:
            instrument.resume(run["run"])
        except ApplianceRefused as refusal:  # of another version, say; a simulation is no loss
            log.warning("%s Another simulated count is started.", refusal)
            instrument.stop(run=run["run"])
            instrument.start()
    else:
        log.warning("A count is %s already; no other one was started.", run["state"])


def _interrupted(run: Mapping[str, Any]) -> bool:
    """Whether a run stands still because its instrument ended, and not because a person paused it."""
    from appliance.cause import Cause

    return run["cause"] in (None, Cause.POWER_CUT, Cause.SHUT_DOWN)


def _announce(config: Config, port: int) -> None:
    host = config.web.host
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    address = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
    click.echo(f"Hemadiff is at {address}  (Ctrl-C ends it. Research use only.)")
    if host not in LOOPBACK and not config.web.remote_control:
        click.echo('Other machines may watch. To let them start counts, set "remote_control" under [web].')
