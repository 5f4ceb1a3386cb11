"""How long the path of a Unix socket may be."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.errors import ApplianceRefused

MOST_BYTES = 107  # sockaddr_un.sun_path on Linux, less its closing zero


def checked_socket_path(path: Path) -> Path:
    """Return the path. Raises ApplianceRefused for one that is longer than the system takes."""
    if len(os.fsencode(path)) > MOST_BYTES:
        raise ApplianceRefused(
            f"The instrument's socket {path} has a path of more than {MOST_BYTES} bytes. "
            "Set [instrument] socket to a shorter one."
        )
    return path
