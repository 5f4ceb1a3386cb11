"""Which hemadiff this is."""

from __future__ import annotations


def version() -> str:
    """Return the version of hemadiff that is installed."""
    from importlib import metadata  # here, because `hemadiff --help` needs none of it

    try:
        return metadata.version("hemadiff")
    except metadata.PackageNotFoundError:
        return "(not installed)"
