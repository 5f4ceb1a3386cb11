"""What every part of the page works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import abort

from appliance.channel_client import InstrumentClient
from appliance.errors import ApplianceRefused
from appliance.store import Store
from web.hub import Hub
from web.readers import Readers
from web.tries import Tries

if TYPE_CHECKING:
    from appliance.config import Config


@dataclass(frozen=True, slots=True)
class Rooms:
    """The settings, what the instrument says, a way to ask it for a change, and ways to read the store.

    digest: of the page's own files.  tries: to sign in.
    """

    config: Config
    hub: Hub
    instrument: InstrumentClient
    digest: str
    readers: Readers
    tries: Tries = field(default_factory=Tries)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Read the store; what it does not hold is a missing page."""
        try:
            with self.readers.store() as store:
                yield store
        except ApplianceRefused as missing:
            abort(404, str(missing))
