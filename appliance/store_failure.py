"""What SQLite and the disk raise under a store, as sentences for a person."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.cause import Cause
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.store_place import cannot_be_written


@contextmanager
def said(path: Path) -> Iterator[None]:
    """Turn what is raised inside into ApplianceError, or ApplianceRefused for a file that is no store.

    path: the store's.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ApplianceError(
            f"The store {path} failed: {error}. Check the disk and its rights.", cause=Cause.STORE
        ) from error
    except sqlite3.IntegrityError as error:
        raise ApplianceError(f"The store {path} took nothing of this: {error}.", cause=Cause.STORE) from error
    except sqlite3.DatabaseError as error:
        raise ApplianceRefused(
            f"{path} is no store, or is damaged: {error}. Choose another with [store] path.",
            cause=Cause.STORE,
        ) from error
    except OSError as error:
        refusal = cannot_be_written(path, error)
        refusal.cause = Cause.STORE
        raise refusal from error
