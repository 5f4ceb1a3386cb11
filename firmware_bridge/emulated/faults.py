"""What can be made to go wrong on an emulated board, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["drop", "delay", "garble", "reset", "unplug", "alarm", "silence", "mishear"]
ON_REPLY, ON_BYTES = ("drop", "delay", "garble"), ("mishear",)


@dataclass(slots=True)
class Fault:
    """Something that goes wrong.

    kind: "drop", "delay" or "garble" a reply; "mishear" a line of an order; or, after an order, "reset" the board,
        "unplug" it, raise an "alarm", or let it fall into "silence" for good.
    on: what the reply or the order looks like (a regular expression; real-time bytes are orders of one letter).
    after: how many of them pass first.  times: how often it happens.
    by_s: how long a reply is delayed (real seconds).
    share: at which share of the motion that the order starts; at once where it starts none.
    """

    kind: Kind
    on: str = ""
    after: int = 0
    times: int = 1
    by_s: float = 0.3
    share: float = 0.5

    def strikes(self, text: str) -> bool:
        """Whether it happens to this reply or order. Counts."""
        if self.times <= 0 or not re.search(self.on, text):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


def garbled(line: str) -> bytes:
    """A line as a bad cable gives it: some bits flipped, its end kept."""
    return bytes(ord(c) ^ (0x80 | (0x15 if i % 2 else 0x0A)) for i, c in enumerate(line)) + b"\r\n"


def misheard(line: str) -> str:
    """A line as it arrives over a bad cable: one letter is another."""
    return line[:-1] + chr(ord(line[-1]) ^ 1) if line else line
