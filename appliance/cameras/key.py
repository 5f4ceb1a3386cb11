"""The key that a camera server and the instrument share: 32 random bytes, in a file that its owner alone may read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from appliance.errors import ApplianceRefused
from appliance.file_name import printable

KEY_BYTES = 32


def make_key(path: Path) -> None:
    """Write a new key, in hexadecimal. Raises ApplianceRefused where there is a file already."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ApplianceRefused(
            f"{printable(path)} exists. A key is not overwritten: choose another name, or remove it."
        ) from error
    except OSError as error:
        raise ApplianceRefused(f"The key {printable(path)} cannot be written: {error.strerror}.") from error
    with os.fdopen(file, "w", encoding="ascii") as opened:
        opened.write(secrets.token_hex(KEY_BYTES) + "\n")


def read_key(path: Path) -> bytes:
    """Return the key in a file. Raises ApplianceRefused where it is none, or where others may read it."""
    try:
        with path.open(encoding="ascii") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(4 * KEY_BYTES).strip()
    except FileNotFoundError as error:
        raise ApplianceRefused(
            f"There is no key {printable(path)}. Make one with `hemadiff camera key`, and copy it to both machines."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ApplianceRefused(f"The key {printable(path)} cannot be read: {error}.") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ApplianceRefused(
            f"Others than its owner may use the key {printable(path)}. Run `chmod 600` on it."
        )
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ApplianceRefused(
            f"{printable(path)} is not a key of {2 * KEY_BYTES} hexadecimal digits. Make one with "
            "`hemadiff camera key`."
        )
    return key
