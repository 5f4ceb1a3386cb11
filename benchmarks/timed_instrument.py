"""A simulated instrument that keeps a diary, and its fields, of which a benchmark wants so many."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from appliance.cameras.camera import Exposure
from appliance.field_source import FieldSource, SlideSurvey
from appliance.frame import Frame, SkippedField
from appliance.microscope import Eye, Microscope
from benchmarks.diary import Act, FieldTaken, Look, Move
from calibration import Scale
from firmware_bridge.point import Point

PREPARED = ("homing", "setting", "looking over", "focusing")
"""The first words of what `SlideSource.prepare` says that it does; other sentences are remarks."""


class TimedMicroscope(Microscope):
    """A microscope that notes every move and picture in `acts`, in order."""

    def __init__(self, *parts: Any, **others: Any) -> None:
        """As any microscope."""
        super().__init__(*parts, **others)
        self.acts: list[Act] = []

    @property
    def settle_s(self) -> float:
        """The part of every move that is settling."""
        return self._stage.settings.settle_s

    def go_to(self, place: Point) -> Point:
        """Move, and note it."""
        from_s = time.monotonic()
        try:
            return super().go_to(place)
        finally:
            self.acts.append(Move(place, from_s, time.monotonic()))

    def look(self, eye: Eye | None = None) -> Exposure:
        """Take a picture, and note it."""
        from_s = time.monotonic()
        exposure = super().look(eye)
        over_s = exposure.start_ns / 1e9 + exposure.exposure_us / 1e6
        self.acts.append(Look(from_s, max(from_s, over_s), time.monotonic()))
        return exposure


class TimedFields:
    """The fields of a source, at most so many.

    prepared: seconds of making ready, by step.  taken: every field that was taken.
    """

    def __init__(self, source: FieldSource, most: int | None = None) -> None:
        """Take the source; it is closed with this."""
        self._source, self._most = source, most
        self.prepared: defaultdict[str, float] = defaultdict(float)
        self.taken: list[FieldTaken] = []

    @property
    def name(self) -> str:
        """The source's."""
        return self._source.name

    @property
    def simulated(self) -> bool:
        """The source's."""
        return self._source.simulated

    @property
    def scale(self) -> Scale:
        """The source's."""
        return self._source.scale

    @property
    def planned(self) -> int | None:
        """The source's."""
        return self._source.planned

    @property
    def digest(self) -> str:
        """The source's."""
        return self._source.digest

    @property
    def survey(self) -> SlideSurvey | None:
        """The source's."""
        return self._source.survey

    def prepare(self, survey: SlideSurvey | None) -> Iterator[str]:
        """Make ready, and note how long each step took: what follows a sentence is what it says."""
        said = PREPARED[0]
        steps = self._source.prepare(survey)
        while True:
            began_s = time.monotonic()
            sentence = next(steps, None)
            self.prepared[said] += time.monotonic() - began_s
            if sentence is None:
                return
            said = _step(sentence) or said
            yield sentence

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        """Every field, until there are enough."""
        fields = itertools.islice(self._source.fields(first), self._most)
        while True:
            from_s = time.monotonic()
            field = next(fields, None)
            if field is None:
                return
            to_s = time.monotonic()
            yield field
            self.taken.append(FieldTaken(from_s, to_s, time.monotonic()))

    def halt(self) -> None:
        """As the source does."""
        self._source.halt()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _step(sentence: str) -> str | None:
    said = sentence.lower().replace("looking the slide over", "looking over")
    return next((step for step in PREPARED if said.startswith(step)), None)
