"""One instrument per store: a lock that the system takes back when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from appliance.errors import ApplianceRefused
from appliance.store_place import cannot_be_written, refuse_foreign

# Somebody who only looks (`is_held`) shares the lock for an instant: that is no reason to refuse.
LOOKS, A_LOOK_TAKES_S = 5, 0.02


def lock_path(store: Path) -> Path:
    """Return the lock of a store, of which one instrument holds the only hand."""
    return store.with_name(f"{store.name}.lock")


class StoreLock:
    """Holds a lock file (`lock_path`) until it is released, or its process ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises ApplianceRefused where another process holds it, or it cannot be made, and for a file that is no store.
        """
        store = path.with_suffix("")
        try:
            if store.is_dir():
                raise IsADirectoryError
            if store.is_file():
                refuse_foreign(store)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise cannot_be_written(store, error) from error
        try:
            _lock(self._file)
        except BlockingIOError as error:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise ApplianceRefused(
                f"Another instrument (process {holder}) already works with {store}. "
                "Stop it, or choose another store with [store] path."
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go. May be called twice."""
        if self._file >= 0:
            os.close(self._file)  # the file stays: removing it would let two processes lock two files
            self._file = -1

    def __enter__(self) -> StoreLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _lock(file: int) -> None:
    for _ in range(LOOKS):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(A_LOOK_TAKES_S)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether an instrument holds the lock now. Raises ApplianceRefused where it may not be looked at."""
    try:
        file = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot_be_written(path.with_suffix(""), error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.close(file)
