"""What is looked at of the services: the instrument, the page, the certificate under which others watch."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.channel_client import InstrumentClient
from appliance.doctor.finding import AGAIN, Finding, failed, passed, warning
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.page_answers import why_silent
from appliance.store_lock import is_held

if TYPE_CHECKING:
    from appliance.config import Config

CERTIFICATE = Path("/etc/hemadiff/tls/hemadiff.crt")
ANSWER_WITHIN_S = 10.0
SOON = timedelta(days=30)


def instrument(config: Config) -> Finding:
    """Whether an instrument serves the store."""
    do = (
        "Start it: sudo systemctl start hemadiff-instrument, or hemadiff serve. "
        "Why it ended: journalctl -u hemadiff-instrument"
    )
    try:
        state = InstrumentClient(config.socket_path, ANSWER_WITHIN_S).status()
    except (ApplianceError, ApplianceRefused) as error:
        if is_held(config.lock_path):
            return failed("instrument", f"It has the store, but does not answer this user: {error}", do)
        return warning("instrument", "None runs.", do)
    run = state["run"]
    why_not = state["instrument"]["why_not"]
    if run is not None and not run["ended"]:
        return passed("instrument", f"It answers; run {run['run']} is {run['state']}.")
    if why_not:
        return failed("instrument", f"It answers, but cannot count: {why_not}", AGAIN)
    return passed("instrument", "It answers and can count.")


def page(config: Config) -> Finding:
    """Whether the page answers on this machine."""
    host, number = config.web.host, config.web.port
    why = why_silent(host, number, ANSWER_WITHIN_S)
    if why is not None:
        do = "Start it: sudo systemctl start hemadiff-web, or hemadiff serve."
        return warning("page", f"Nothing answers at {host}, port {number}: {why}.", do)
    return passed("page", f"It answers at {host}, port {number}.")


def certificate(config: Config, path: Path = CERTIFICATE, now: datetime | None = None) -> Finding:
    """Whether others may still trust the certificate. now: UTC; None asks the clock."""
    now = now or datetime.now(UTC)
    if not path.is_file():
        return passed(
            "certificate", "There is none here: the page is for this machine, or its proxy has its own."
        )
    do = f"Put a new one there, or remove it and run systemd/install.sh: {path}"
    command = ["openssl", "x509", "-in", str(path), "-noout", "-enddate"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=ANSWER_WITHIN_S)
        ends = parsedate_to_datetime(_as_date(said.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return failed("certificate", f"{path} cannot be read as a certificate.", do)
    said_until = f"{path} is valid until {ends:%Y-%m-%d}."
    if now >= ends:
        return failed("certificate", f"{path} expired on {ends:%Y-%m-%d}.", do)
    return warning("certificate", said_until, do) if ends - now < SOON else passed("certificate", said_until)


def _as_date(text: str) -> str:
    """``notAfter=Mar  1 12:00:00 2026 GMT`` in the order of a mail's date."""
    month, day, clock, year, _ = text.strip().partition("=")[2].split()
    return f"{day} {month} {year} {clock} +0000"
