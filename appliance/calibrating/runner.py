"""Carries a routine's steps out: on a stage, with a camera, and an engineer to talk to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from appliance.calibrating.steps import Expose, GoTo, Lay, Mend, Routine, Shine, Step, T, Take, Tell, Wait
from appliance.microscope import Microscope


class Engineer(Protocol):
    """Who stands at the microscope, and how to talk to them: a terminal, or a page."""

    def tell(self, sentence: str) -> None:
        """Say it."""

    def lay(self, slide: str, sentence: str) -> None:
        """Return when the slide lies on the stage. slide: "micrometer", "grid", "blank" or "smear"."""

    def mend(self, sentence: str) -> bool:
        """Say what is wrong; return whether it was put right."""


class Runner:
    """One microscope, homed and ready. It is closed by whoever opened it."""

    def __init__(
        self,
        microscope: Microscope,
        engineer: Engineer,
        wait: Callable[[float], object] | None = None,
        rate: float = 1.0,
    ) -> None:
        """Take both. rate: how much faster than real time the microscope's world goes.  wait: lets seconds pass."""
        self._microscope, self._engineer = microscope, engineer
        self._wait = wait or threading.Event().wait
        self._rate = rate
        self._lies: str | None = None
        self.taken = 0

    def run(self, routine: Routine[T]) -> T:
        """Run a routine to its end and return what it found. What a step raises ends it, and the lamp is as it was."""
        answer: Any = None
        try:
            while True:
                try:
                    step = routine.send(answer)
                except StopIteration as end:
                    found: T = end.value
                    return found
                answer = self._done(step)
        finally:
            routine.close()

    def _done(self, step: Step) -> Any:
        match step:
            case GoTo(place):
                return self._microscope.go_to(place)
            case Take():
                self.taken += 1
                return self._microscope.look()
            case Expose(setting):
                return self._microscope.counting.camera.configure(setting)
            case Shine(share):
                return self._microscope.shine(share)
            case Wait(seconds):
                return self._wait(seconds / self._rate)
            case Tell(sentence):
                return self._engineer.tell(sentence)
            case Lay(slide, sentence):
                if slide != self._lies:
                    self._engineer.lay(slide, sentence)
                self._lies = slide
                return None
            case Mend(sentence):
                return self._engineer.mend(sentence)
