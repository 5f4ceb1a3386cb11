"""The last lines that the instrument and the page wrote, from the system's journal."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

UNITS = ("hemadiff-instrument", "hemadiff-web")
LINES = 200
WITHIN_S = 10.0

Command = Callable[[Sequence[str]], str]
"""Runs a command and returns what it prints; raises OSError or SubprocessError."""


@dataclass(frozen=True, slots=True)
class Log:
    """Lines, the oldest first. why_none: a sentence where there are none, and otherwise empty."""

    lines: tuple[str, ...]
    why_none: str = ""


def last_lines(lines: int = LINES, command: Command | None = None) -> Log:
    """Return what the services wrote last. command: what asks the journal; None runs journalctl."""
    units = [word for unit in UNITS for word in ("--unit", unit)]
    asked = ["journalctl", "--no-pager", "--quiet", "--output=short-iso", f"--lines={lines}", *units]
    try:
        said = (command or _run)(asked)
    except FileNotFoundError:
        return Log(
            (), "There is no journal on this machine: the services' messages are where they were started."
        )
    except (OSError, subprocess.SubprocessError):
        return Log(
            (),
            "The journal does not answer. Load this page again, or ask at this machine's terminal: "
            f"journalctl -u {UNITS[0]}.",
        )
    found = tuple(line for line in said.splitlines() if line.strip() and not line.startswith("-- "))
    if found:
        return Log(found)
    return Log(
        (),
        "This page may not read what the services wrote. Whoever has this machine's terminal may: "
        f"sudo journalctl {' '.join(f'-u {unit}' for unit in UNITS)}.",
    )


def _run(asked: Sequence[str]) -> str:
    done = subprocess.run(
        asked, capture_output=True, text=True, errors="replace", check=True, timeout=WITHIN_S
    )
    return done.stdout
