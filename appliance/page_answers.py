"""Whether the page answers where it is served, as a browser on this machine would find."""

from __future__ import annotations

import http.client

UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # who listens everywhere is asked at home


def why_silent(host: str, port: int, within_s: float) -> str | None:
    """Ask the page for its head; return why no answer came, None where one did. Any answer will do.

    host, port: where it is served.
    """
    connection = http.client.HTTPConnection(UNSPECIFIED.get(host, host), port, timeout=within_s)
    try:
        connection.request("HEAD", "/", headers={"Host": "localhost"})
        connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None
