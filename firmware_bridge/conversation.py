"""Orders and their answers on a line where a controller may also speak unasked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from firmware_bridge.transport import Transport

FORGET_WITHIN_S = 1.0


class Conversation:
    """A transport on which answers are told from unasked lines.

    reply_within_s: how long an answer may take.  quiet_s: how long nothing comes until a line counts as quiet.
    heed: whether an unasked line is usual chatter; it raises where the line is an alarm or a restart.
    """

    def __init__(
        self, transport: Transport, heed: Callable[[str], bool], reply_within_s: float, quiet_s: float
    ) -> None:
        self.quiet_s = quiet_s
        self._transport = transport
        self._heed = heed
        self._reply_within_s = reply_within_s

    def send(self, order: bytes) -> None:
        """Send without waiting for an answer. From any thread. Raises PortSilent, PortVanished."""
        self._transport.send(order)

    def ask(
        self, order: bytes, pattern: str, within_s: float | None = None, *, times: int = 1
    ) -> re.Match[str]:
        """Send an order and return the line that answers it. Raises PortSilent, PortGarbled, PortVanished.

        pattern: how the answer begins.  within_s: None takes the settings' `reply_within_s`.
        times: how often it may be sent within the time, for orders that move nothing.
        """
        within_s = self._reply_within_s if within_s is None else within_s
        heard: list[str] = []
        for _ in range(times):
            self.send(order)
            if found := self.hear(pattern, within_s / times, heard):
                return found
        raise self._transport.nothing_came(f'"{_shown(order)}"', heard)

    def ask_all(self, order: bytes, end: str, within_s: float) -> list[str]:
        """Send an order and return every line before the one that ends its answer. Raises as `ask`."""
        said: list[str] = []
        self.send(order)
        if self.hear(end, within_s, said, heeding=False) is None:
            raise self._transport.nothing_came(f'"{_shown(order)}"', said)
        return said

    def hear(
        self, pattern: str, within_s: float, heard: list[str] | None = None, *, heeding: bool = True
    ) -> re.Match[str] | None:
        """Return the next line that begins with a pattern; None where none comes in time.

        heard: collects the lines that were neither.  heeding: whether unasked lines count.
        """
        deadline = time.monotonic() + within_s
        while (line := self._transport.line(max(0.0, deadline - time.monotonic()))) is not None:
            if found := re.match(pattern, line):
                return found
            if not (heeding and self._heed(line)) and heard is not None:
                heard.append(line)
        return None

    def no_answer(self, asked: str, heard: list[str]) -> Exception:
        """Return the error for an answer that did not come: PortGarbled where something else did, else PortSilent."""
        return self._transport.nothing_came(asked, heard)

    def catch_up(self) -> None:
        """Heed what the controller said since the last answer."""
        for line in self._transport.waiting():
            self._heed(line)

    def forget(self) -> None:
        """Drop whatever is still being said, until the line is quiet: an order was given up."""
        deadline = time.monotonic() + FORGET_WITHIN_S
        while self._transport.line(self.quiet_s) is not None and time.monotonic() < deadline:
            continue

    @property
    def gone(self) -> bool:
        """Whether the port has vanished or was closed."""
        return self._transport.gone

    def close(self) -> None:
        """Close the port. May be called twice, and from any thread."""
        self._transport.close()


def _shown(order: bytes) -> str:
    return order.decode("ascii", "backslashreplace").strip() or repr(order)[2:-1]
