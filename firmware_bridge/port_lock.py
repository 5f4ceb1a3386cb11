"""One program per port: a lock that the system takes back when its holder dies.

pyserial's `exclusive` is ignored on `socket://` and does not bind another user's program, so the lock is our own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from pathlib import Path

from firmware_bridge.errors import StageRefused


def lock_path(url: str) -> Path:
    """Return the lock file of a port; every name of a device (by-id, ttyUSB0) leads to the same one."""
    place = os.path.realpath(url) if url.startswith("/") else url
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", place).strip("_")
    shared = Path("/run/lock")
    folder = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    return folder / f"hemadiff-{name}.lock"


class PortLock:
    """Holds a port's lock file until it is released, or its process ends."""

    def __init__(self, url: str) -> None:
        """Take the lock. Raises StageRefused where somebody holds it, or it cannot be made."""
        path = lock_path(url)
        try:
            self._file = _open(path)
        except OSError as error:
            raise StageRefused(
                f"The lock file {path} of the stage's port cannot be opened ({error.strerror}). "
                "Remove it, or run as its owner."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise StageRefused(
                f"The stage's port {url} is in use by another program (process {holder}). Stop it first."
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go. May be called twice."""
        if self._file >= 0:
            os.close(self._file)  # the file stays: removing it would let two programs lock two files
            self._file = -1


def _open(path: Path) -> int:
    """Open the lock file, or make one that every user may lock."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, flags)
    with contextlib.suppress(FileExistsError):
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        os.fchmod(file, 0o666)
        return file
    return os.open(path, flags)
