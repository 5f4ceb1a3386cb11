"""What a service tells systemd of itself: that it is ready, that it makes progress, that it ends.

Source: sd_notify(3), "Notes", and sd_watchdog_enabled(3): a datagram of lines to the socket in $NOTIFY_SOCKET, a path
or, after an @, a name in the abstract namespace. Where nobody asked to be told, nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping

SAY_WITHIN_S = 1.0  # a manager that does not listen holds nobody up
ASKED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Tells the service manager. May be used from several threads.

    address: of its socket; None tells nobody.  watchdog_s: within which it wants to hear of progress; None: not at all.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self.watchdog_s = watchdog_s if address else None

    @classmethod
    def from_environment(cls, env: MutableMapping[str, str] | None = None) -> Notifier:
        """Return the one that the service manager asked for, and take its variables out: children do not speak for us.

        env: None takes this process's.
        """
        env = os.environ if env is None else env
        address, within_us, whose = (env.pop(name, None) for name in ASKED)
        if whose is not None and whose != str(os.getpid()):  # asked of our parent
            within_us = None
        asked = within_us is not None and within_us.isdigit() and int(within_us) > 0
        return cls(address, int(within_us or 0) / 1e6 if asked else None)

    @property
    def wanted(self) -> bool:
        """Whether anybody asked to be told."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """Say that the service serves. status: what it does now, in a sentence."""
        self._say("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Say what the service does now, in a sentence; `systemctl status` shows it."""
        self._say(f"STATUS={status}")

    def alive(self) -> None:
        """Say that there was progress since this was last said."""
        self._say("WATCHDOG=1")

    def stopping(self, status: str) -> None:
        """Say that the service is about to end."""
        self._say("STOPPING=1", f"STATUS={status}")

    def _say(self, *lines: str) -> None:
        if self._address is None:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.settimeout(SAY_WITHIN_S)
            speaker.connect(self._address)
            speaker.sendall(text.encode())
