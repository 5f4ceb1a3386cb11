"""The product itself, served on the simulated microscope from a folder of its own."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.channel_client import InstrumentClient, InstrumentGone
from appliance.config import load_config

FILE = "hemadiff.sqlite"
READY_WITHIN_S = 180.0  # on a busy machine
SERVE = [sys.executable, "-c", "from appliance.cli import main; main()", "serve", "--simulate", "--port", "0"]


@contextlib.contextmanager
def serving(folder: Path, **settings: str) -> Iterator[str]:
    """Serve the store of that folder; yield the page's address. settings: as environment variables."""
    settings = {"HEMADIFF_SIMULATOR__RATE": "20", "HEMADIFF_WEB__IDLE_MINUTES": "700", **settings}
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            SERVE, env=_environment(folder) | settings, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit(f"The page is not served:\n{(folder / 'log').read_text()}")
            _await(client_of(folder))
            yield found.group().rstrip("/")
        finally:
            process.terminate()
            process.wait()


def client_of(folder: Path) -> InstrumentClient:
    """Return a way to ask the instrument that works on the folder's store."""
    return InstrumentClient(load_config(env=_environment(folder)).socket_path)


def _await(instrument: InstrumentClient) -> None:
    """Wait until the instrument answers."""
    end = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            instrument.status()
            return
        except InstrumentGone:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _environment(folder: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HEMADIFF_")}
    return {**ours, "HEMADIFF_STORE__PATH": str(folder / FILE), "PYTHONUNBUFFERED": "1"}
