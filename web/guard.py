"""Who may ask the page for what: nobody from another site, and changes only from the instrument itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Request, Response
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # without any, browsers send our own forms as from nowhere: Origin: null
    "X-Content-Type-Options": "nosniff",
}

PROXIED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP")


def behind(app: WSGIApplication, trusted: Sequence[str]) -> WSGIApplication:
    """Return the application as it is behind proxies. trusted: the addresses whose word is taken for who asks."""
    believing = ProxyFix(app, x_for=1, x_proto=1, x_host=1)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        inner = believing if environ.get("REMOTE_ADDR") in trusted else app
        return inner(environ, start_response)

    return application


def with_headers(response: Response) -> Response:
    """Return the response with the headers that keep other sites out of the page."""
    response.headers.update(HEADERS)
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"  # Back shows nothing after signing out
    return response


def knows_host(request: Request, configured: str, address: str = "") -> bool:
    """Whether the request was meant for this machine, by an address or one of its names.

    A page of another site that resolves its own name to this address (DNS rebinding) is not.
    """
    host = _host(f"//{request.host}")
    return _is_address(host) or host in {"localhost", configured.lower(), _host(address), *_own_names()} - {
        ""
    }


def from_this_site(request: Request) -> bool:
    """Whether a browser sent this from our own page (or it was sent by no browser at all)."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def from_this_machine(request: Request) -> bool:
    """Whether the request came from this machine: its touchscreen. Whoever comes through a proxy did not."""
    if any(header in request.headers for header in PROXIED):
        return False
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@cache
def _own_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local", socket.getfqdn().lower()})
