"""Whether the instrument makes progress: its writer thread answers, and a run that counts brings fields.

A service manager that hears nothing of progress ends the instrument and starts it again; the run is then found
paused, with every field that was counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.errors import ApplianceError
from appliance.notify import Notifier
from appliance.run import State

log = logging.getLogger(__name__)

WITHIN_S = {State.PREPARING: 900.0, State.COUNTING: 300.0}
"""So long may one step of the preparations, or one field, take: every part of it has a shorter time-out of its own."""

LOADING_WITHIN_S = 900.0
FEEDS_PER_LIMIT = 3
SERVING = "Ready to count."


@dataclass(frozen=True, slots=True)
class Pulse:
    """Where the run stands. step: what it does, in a sentence.  fields: counted or skipped."""

    run: str | None = None
    state: State = State.IDLE
    step: str = ""
    fields: int = 0

    def __str__(self) -> str:
        """In a sentence, for whoever looks at the service."""
        return (
            SERVING
            if self.run is None
            else f"Run {self.run} is {self.state}, {self.fields} fields. {self.step}"
        )


class Progress:
    """Judges one pulse after another."""

    def __init__(self) -> None:
        self._last: Pulse | None = None
        self._since_s = 0.0

    def missed(self, pulse: Pulse, now_s: float) -> str | None:
        """Return why there is no progress any more, in a sentence; None while there is.

        now_s: monotonic.
        """
        if pulse != self._last:
            self._last, self._since_s = pulse, now_s
        within_s = WITHIN_S.get(pulse.state)
        if within_s is None or now_s - self._since_s <= within_s:
            return None
        return (
            f"The run {pulse.run} has been {pulse.state} for more than {within_s:g} s without a field or a step "
            f"({pulse.fields} fields so far)."
        )


class Watch:
    """Tells the service manager of progress, in a thread of its own, for as long as there is any.

    pulse: asks the writer thread; while that hangs, so does this, and nothing is told.
    """

    def __init__(self, notifier: Notifier, pulse: Callable[[], Pulse]) -> None:
        self._notifier = notifier
        self._pulse = pulse
        self._progress = Progress()
        self.until_s = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="watchdog", daemon=True)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Allow the writer thread to be busy with the networks, for long but not for ever."""
        self.until_s = time.monotonic() + LOADING_WITHIN_S
        try:
            yield
        finally:
            self.until_s = 0.0

    def __enter__(self) -> Watch:
        if self._notifier.watchdog_s is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()  # it may wait for a writer thread that hangs: nobody waits for it

    def look(self, now_s: float) -> bool:
        """Look once, and tell; return whether there was progress. now_s: monotonic."""
        if now_s < self.until_s:
            self._notifier.alive()
            return True
        try:
            pulse = self._pulse()
        except ApplianceError:  # it is shutting down
            return False
        why = self._progress.missed(pulse, now_s)
        if why is None:
            self._notifier.alive()
        self._notifier.status(why or str(pulse))
        return why is None

    def _feed(self) -> None:
        every_s = (self._notifier.watchdog_s or 0.0) / FEEDS_PER_LIMIT
        said = False
        while not self._closing.wait(every_s):
            alive = self.look(time.monotonic())
            if not alive and not said and not self._closing.is_set():
                log.error("No progress any more: the watchdog is no longer told that there is.")
            said = not alive
