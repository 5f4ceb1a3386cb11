"""What is done before the first field of a run: a kind and numbers, so that a page can say it in any language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from typing_extensions import TypedDict


class Step(StrEnum):
    """The kinds of steps."""

    BEGINNING = "beginning"
    HOMING = "homing"
    SETTING = "setting lamp and cameras"
    OVERVIEW = "looking over, by pictures"
    SURVEY = "looking over, by fields"
    FOCUSING = "focusing"


SENTENCES: Mapping[Step, str] = {
    Step.BEGINNING: "Camera and analysis are being prepared.",
    Step.HOMING: "Homing the stage.",
    Step.SETTING: "Setting lamp and cameras.",
    Step.OVERVIEW: "Looking the slide over: picture {at} of {of}.",
    Step.SURVEY: "Looking the slide over: field {at} of {of}.",
    Step.FOCUSING: "Focusing at place {at} of {of}.",
}


class StepView(TypedDict):
    """What is being done. at, of: which of how many; null for a step that has no parts."""

    kind: str
    at: int | None
    of: int | None


def said(step: Step, at: int = 0, of: int = 0) -> str:
    """Return the sentence of a step. at: which of how many, from 1."""
    return SENTENCES[step].format(at=at, of=of)


def step_of(sentence: str) -> StepView | None:
    """Return the step that says so; None for another sentence, such as what focusing found."""
    for step, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(sentence):
            numbers = found.groupdict()
            at, of = (int(numbers[name]) if name in numbers else None for name in ("at", "of"))
            return StepView(kind=str(step), at=at, of=of)
    return None


_PATTERNS = {
    step: re.compile(
        re.escape(sentence).replace(r"\{at\}", r"(?P<at>\d+)").replace(r"\{of\}", r"(?P<of>\d+)")
    )
    for step, sentence in SENTENCES.items()
}
