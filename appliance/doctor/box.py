"""What is looked at of the box itself: disk, clock, permissions."""

from __future__ import annotations

import ctypes
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.doctor.finding import Finding, failed, passed, warning
from appliance.store_place import is_there

if TYPE_CHECKING:
    from appliance.config import Config

LEAST_FREE = 500e6
"""A count of 500 cells is some 10 MB with its patches."""

SCARCE_FREE = 5e9
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
OTHERS = 0o077


def disk(config: Config) -> Finding:
    """Whether there is room for counts where the store lies."""
    folder = _nearest(config.store.path.parent)
    usage = shutil.disk_usage(folder)
    said = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.0f} GB are free at {folder}."
    do = "Remove what is not needed there, or move old backups away."
    if usage.free < LEAST_FREE:
        return failed("disk", said, do)
    return warning("disk", said, do) if usage.free < SCARCE_FREE else passed("disk", said)


def clock(config: Config, now: datetime | None = None) -> Finding:
    """Whether the clock is later than what is on record, and something keeps it right. now: UTC; None asks it."""
    now = now or datetime.now(UTC)
    newest = _newest(config.store.path)
    if newest is not None and now < newest:
        return failed(
            "clock",
            f"It is {now:%Y-%m-%d %H:%M} UTC here, but the store has something of {newest:%Y-%m-%d %H:%M}.",
            "Set the clock (sudo timedatectl set-time), and see to the battery that keeps it.",
        )
    said = f"{now:%Y-%m-%d %H:%M} UTC"
    if synchronised() is False:
        return warning(
            "clock",
            f"{said}, and no time server keeps it right.",
            "Name one of your network (timedatectl set-ntp true), or compare it with another clock every month.",
        )
    return passed("clock", f"{said}.")


def synchronised() -> bool | None:
    """Whether the kernel knows of a time server that keeps the clock; None where it does not say.

    Source: adjtimex(2); asking changes nothing. It is the same whichever program keeps the clock.
    """
    asked = ctypes.create_string_buffer(
        512
    )  # struct timex is 208 bytes; modes, its first number, is 0: only ask
    try:
        state = ctypes.CDLL(None).adjtimex(asked)
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR


def permissions(config: Config) -> Finding:
    """Whether we may write where the store lies, and nobody else may read there."""
    store, user = config.store.path, f"user {os.geteuid()}"
    folder = store.parent
    if not folder.is_dir():
        return passed("permissions", f"{folder} is made with the first count.")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK) or (
        store.exists() and not os.access(store, os.W_OK)
    ):
        return failed(
            "permissions",
            f"{store} cannot be written as {user}.",
            "Run this as the user of the instrument: sudo -u hemadiff hemadiff doctor.",
        )
    open_to_others = [each for each in (store, _beside(store, "-wal"), folder / "web.key") if _open(each)]
    if open_to_others:
        names = " ".join(str(each) for each in open_to_others)
        return failed("permissions", f"Others may read {names}.", f"Take that away: chmod go= {names}")
    return passed("permissions", f"{store} can be written as {user}, and read by nobody else.")


def _beside(store: Path, ending: str) -> Path:
    return store.with_name(store.name + ending)


def _open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _newest(store: Path) -> datetime | None:
    if not is_there(store):
        return None
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            (newest,) = connection.execute("SELECT max(changed) FROM runs").fetchone()
    except sqlite3.Error:
        return None  # the check of the database says what is wrong with it
    return None if newest is None else datetime.fromisoformat(newest)
