"""Where a store may lie, and the sentence for a place that cannot hold one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from appliance.errors import ApplianceRefused


def is_there(store: Path) -> bool:
    """Whether the store's file exists. Raises ApplianceRefused for a path that can hold none."""
    try:
        mode = store.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ApplianceRefused(
            f"The store {store} cannot be read: {error.strerror}. Choose another with [store] path."
        ) from error
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no file"
        raise ApplianceRefused(f"The store {store} is {kind}. Give the path of a file with [store] path.")
    return True


def cannot_be_written(store: Path, error: OSError) -> ApplianceRefused:
    """Return the refusal for a store that the system lets nobody make or write here."""
    if os.path.isdir(store):
        return ApplianceRefused(f"The store {store} is a folder. Give the path of a file with [store] path.")
    what = "opened for writing" if os.path.isfile(store) else "made"
    # mkdir says "File exists" of a folder that would have to be where a file is.
    why = os.strerror(errno.ENOTDIR) if isinstance(error, FileExistsError) else error.strerror or error
    return ApplianceRefused(
        f"The store {store} cannot be {what}: {why}. "
        "Get the right to write it and its folder, or choose another with [store] path."
    )


def cannot_change(store: Path) -> bool:
    """Whether nobody writes the store while we read it: it is read-only here, and no writer left its log beside it.

    SQLite makes files beside a store even to read it, unless it is told so.
    """
    writable = os.access(store, os.W_OK) and os.access(store.parent, os.W_OK)
    return not writable and not store.with_name(f"{store.name}-wal").exists()
