"""Carries a routine's steps out: on a stage, with a camera, and an engineer to talk to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Protocol

from appliance.calibrating.steps import (
    Confirm,
    Expose,
    GoTo,
    Lay,
    Mend,
    Routine,
    Shine,
    Step,
    T,
    Take,
    Tell,
    Wait,
)
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.microscope import Microscope
from calibration.errors import CalibrationRefused


class RoutineStopped(Exception):
    """A person ended it, or its session is over. Nothing of it is on record."""

    def __init__(self) -> None:
        super().__init__("The routine was stopped. Nothing of it is on record.")


def _unseen(step: Step, came: Any) -> None:
    """Nobody looks on."""


def _never() -> bool:
    """Nobody ends it."""
    return False


class Engineer(Protocol):
    """Who stands at the microscope, and how to talk to them: a terminal, or a page."""

    def tell(self, sentence: str) -> None:
        """Say it."""

    def lay(self, slide: str, sentence: str) -> None:
        """Return when the slide lies on the stage. slide: "micrometer", "grid", "blank" or "smear"."""

    def mend(self, sentence: str) -> bool:
        """Say what is wrong; return whether it was put right."""

    def confirm(self, sentence: str, usual: bool) -> bool:
        """Say what was found; return whether it is right. usual: the answer where nobody is asked."""


class Runner:
    """One microscope, homed and ready. It is closed by whoever opened it."""

    def __init__(
        self,
        microscope: Microscope,
        engineer: Engineer,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Take both. wait: lets seconds pass."""
        self.microscope, self._engineer = microscope, engineer
        self._wait = wait or threading.Event().wait
        self._lies: str | None = None
        self._dimmed = False
        self.taken = 0

    def tell(self, sentence: str) -> None:
        """Say it to the engineer."""
        self._engineer.tell(sentence)

    def run(
        self,
        routine: Routine[T],
        seen: Callable[[Step, Any], object] = _unseen,
        stopped: Callable[[], bool] = _never,
    ) -> T:
        """Run a routine to its end and return what it found.

        What a step refuses is the routine's to answer; what else it raises ends the routine. The lamp is then as it
        was, where it still obeys.

        seen: is told of each step that was done, and what came of it.
        stopped: asked before each step; once it says so the routine ends with RoutineStopped.
        """
        answer: Any = None
        refused: Exception | None = None
        try:
            while True:
                try:
                    step = routine.send(answer) if refused is None else routine.throw(refused)
                except StopIteration as end:
                    found: T = end.value
                    return found
                if stopped():
                    raise RoutineStopped
                refused = answer = None
                try:
                    answer = self._done(step)
                except (ApplianceRefused, CalibrationRefused) as refusal:
                    refused = refusal
                else:
                    seen(step, answer)
        finally:
            routine.close()
            if self._dimmed:
                with contextlib.suppress(ApplianceError, ApplianceRefused):
                    self._done(Shine(None))

    def _done(self, step: Step) -> Any:
        match step:
            case GoTo(place):
                return self.microscope.go_to(place)
            case Take(overview):
                self.taken += 1
                return self.microscope.look(self.microscope.overview if overview else None)
            case Expose(setting):
                return self.microscope.counting.camera.configure(setting)
            case Shine(share):
                self._dimmed = share is not None
                return self.microscope.shine(share)
            case Wait(seconds):
                return self._wait(seconds)
            case Tell(sentence):
                return self._engineer.tell(sentence)
            case Lay(slide, sentence):
                if slide != self._lies:
                    self._engineer.lay(slide, sentence)
                self._lies = slide
                return None
            case Mend(sentence):
                return self._engineer.mend(sentence)
            case Confirm(sentence, usual):
                return self._engineer.confirm(sentence, usual)
