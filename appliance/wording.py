"""Numbers in sentences."""

from __future__ import annotations


def number_of(n: int, noun: str) -> str:
    """Return "1 image", "2 images"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
