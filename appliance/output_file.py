"""Results as files, whole or not at all, or on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceRefused


def refuse_unwritable(out: str | None) -> None:
    """Raise ApplianceRefused where `write_json` could not write there: better before an hour of counting."""
    if out is None or out == "-":
        return
    folder = Path(out).parent
    if not folder.is_dir() or Path(out).is_dir() or not os.access(folder, os.W_OK):
        raise ApplianceRefused(
            f"{out} cannot be written: give a file in a folder that exists and can be written to."
        )


def write_json(value: Any, out: str) -> None:
    """Write a value as JSON, as `write_text` does."""
    write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", out)


def write_text(text: str, out: str) -> None:
    """Write a text to a file, or to standard output where ``out`` is ``-``.

    Raises ApplianceRefused where the file cannot be written; what was there before is then still there.
    """
    if out == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    write_bytes(text.encode(), Path(out))


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file, whole or not at all. Raises ApplianceRefused where it cannot be written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ApplianceRefused(f"{path} cannot be written: {error.strerror or error}.") from error
