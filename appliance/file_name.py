"""File names as text. On Linux a name is bytes, and not every name is UTF-8."""

from __future__ import annotations

import re
from pathlib import Path


def printable(path: Path | str) -> str:
    """Return a path as text that can be printed, stored and written as JSON; other bytes become ``\\xNN``."""
    # Python carries such a byte as a lone surrogate (PEP 383), which no UTF-8 text may hold.
    escaped = re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", str(path))
    return escaped.encode("utf-8", "backslashreplace").decode("utf-8")
