"""When focus is due for a small refinement: after so many fields, or when pictures grow softer than they were.

Contrast depends on what a field holds as much as on focus. So a field is compared only with recent ones that
hold about as much, and with their median, which one odd field does not move.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

KEPT = 24


@dataclass(frozen=True, slots=True)
class Seen:
    """A field that was taken. covered: the share of it that cells cover.  contrast: by `calibration.contrast`."""

    covered: float
    contrast: float


@dataclass(frozen=True, slots=True)
class FocusWatch:
    """What has been seen since focus was last refined, and what is usual. Pure: every change is a new watch.

    every: refine after so many fields.  sag: below this share of the usual contrast it is due at once.
    alike: how far the covered share of comparable fields may differ.  fewest: comparable fields that make a usual.
    since: fields since the last refinement.  seen: recent fields, the last one last.
    """

    every: int = 10
    sag: float = 0.7
    alike: float = 0.12
    fewest: int = 4
    since: int = 0
    seen: tuple[Seen, ...] = ()

    def after(self, field: Seen) -> FocusWatch:
        """Return the watch after one more field."""
        return replace(self, since=self.since + 1, seen=(*self.seen, field)[-KEPT:])

    def refined(self, field: Seen | None = None) -> FocusWatch:
        """Return the watch after a refinement; ``field``: the present field as it looks now.

        It stands in for its soft picture, so that what is usual is made of pictures in focus. A field that is as
        soft as before has a content of its own and becomes usual in time.
        """
        seen = self.seen if field is None else (*self.seen[:-1], field)
        return replace(self, since=0, seen=seen)

    @property
    def usual(self) -> float | None:
        """The median contrast of earlier fields like the last; None where there are too few."""
        if not self.seen:
            return None
        last = self.seen[-1]
        alike = [
            field.contrast for field in self.seen[:-1] if abs(field.covered - last.covered) <= self.alike
        ]
        return statistics.median(alike) if len(alike) >= self.fewest else None

    @property
    def due(self) -> str | None:
        """Why a refinement is due, in a sentence; None while it is not."""
        usual = self.usual
        # Right after a refinement the picture is as sharp as it gets.
        if self.since and usual is not None and self.seen[-1].contrast < self.sag * usual:
            share = 100 * self.seen[-1].contrast / usual
            return f"The contrast fell to {share:.0f} % of what is usual for fields like this one."
        if self.since >= self.every:
            return f"{self.since} fields were taken since focus was last refined."
        return None
