"""What can go wrong in the instrument."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.cause import Cause


class ApplianceRefused(ValueError):
    """Bad usage or input: a file, a key, a folder, a state. One sentence with what to do. Exit status 2.

    cause: its kind, where it can pause or end a run.
    """

    def __init__(self, *said: object, cause: Cause | None = None) -> None:
        super().__init__(*said)
        self.cause = cause


class ApplianceError(RuntimeError):
    """A failure of the instrument itself. Exit status 1. cause: its kind, where it can pause or end a run."""

    def __init__(self, *said: object, cause: Cause | None = None) -> None:
        super().__init__(*said)
        self.cause = cause


@contextmanager
def blamed_on(cause: Cause) -> Iterator[None]:
    """Give what goes wrong inside its cause, unless it says one itself."""
    try:
        yield
    except (ApplianceError, ApplianceRefused) as error:
        error.cause = error.cause or cause
        raise
