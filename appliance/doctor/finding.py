"""What a check of the instrument found: it passes, or says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

AGAIN = "Then run hemadiff doctor again."


class Verdict(StrEnum):
    """How a check ended. A warning does not keep anybody from counting; a failure should."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. what: was checked, a word or two.  said: what was found.  do: what to do about it; empty for a pass."""

    what: str
    verdict: Verdict
    said: str
    do: str = ""

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.PASSED) == bool(self.do):
            raise ValueError("A check passes, or says what to do.")

    def __str__(self) -> str:
        """In a line."""
        return f"{self.what}: {self.said} {self.do}".rstrip()


def passed(what: str, said: str) -> Finding:
    """Return a line that asks for nothing."""
    return Finding(what, Verdict.PASSED, said)


def warning(what: str, said: str, do: str) -> Finding:
    """Return a line that somebody should see to."""
    return Finding(what, Verdict.WARNING, said, do)


def failed(what: str, said: str, do: str) -> Finding:
    """Return a line that somebody must see to before the next count."""
    return Finding(what, Verdict.FAILED, said, do)
