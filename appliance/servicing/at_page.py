"""An engineer who reads a page and answers on it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from appliance.calibrating.runner import RoutineStopped
from appliance.errors import ApplianceRefused

KEPT = 200
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """What a routine waits for: a slide on the stage, whether something was put right, or whether it is right.

    number: by which an answer names it; a session asks none twice.
    """

    wanted: Literal["slide", "mended", "right"]
    sentence: str
    slide: str = ""
    number: int = 0


class AtPage:
    """The engineer of one service session. Routines call from their thread, the page's requests from theirs."""

    def __init__(self, left_alone: Callable[[], bool] = lambda: False) -> None:
        """left_alone: whether nobody looks any more, so that nothing need be waited for."""
        self._left_alone = left_alone
        self._lock = threading.Condition()
        self._told: deque[str] = deque(maxlen=KEPT)
        self._question: Question | None = None
        self._number = 0
        self._answer: bool | None = None
        self._stopped = False

    def tell(self, sentence: str) -> None:
        """Keep it for the page."""
        with self._lock:
            self._told.append(sentence)

    def lay(self, slide: str, sentence: str) -> None:
        """Wait until the slide lies there. Raises RoutineStopped where nobody wants that any more."""
        self._ask(Question("slide", sentence, slide))

    def mend(self, sentence: str) -> bool:
        """Wait for an answer. Raises RoutineStopped as `lay` does."""
        return self._ask(Question("mended", sentence))

    def confirm(self, sentence: str, usual: bool = True) -> bool:
        """Wait for an answer, whatever is usual. Raises RoutineStopped as `lay` does."""
        return self._ask(Question("right", sentence))

    def answer(self, yes: bool, number: int) -> None:
        """Answer what is waited for. Raises ApplianceRefused where nothing is, or something else than that number."""
        with self._lock:
            if self._question is None or self._answer is not None:
                raise ApplianceRefused("No routine waits for an answer.")
            if self._question.number != number:
                raise ApplianceRefused("That question was answered. Read the one that stands there now.")
            self._told.append(_said(self._question, yes))
            self._answer = yes
            self._lock.notify_all()

    def begin(self) -> None:
        """Forget what was said: another routine begins."""
        with self._lock:
            self._told.clear()
            self._stopped = False

    def stop(self) -> None:
        """Let nothing wait any longer."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether `stop` came since the last `begin`."""
        return self._stopped

    @property
    def told(self) -> list[str]:
        """The latest sentences, the oldest first."""
        with self._lock:
            return list(self._told)

    @property
    def question(self) -> Question | None:
        """What is waited for now."""
        with self._lock:
            return None if self._answer is not None else self._question

    def _ask(self, question: Question) -> bool:
        with self._lock:
            self._number += 1
            self._question, self._answer = replace(question, number=self._number), None
            try:
                while self._answer is None:
                    if self._stopped or self._left_alone():
                        raise RoutineStopped
                    self._lock.wait(LOOK_EVERY_S)
                return self._answer
            finally:
                self._question = self._answer = None


def _said(question: Question, yes: bool) -> str:
    """The question with its answer, for what was told."""
    answers = {
        "slide": ("Done.", "Not done."),
        "mended": ("It was put right.", "It was not put right."),
        "right": ("Yes.", "No."),
    }
    return f"{question.sentence} {answers[question.wanted][0 if yes else 1]}"
