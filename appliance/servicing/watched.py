"""A routine that others look on, and that they can end between two of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.calibrating.steps import Routine, Step, T


class RoutineStopped(Exception):
    """A person ended it, or its session is over. Nothing of it is on record."""

    def __init__(self) -> None:
        super().__init__("The routine was stopped. Nothing of it is on record.")


def watched(
    routine: Routine[T], seen: Callable[[Step, Any], object], stopped: Callable[[], bool]
) -> Routine[T]:
    """Run the same steps. seen: is told of each that was done, and what came of it.

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
            answer = refused = None
            try:
                answer = yield step
            except Exception as refusal:  # noqa: BLE001 - whatever a step refuses is the routine's to answer
                refused = refusal
            else:
                seen(step, answer)
    finally:
        routine.close()
