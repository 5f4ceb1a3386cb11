"""The WSGI server: waitress. Why, and why not gunicorn or cheroot: docs/decisions/waitress-serves-the-page.md."""

from __future__ import annotations

import socket
from typing import Any, Protocol

from flask import Flask

from appliance.errors import ApplianceRefused

CONNECTIONS = 1000
SPARE_THREADS = 16  # for pages, patches and buttons, when every viewer's thread is taken
LARGEST_REQUEST = 24 * 1024 * 1024  # a picture to label, and a little more
BEHIND_BYTES = 256 * 1024  # so much may wait for a slow viewer before its own queue fills instead
UNREACHABLE_AFTER_MS = 20_000  # a viewer's machine that vanished without a word frees its thread after this


class Server(Protocol):
    """What a waitress server does."""

    effective_port: int | str

    def run(self) -> None:
        """Serve until SystemExit or KeyboardInterrupt is raised in this thread, or it is closed."""

    def close(self) -> None:
        """Stop serving."""


def make_server(app: Flask, host: str, port: int, viewers: int) -> Server:
    """Return a server of the page, bound to its address (port 0: any that is free).

    viewers: how many may watch at once; each of them holds a thread.
    Raises ApplianceRefused when the address cannot be used.
    """
    import waitress

    listener = _listen(host, port)
    server: Any = waitress.create_server(
        app,
        sockets=[listener],
        threads=viewers + SPARE_THREADS,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,  # select() knows no file number above 1023
        channel_request_lookahead=1,  # reads while a stream is written, and so notices who hangs up
        outbuf_high_watermark=BEHIND_BYTES,
        max_request_body_size=LARGEST_REQUEST,
        ident=None,
    )
    return server  # type: ignore[no-any-return]


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What the listener says of time-outs holds for every connection that it accepts.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREACHABLE_AFTER_MS)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ApplianceRefused(
            f"The page cannot be served at {host}, port {port}: {reason}. Give another one with --host or --port."
        ) from error
    return listener
