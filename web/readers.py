"""The store, opened once to be read by many requests: to open it costs more than to fetch a cell's picture."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError, ApplianceRefused
from appliance.store import Store
from appliance.store_place import cannot_change

MOST_KEPT = 8  # a browser asks for six pictures at once
TRIES = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """A store that nobody reads now. file: which one it is.  schema: how often its tables were changed by then.

    still: it was opened as one that nobody writes: what is written later is never seen through it.
    """

    store: Store
    file: tuple[int, int]
    schema: int
    still: bool

    @property
    def current(self) -> bool:
        """Whether the file is still that one, with the tables that were looked at when it was opened."""
        try:
            return _file(self.store.path) == self.file and _schema(self.store) == self.schema
        except (ApplianceError, ApplianceRefused):  # damaged: opening it anew says so
            return False


class Readers:
    """Lends read-only stores, each to one request at a time, and keeps a few of them open."""

    def __init__(self, path: Path) -> None:
        """path: of the store. It need not be there yet."""
        self._path = path
        self._lock = threading.Lock()
        self._kept: list[Kept] = []
        weakref.finalize(self, _close, self._kept)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Lend one. Raises as `Store.read_only` does. What went wrong with one ends it."""
        lent = self._take() or self._opened()
        try:
            yield lent.store
        except BaseException:
            lent.store.close()
            raise
        with self._lock:
            if keep := not lent.still and len(self._kept) < MOST_KEPT:
                self._kept.append(lent)
        if not keep:
            lent.store.close()

    def _take(self) -> Kept | None:
        while True:
            with self._lock:
                if not self._kept:
                    return None
                found = self._kept.pop()
            if found.current:
                return found
            found.store.close()

    def _opened(self) -> Kept:
        """Open one, and again where the file was replaced meanwhile: nobody knows which of the two was opened."""
        for _ in range(TRIES):
            file, still = _file(self._path), cannot_change(self._path)
            store = Store.read_only(self._path, any_thread=True)
            try:
                if file is not None and file == _file(self._path):
                    return Kept(store, file, _schema(store), still or cannot_change(self._path))
            except BaseException:
                store.close()
                raise
            store.close()
        raise ApplianceError(f"The store {self._path} is replaced again and again. Try again in a moment.")


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None  # gone: opening it says so
    return found.st_dev, found.st_ino


def _schema(store: Store) -> int:
    return int(store.rows("PRAGMA schema_version")[0]["schema_version"])


def _close(kept: list[Kept]) -> None:
    for each in kept:
        each.store.close()
