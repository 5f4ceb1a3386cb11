"""Tells the service manager that the page is served: it asks itself for one, as a browser would."""

from __future__ import annotations

import threading

from appliance.notify import Notifier
from appliance.page_answers import why_silent

BEATS_PER_LIMIT = 3
FIRST_AFTER_S = 0.1
ANSWER_WITHIN_S = 20.0
SERVED = "The page is served."


class Heartbeat:
    """Says that the page is ready once it answers, and alive for as long as it does. Any answer will do.

    host, port: where it is served.
    """

    def __init__(self, notifier: Notifier, host: str, port: int) -> None:
        self._notifier = notifier
        self._address = host, port
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        if self._notifier.wanted:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._notifier.stopping("The page ends.")

    def _beat(self) -> None:
        while not self._answers():
            if self._closing.wait(FIRST_AFTER_S):
                return
        self._notifier.ready(SERVED)
        if self._notifier.watchdog_s is None:
            return
        while not self._closing.wait(self._notifier.watchdog_s / BEATS_PER_LIMIT):
            if self._answers():
                self._notifier.alive()

    def _answers(self) -> bool:
        return why_silent(*self._address, ANSWER_WITHIN_S) is None
