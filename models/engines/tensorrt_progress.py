"""How far a build is, told to whoever asked for it, and the way to end it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import tensorrt as trt


@dataclass(frozen=True, slots=True)
class BuildStep:
    """Where a build is. phase: in TensorRT's words.  share: done of its outermost phase, 0 to 1."""

    phase: str
    share: float


Told = Callable[[BuildStep], None]


def nobody(step: BuildStep) -> None:
    """Told how far a build is, and does nothing about it."""


class BuildStopped(Exception):
    """Whoever asked for the build wants it no more."""


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Monitor(trt.IProgressMonitor):
    """What TensorRT tells of its phases, one inside the other, as one share.

    TensorRT swallows whatever is raised in here: it is kept, the build is ended, and it is raised when that has ended.
    """

    def __init__(self, told: Told, stop: Event) -> None:
        trt.IProgressMonitor.__init__(self)
        self._told = told
        self._stop = stop
        self._phases: dict[str, _Phase] = {}
        self._raised: BaseException | None = None

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """A phase begins."""
        self._phases[phase_name] = _Phase(parent_phase, max(1, num_steps))
        self._tell(phase_name)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Return whether to go on."""
        if phase_name in self._phases:
            self._phases[phase_name].done = step + 1
            self._tell(phase_name)
        return not self._stop.is_set()

    def phase_finish(self, phase_name: str) -> None:
        """A phase has ended, to its end or not."""
        self._phases.pop(phase_name, None)

    def raise_what_stopped_it(self) -> None:
        """Raise what the one who is told raised, or BuildStopped where the build was ended otherwise."""
        if self._raised is not None:
            raise self._raised
        if self._stop.is_set():
            raise BuildStopped

    def _tell(self, phase_name: str) -> None:
        if self._stop.is_set():
            return
        try:
            self._told(BuildStep(phase_name, self._share(phase_name)))
        except BaseException as error:  # noqa: BLE001  kept, and raised where it is heard
            self._raised = error
            self._stop.set()

    def _share(self, phase_name: str) -> float:
        """How much of the outermost phase is done: a phase is part of the step that its parent is at."""
        phase = self._phases[phase_name]
        share = min(1.0, phase.done / phase.steps)
        for _ in range(len(self._phases)):  # never round in circles, whatever is said of parents
            parent = self._phases.get(phase.parent or "")
            if parent is None:
                break
            share = min(1.0, (parent.done + share) / parent.steps)
            phase = parent
        return share
