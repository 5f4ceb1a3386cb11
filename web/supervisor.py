"""Keeps an instrument running beside the page: its own, unless another one serves the same store."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)

REFUSED = 2  # its exit status where it can never begin: it has said why on stderr
MOST_FAILURES = 5  # in a row; then a person must look
GOOD_AFTER_S = 60.0  # an instrument that lived so long did not fail at its start
LOOK_EVERY_S = 1.0
END_WITHIN_S = 20.0


class Supervisor:
    """Starts the instrument as a process of its own, and again when it dies, but not for ever.

    command, env: how to start it.  taken: whether an instrument has the store; asked only while ours has not.
    say: told in a sentence why the instrument is not there.  refused: called once where ours can never begin (a store
    that is none, say); it is not started again.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        taken: Callable[[], bool],
        say: Callable[[str], None],
        again_after_s: float = 1.0,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._taken = taken
        self._say = say
        self._again_after_s = again_after_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)
        self._on_refusal = refused
        self.gave_up = threading.Event()
        self.refused = threading.Event()

    def start(self) -> None:
        """Keep an instrument running from now on."""
        self._thread.start()

    def close(self) -> None:
        """Ask our own instrument to end, insist if it does not, and start no other."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=END_WITHIN_S + 5)

    def _keep(self) -> None:
        failures = 0
        while not self._closing.is_set():
            if self._taken():  # another's: follow it for as long as it is there
                failures = 0
                self._closing.wait(LOOK_EVERY_S)
                continue
            began = time.monotonic()
            status = self._run_once()
            if self._closing.is_set() or self._taken():
                continue
            if status == REFUSED:
                self._say("The instrument cannot begin. It says why where hemadiff serve was started.")
                self.refused.set()
                self._on_refusal()
                break
            failures = 1 if time.monotonic() - began > GOOD_AFTER_S else failures + 1
            if failures >= MOST_FAILURES:
                self._give_up(failures)
                break
            self._tell(
                f"The instrument {_ended(status)}. It is being started again "
                f"(attempt {failures + 1} of {MOST_FAILURES})."
            )
            self._closing.wait(self._again_after_s * 2 ** (failures - 1))

    def _run_once(self) -> int:
        """Run our own instrument until it ends; return its exit status, negative for a signal."""
        try:
            # A session of its own: Ctrl-C reaches the page alone, which then ends the instrument in order.
            process = subprocess.Popen(self._command, env=self._env, start_new_session=True)
        except OSError:
            log.exception("the instrument cannot be started")
            return 127
        while True:
            try:
                return process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                if self._closing.is_set():
                    return _end(process)

    def _give_up(self, failures: int) -> None:
        self._tell(
            f"The instrument failed {failures} times in a row and is not started again. "
            "It said why in the terminal, or the journal, of hemadiff serve. Mend that, and start hemadiff serve again."
        )
        self.gave_up.set()

    def _tell(self, sentence: str) -> None:
        log.error(sentence)
        self._say(sentence)


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(timeout=END_WITHIN_S)
    except subprocess.TimeoutExpired:
        log.error("the instrument did not end within %g s and is killed", END_WITHIN_S)
        process.kill()
        return process.wait()


def _ended(status: int) -> str:
    if status >= 0:
        return f"stopped (exit status {status})"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
