"""Where a store may lie, and the sentence for a place that cannot hold one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from appliance.errors import ApplianceRefused

SQLITE = b"SQLite format 3\0"


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


def refuse_foreign(store: Path) -> None:
    """Raise ApplianceRefused for a file that is no store, before anything is made beside it.

    Source: "Database File Format" of SQLite, 1.3. An empty file is a database without tables.
    """
    try:
        with store.open("rb") as file:
            begins = file.read(len(SQLITE))
    except OSError:
        return  # not there, or not to be read: whoever opens it says so
    if begins and begins != SQLITE:
        raise ApplianceRefused(f"{store} is no store: it is another file. Choose another with [store] path.")


def refuse_missing_folder(store: Path, usual: Path) -> None:
    """Raise ApplianceRefused where a store's folder does not exist: nobody may look for counts there.

    usual: the folder that is made where it is missing.
    """
    folder = store.parent
    if folder == usual:
        return
    try:
        folder.stat()
    except FileNotFoundError:
        raise ApplianceRefused(
            f"There is no folder {folder} for the store. Make it, or choose another store with [store] path."
        ) from None
    except OSError:
        return  # whoever makes the store says why it cannot


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
