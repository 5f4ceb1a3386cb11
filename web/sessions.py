"""The cookie that says who a browser belongs to: signed, unreadable to scripts, and of this site alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface

KEY_FILE = "web.key"


class _Cookie(SecureCookieSessionInterface):
    """Sent over TLS alone wherever TLS is; at the touchscreen there is none, and no wire either."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def install(app: Flask, folder: Path) -> None:
    """Sign cookies with the key in this folder, which is made where there is none.

    A service that sees the store read-only is given a folder of its own (systemd.exec(5), StateDirectory).
    """
    app.secret_key = key_in(Path(os.environ.get("STATE_DIRECTORY", folder)))
    app.session_interface = _Cookie()
    app.config.update(
        SESSION_COOKIE_NAME="hemadiff", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Strict"
    )


def key_in(folder: Path) -> bytes:
    """Return the key, which only its owner can read."""
    path = folder / KEY_FILE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(made, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()
